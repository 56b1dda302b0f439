"""Attention is what the models themselves return, head by head; removing a head is removing its weights."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn

import nnlens
from nnlens.kernels import text
from nnlens.recording import record

transformers = pytest.importorskip("transformers")

TOKENS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
SIZES = {
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
} | TOKENS
IDS = torch.tensor([[5, 17, 9, 33, 9, 60, 5, 17, 2]])


def families(implementation: str) -> dict[str, tuple[nn.Module, tuple, dict]]:
    """Small models with random weights, and what each is called with."""
    how = {"attn_implementation": implementation}
    seq2seq = {"d_model": 32, "vocab_size": 100, "decoder_start_token_id": 1} | TOKENS
    whisper = {
        "encoder_layers": 1,
        "decoder_layers": 1,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 64,
        "num_mel_bins": 8,
        "max_source_positions": 20,
        "max_target_positions": 20,
    }
    image = {key: value for key, value in SIZES.items() if key not in TOKENS and key != "vocab_size"}
    t = transformers
    return {
        "bert": (t.BertForMaskedLM(t.BertConfig(**SIZES, **how)), (IDS,), {}),
        "gpt2": (
            t.GPT2LMHeadModel(t.GPT2Config(vocab_size=100, n_embd=32, n_layer=2, n_head=4, **TOKENS, **how)),
            (IDS,),
            {},
        ),
        "llama": (t.LlamaForCausalLM(t.LlamaConfig(**SIZES, num_key_value_heads=2, **how)), (IDS,), {}),
        "t5": (
            t.T5ForConditionalGeneration(t.T5Config(**seq2seq, d_kv=8, num_layers=2, num_heads=4, d_ff=64, **how)),
            (IDS,),
            {"decoder_input_ids": IDS[:, :4]},
        ),
        "whisper": (
            t.WhisperForConditionalGeneration(t.WhisperConfig(**seq2seq, **whisper, **how)),
            (torch.randn(1, 8, 40),),
            {"decoder_input_ids": IDS[:, :4]},
        ),
        "vit": (
            t.ViTForImageClassification(t.ViTConfig(**image, image_size=32, patch_size=8, **how)),
            (torch.randn(1, 3, 32, 32),),
            {},
        ),
    }


@pytest.fixture(autouse=True)
def _quiet():
    torch.manual_seed(0)
    transformers.logging.set_verbosity_error()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def returned(output) -> list[torch.Tensor]:
    """All attentions that a model returned, in the order in which it computed them."""
    found = []
    for name in ("encoder_attentions", "attentions"):
        found += list(getattr(output, name, None) or ())
    for own, cross in zip(
        getattr(output, "decoder_attentions", None) or (), getattr(output, "cross_attentions", None) or (), strict=True
    ):
        found += [own, cross]
    return found


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama", "t5", "whisper", "vit"])
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_attention_is_what_the_eager_model_returns(name, implementation):
    if name == "t5" and implementation == "eager":
        pytest.skip("this version of T5 has one implementation")
    model, args, keywords = families(implementation)[name]
    eager = families("eager")[name][0]
    eager.load_state_dict(model.state_dict())
    model.eval(), eager.eval()
    expected = returned(eager(*args, **keywords, output_attentions=True))
    recording = record(model, *args, **keywords)
    layers = text.attention_layers(recording)
    assert len(layers) == len(expected) > 0
    for layer, weights in zip(layers, expected, strict=True):
        found = text.attention(recording, layer)
        np.testing.assert_allclose(found.weights, weights[0].detach(), atol=1e-5)
        np.testing.assert_allclose(found.weights.sum(2), 1, atol=1e-5)
        assert found.cross == (weights.shape[2] != weights.shape[3])
    decoder = name in ("gpt2", "llama")
    assert all(text.attention(recording, layer).causal == decoder for layer in layers[:1])


def test_masks_are_respected():
    model, args, _ = families("sdpa")["bert"]
    mask = torch.ones_like(IDS)
    mask[:, 5:] = 0
    recording = record(model.eval(), *args, attention_mask=mask)
    for layer in text.attention_layers(recording):
        assert text.attention(recording, layer).weights[:, :, 5:].max() == 0


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama", "vit"])
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_heads_and_bias_sum_to_the_output_of_attention(name, implementation):
    model, args, keywords = families(implementation)[name]
    recording = record(model.eval(), *args, **keywords)
    projections = {"bert": "bert.encoder.layer.1.attention.output.dense", "gpt2": "transformer.h.1.attn.c_proj",
                   "llama": "model.layers.1.self_attn.o_proj", "vit": None}  # fmt: skip
    layer = text.attention_layers(recording)[1]
    parts, bias = text.head_outputs(recording, layer, args[0])
    assert len(parts) == 4
    if projections[name] is None:
        names = [path for path, module in model.named_modules() if isinstance(module, nn.Linear) and ".1." in path]
        path = next(path for path in names if ("attention" in path and "o_proj" in path) or "output.dense" in path)
    else:
        path = projections[name]
    np.testing.assert_allclose(parts.sum(0) + bias, recording[path][0].detach(), atol=1e-5)


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_without_a_head_is_as_with_its_part_of_the_projection_at_zero(implementation):
    model, args, _ = families(implementation)["gpt2"]
    model.eval()
    recording = record(model, *args)
    layer = text.attention_layers(recording)[0]
    found = text.logits_without(model, recording, (args, {}), layer, 2).logits
    changed = families(implementation)["gpt2"][0].eval()
    changed.load_state_dict(model.state_dict())
    with torch.no_grad():
        changed.transformer.h[0].attn.c_proj.weight[16:24] = 0
        expected = changed(*args).logits
    np.testing.assert_allclose(found, expected, atol=1e-5)

    def loss(output):
        with torch.no_grad():
            return float(nn.functional.cross_entropy(output.logits[0, :-1], IDS[0, 1:]))

    effects = dict(text.head_effects(model, recording, (args, {}), layer, loss))
    losses = [loss(changed(*args)), loss(model(*args))]
    assert effects[2] == pytest.approx(losses[0] - losses[1], abs=1e-5)
    assert len(effects) == 4


def test_a_fused_module_of_torch():
    torch.manual_seed(0)
    model = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True).eval()
    x = torch.randn(1, 7, 32)
    recording = record(model, x)
    (layer,) = text.attention_layers(recording)
    assert text.attention(recording, layer).weights.shape == (4, 7, 7)
    found = text.logits_without(model, recording, ((x,), {}), layer, 1)
    with torch.no_grad():
        weight = model.self_attn.out_proj.weight.clone()
        model.self_attn.out_proj.weight[:, 8:16] = 0
        expected = model(x)
        model.self_attn.out_proj.weight.copy_(weight)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    with pytest.raises(ValueError, match='removal must be "zero"'):
        text.logits_without(model, recording, ((x,), {}), layer, 1, removal="mean")
    with pytest.raises(ValueError, match="one by one"):
        text.head_outputs(recording, layer, x)


def made(weights) -> text.Attention:
    return text.Attention(layer="a", module="a", weights=np.asarray(weights, np.float32), cross=False)


def test_patterns_of_planted_heads():
    tokens = 12
    previous, first, even = np.zeros((3, tokens, tokens))
    previous[0, 0] = first[0, 0] = 1
    for row in range(1, tokens):
        previous[row, row - 1] = first[row, 0] = 1
    for row in range(tokens):
        even[row, : row + 1] = 1 / (row + 1)
    layer = made([previous, first, even])
    assert layer.causal
    values, chance = layer.patterns()["previous token"]
    assert values[0] == 1
    assert values[2] == pytest.approx(chance, abs=1e-6)
    assert layer.patterns()["first token"][0][1] == 1
    assert layer.entropy()[0] == pytest.approx(0, abs=1e-6)
    assert "previous token" in layer.describe(0)


def test_an_induction_head_that_is_planted_is_found():
    ids = text.induction_ids(100, length=10)
    assert ids.shape == (1, 20)
    assert torch.equal(ids[0, :10], ids[0, 10:])
    assert len(set(ids[0, :10].tolist())) == 10
    weights = np.zeros((2, 20, 20))
    for row in range(20):
        weights[1, row, : row + 1] = 1 / (row + 1)
        weights[0, row, row - 9 if row >= 10 else 0] = 1
    scores, chance = text.induction_scores(made(weights))
    assert scores[0] == 1
    assert scores[1] == pytest.approx(chance, abs=1e-6)


def test_rollout_is_the_product_by_hand():
    torch.manual_seed(0)
    layers = [made(torch.rand(2, 5, 5).softmax(2).numpy()) for _ in range(3)]
    expected = np.eye(5)
    for layer in layers:
        expected = (0.5 * layer.weights.mean(0) + 0.5 * np.eye(5)) @ expected
    np.testing.assert_allclose(text.rollout(layers), expected, atol=1e-6)
    np.testing.assert_allclose(text.rollout(layers).sum(1), 1, atol=1e-5)
    with pytest.raises(ValueError, match="same tokens"):
        text.rollout([])


def test_what_is_no_attention_is_refused():
    recording = record(nn.Sequential(nn.Linear(3, 3), nn.Softmax(-1)), torch.randn(1, 4, 3))
    assert text.attention_layers(recording) == ()
    with pytest.raises(ValueError, match="layer must hold attention weights"):
        text.attention(recording, "0")


def test_the_model_is_returned_untouched():
    model, args, _ = families("sdpa")["gpt2"]
    model.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    recording = nnlens.record(model, *args)
    layer = text.attention_layers(recording)[0]
    text.logits_without(model, recording, (args, {}), layer, 0)
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
