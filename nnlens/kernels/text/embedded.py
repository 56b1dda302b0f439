"""A model of text as a function of its tokens' embeddings, so that methods for images apply to texts."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nnlens.inputs.text import Encoded
from nnlens.passes.replay import from_input
from nnlens.recording import Operation, Recording
from nnlens.scores.meaning import Pick, pick_output

from .properties import position_in_word


class EmbeddedText(nn.Module):
    """A model that is given embeddings in place of token ids, laid out as an image of one row: (n, width, 1, tokens).

    What it returns are scores (n, classes): the model's own, or those of one token where it gives scores for each.

    Parameters
    ----------
    ids : int tensor (1, tokens) or (tokens, 1)
        The text, as the model takes it.
    table : str
        The path of the embedding that reads them; see `token_table`.
    token : int, optional
        Whose scores are returned of a model that gives some for each token; the last one by default.
    """

    ids: Tensor

    def __init__(
        self, model: nn.Module, ids: Tensor, table: str, *, token: int = -1, output: Pick = None, **keywords: Tensor
    ):
        super().__init__()
        self.model, self.token, self.output = model, token, output
        self.register_buffer("ids", ids, persistent=False)
        self._table = model.get_submodule(table)
        self._keywords = keywords

    def forward(self, x: Float[Tensor, "n width 1 tokens"]) -> Float[Tensor, "n classes"]:
        """The scores of each of several variations of the text."""
        count, tokens = len(x), self.ids.numel()
        steps_first = self.ids.shape[1] == 1 and tokens > 1
        given = x[:, :, 0].transpose(1, 2)
        given = given.transpose(0, 1) if steps_first else given
        ids = self.ids.expand(tokens, count) if steps_first else self.ids.expand(count, tokens)

        def instead(_module: nn.Module, _given: tuple[Tensor, ...], output: Tensor) -> Tensor:
            return given.to(output.dtype)

        hook = self._table.register_forward_hook(instead)
        try:
            keywords = {name: value.expand(count, *value.shape[1:]) for name, value in self._keywords.items()}
            scores = pick_output(self.model(ids, **keywords), self.output)
        finally:
            hook.remove()
        if scores.ndim == 3:
            scores = scores[self.token] if steps_first else scores[:, self.token]
        return scores.reshape(count, -1)


TEXT_METHODS = (
    "gradient",
    "input_x_gradient",
    "smoothgrad",
    "integrated_gradients",
    "deconvnet",
    "guided_backprop",
    "occlusion",
    "lime",
    "kernel_shap",
)  # attribution methods that need no rows and columns


def token_table(model: nn.Module, recording: Recording) -> str:
    """The path of the embedding that reads the tokens of a recorded pass.

    Raises
    ------
    ValueError
        For a model without one.
    """
    operation = _reading(model, recording)
    if operation is None:
        raise ValueError("the model must read its tokens by an nn.Embedding, found none that does")
    return operation.module


def predicts_tokens(model: nn.Module, recording: Recording, width: int) -> bool:
    """Whether `width` scores for each token are those of a vocabulary: as many as the tokens' embedding has rows."""
    operation = _reading(model, recording)
    if operation is None:
        return any(isinstance(module, nn.Embedding) and module.num_embeddings == width for module in model.modules())
    table = dict(model.named_modules())[operation.module]
    return isinstance(table, nn.Embedding) and table.num_embeddings == width


def _reading(model: nn.Module, recording: Recording) -> Operation | None:
    """The operation that looks the tokens up: positions are looked up too, but do not come from the input."""
    modules, seeing = dict(model.named_modules()), from_input(recording)
    for operation in recording:
        reads = "embedding" in operation.op and any(name in seeing for name in operation.inputs)
        if reads and isinstance(modules.get(operation.module), nn.Embedding):
            return operation
    return None


def embedded(
    model: nn.Module, recording: Recording, ids: Tensor, table: str
) -> tuple[Float[Tensor, "1 width 1 tokens"], Float[Tensor, "width 1 1"]]:
    """The embeddings of a text as an image, and the mean embedding of the vocabulary, which stands for no token."""
    module = model.get_submodule(table)
    assert isinstance(module, nn.Embedding)  # `token_table` gave it
    operation = _reading(model, recording)
    assert operation is not None  # whose module is the table
    value = recording[operation.name].detach().reshape(ids.numel(), -1)
    neutral = module.weight.detach().float().mean(0).to(value.dtype)
    if module.weight.shape[1] != value.shape[1]:
        neutral = torch.zeros_like(value[0])
    return value.T[None, :, None].contiguous(), neutral.view(-1, 1, 1)


def word_labels(encoded: Encoded) -> Int[np.ndarray, "1 tokens"]:
    """Which word each token belongs to, numbered from 0.

    Tokens that are no part of a word stand alone; those that are parts of one character stand together.
    """
    inside = position_in_word(encoded.text)
    labels, word, before = [], -1, False
    for place, (start, end) in enumerate(encoded.spans):
        shared = place > 0 and end > start and encoded.spans[place - 1] == (start, end)
        part = end > start and inside[end - 1] > 0
        # A piece goes on with a word where its first letter is not the word's first.
        first = next((at for at in range(start, end) if inside[at] > 0), None)
        goes_on = part and before and first is not None and inside[first] > 1 and first == start
        word += not (goes_on or shared)
        labels.append(word)
        before = bool(part)
    return np.array(labels)[None]
