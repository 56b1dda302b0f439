"""Networks of the libraries that people use, small and with random weights, where those libraries import."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nnlens.kernels import summary
from nnlens.recording import record

IMAGE = (1, 3, 64, 64)


def imported(name: str) -> Any:
    """The library, or a skip: also where it is installed and does not fit the installed torch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return __import__(name, fromlist=["_"])
        except Exception as error:
            pytest.skip(f"{name} does not import: {type(error).__name__}")


def transformers_model(name: str) -> tuple[nn.Module, dict[str, Tensor]]:
    t = imported("transformers")
    text = {"input_ids": torch.tensor([[5, 3, 9, 2, 7]])}
    small = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name == "resnet":
            config = t.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 2], layer_type="basic")
            return t.ResNetForImageClassification(config), {"pixel_values": torch.randn(IMAGE)}
        if name == "vit":
            config = t.ViTConfig(**small, intermediate_size=32, image_size=64, patch_size=16)
            return t.ViTForImageClassification(config), {"pixel_values": torch.randn(IMAGE)}
        if name == "bert":
            mask = torch.tensor([[1, 1, 1, 1, 0]])
            return t.BertForSequenceClassification(t.BertConfig(**small, intermediate_size=32)), text | {
                "attention_mask": mask
            }
        if name == "gpt2":
            return t.GPT2LMHeadModel(t.GPT2Config(vocab_size=20, n_positions=16, n_embd=16, n_layer=2, n_head=2)), text
        if name == "llama":
            config = t.LlamaConfig(**small, intermediate_size=32, num_key_value_heads=1)
            return t.LlamaForCausalLM(config), text
        sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2}
        sizes |= {"decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "num_mel_bins": 8}
        special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
        config = t.WhisperConfig(vocab_size=20, max_source_positions=16, **sizes, **special)
        sound = {"input_features": torch.randn(1, 8, 32), "decoder_input_ids": torch.tensor([[1, 4, 3]])}
        return t.WhisperForConditionalGeneration(config), sound


def cloned(output: Any) -> Any:
    """As it is now: a later in-place operation may write into it."""
    return output.clone() if isinstance(output, Tensor) else output


def leaf_outputs(model: nn.Module, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> dict[str, Tensor]:
    """What plain hooks see on the modules without children, of those that ran once."""
    seen: dict[str, list[Any]] = {}
    handles = [
        module.register_forward_hook(lambda m, a, output, path=path: seen.setdefault(path, []).append(cloned(output)))
        for path, module in model.named_modules()
        if path and next(module.children(), None) is None
    ]
    with torch.no_grad():
        model(*inputs, **keywords)
    for handle in handles:
        handle.remove()
    return {path: outs[0] for path, outs in seen.items() if len(outs) == 1 and isinstance(outs[0], Tensor)}


def check(model: nn.Module, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    model.eval()
    recording = record(model, *inputs, **keywords)
    assert len(set(recording.names)) == len(recording) > 10
    assert record(model, *inputs, **keywords).names == recording.names
    for path, value in leaf_outputs(model, inputs, keywords).items():
        if path in recording:
            torch.testing.assert_close(recording[path], value)
    # A tree that is sensible: everything that costs something is a child of the module that it belongs to.
    result = summary(model, *inputs, passes=1, **keywords)
    assert result.total.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert result.total.flops > 0
    weighty = {"convolution", "linear", "attention", "normalisation"}
    assert sum(operation.kind in weighty for operation in recording) > 5
    assert sum(operation.kind == "other" for operation in recording) < len(recording) / 3
    for operation in recording:
        assert tuple(recording[operation.name].shape) == operation.shape


@pytest.mark.parametrize("name", ["resnet", "vit", "bert", "gpt2", "llama", "whisper"])
def test_transformers(name):
    model, keywords = transformers_model(name)
    check(model, (), keywords)
    if name != "resnet":
        recording = record(model.eval(), **keywords)
        weights = [operation.name for operation in recording if operation.op == "attention_weights"]
        assert weights, "attention is looked into"
        for one in weights:
            torch.testing.assert_close(recording[one].sum(-1), torch.ones(recording[one].shape[:-1]))


TIMM = {
    "resnet18": {}, "convnext_atto": {}, "vit_tiny_patch16_224": {"img_size": 64}, "efficientnet_lite0": {},
    "swin_tiny_patch4_window7_224": {"img_size": 64, "window_size": 2}, "mixer_s32_224": {"img_size": 64},
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(TIMM))
def test_timm(name):
    timm = imported("timm")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = timm.create_model(name, pretrained=False, **TIMM[name])
    check(model, (torch.randn(IMAGE),), {})


@pytest.mark.parametrize("name", ["resnet18", "vit_b_16", "densenet121", "inception_v3", "shufflenet_v2_x0_5"])
def test_torchvision(name):
    models = imported("torchvision.models")
    size = {"vit_b_16": 224, "inception_v3": 299}.get(name, 64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = getattr(models, name)(weights=None)
    check(model, (torch.randn(1, 3, size, size),), {})
