"""Does a cell matter? What a model predicts, and writes, with one cell held at a value at every token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from nnlens.inputs.text import Codec, Encoded
from nnlens.recording import OtherPathError, Recording, borrow, device_of, record, substituting
from nnlens.recording.record import unwrapped
from nnlens.scores.meaning import Pick, pick_output
from nnlens.utils.language import _, number

from .changed import changed_call
from .predictions import predictions

Call = tuple[tuple[Any, ...], Mapping[str, Any]]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Holding:
    """The predictions of a language model as it is, and with a cell held.

    Attributes
    ----------
    layer, cell, value : str, int, float
        What is held, and at which value.
    clean, held : float32 arrays (tokens,)
        −ln of the probability of the token that the text has next (see `Predictions.own`); NaN where unknown.
    divergence : float32 array (tokens,)
        The Kullback-Leibler divergence of the predictions from those of the model as it is, in bits.
    changed : float
        The share of tokens at which the best prediction is another one.
    """

    layer: str
    cell: int
    value: float
    clean: Float[np.ndarray, " tokens"]
    held: Float[np.ndarray, " tokens"]
    divergence: Float[np.ndarray, " tokens"]
    changed: float

    def describe(self) -> str:
        """In words: "cell 5 of rnn held at 1: loss 1.20 → 1.31 nats per token; another best prediction at 7 % …"."""
        return _(
            "cell {cell} of {layer} held at {value}: loss {clean} → {held} nats per token; another best prediction at "
            "{share} % of the tokens",
            cell=self.cell,
            layer=self.layer,
            value=number(f"{self.value:.3g}"),
            clean=number(f"{np.nanmean(self.clean):.3f}"),
            held=number(f"{np.nanmean(self.held):.3f}"),
            share=number(f"{100 * self.changed:.0f}"),
        )

    def __repr__(self) -> str:
        return f"Holding({self.describe()})"


def holding(
    model: nn.Module,
    recording: Recording,
    call: Call,
    encoded: Encoded,
    layer: str,
    cell: int,
    value: float,
    *,
    next_token: bool = True,
    output: Pick = None,
) -> Holding:
    """The predictions on a text with a cell held at a value at every token: one more pass.

    Parameters
    ----------
    recording : Recording
        A whole pass on `call`, the arguments and keywords of the model.
    layer, cell : str and int
        A unit of a layer with a value for each token. Inside recurrent layers the state or gate is held before it is
        used, at every step.
    next_token : bool
        Whether the model predicts the next token; see `reads_forward`.

    Raises
    ------
    ValueError
        For a cell that is not there, or that cannot be held.
    """
    returned = output_holding(model, recording, call, layer, cell, value)
    rows = [
        pick_output(item, output).detach().float().reshape(len(encoded), -1) for item in (recording.output, returned)
    ]
    logs = [row.log_softmax(1) for row in rows]
    both = [predictions(row, encoded, k=1, next_token=next_token) for row in rows]
    away = torch.nn.functional.kl_div(logs[1], logs[0], reduction="none", log_target=True)
    away = away.masked_fill(logs[0].isneginf(), 0).sum(1).clamp(min=0)  # tokens that are ruled out add nothing
    clean, held = (-np.log(np.maximum(item.own, 1e-30)) for item in both)
    return Holding(
        layer=layer,
        cell=cell,
        value=value,
        clean=clean,
        held=held,
        divergence=(away / np.log(2)).cpu().numpy(),
        changed=float((both[0].top[:, 0] != both[1].top[:, 0]).mean()),
    )


def output_holding(model: nn.Module, recording: Recording, call: Call, layer: str, cell: int, value: float) -> object:
    """What the model returns with a cell held at a value; see `holding`."""
    operation = recording.operation(layer)
    cells = operation.shape[-1]
    if isinstance(cell, bool) or not 0 <= cell < cells:
        raise ValueError(f"cell must be 0…{cells - 1} in {layer!r}, got {cell!r}")

    def held(_step: int, made: Tensor) -> Tensor:
        made = made.clone()
        made[..., cell] = value
        return made

    args, keywords = call
    model, result = unwrapped(model), object()
    with borrow(model), torch.no_grad(), substituting(model, recording.calls, changed_call(recording, operation, held)):
        result = model(*args, **keywords)
    return result


def written_steps(
    model: nn.Module,
    codec: Codec,
    text: str,
    *,
    hold: tuple[str, int, float] | None = None,
    count: int = 80,
    temperature: float = 0.7,
    context: int = 128,
    steps_first: bool = False,
    seed: int = 0,
    output: Pick = None,
) -> Iterator[str]:
    """Let a language model go on with a text, token by token; what it has written so far after each token.

    Parameters
    ----------
    hold : (str, int, float), optional
        A layer, a cell of it, and the value at which it is held.
    count : int
        How many tokens are written.
    temperature : float
        By which logits are divided before a token is drawn; 0 for the most probable one.
    context : int
        How many of the last tokens the model reads.
    """
    if temperature < 0:
        raise ValueError(f"temperature must be 0 or more, got {temperature}")
    encoded = codec.encode(text)
    ids = list(encoded.ids)
    while len(ids) > 1 and encoded.spans[len(ids) - 1][0] == encoded.spans[len(ids) - 1][1]:
        ids.pop()  # a special token at the end says that the text ends
    begun = len(ids)
    rng, device, recording = np.random.default_rng(seed), device_of(model), None
    for _number in range(count):
        x = torch.tensor(ids[-context:], device=device).unsqueeze(1 if steps_first else 0)
        if hold is None:
            with borrow(model), torch.no_grad():
                returned: object = model(x)
        else:
            recording = record(model, x) if recording is None else recording
            try:
                returned = output_holding(model, recording, ((x,), {}), *hold)
            except OtherPathError:
                recording = record(model, x)
                returned = output_holding(model, recording, ((x,), {}), *hold)
        logits = pick_output(returned, output).float().reshape(len(x.view(-1)), -1)[-1]
        if temperature:
            shares = (logits / temperature).softmax(0).double().cpu().numpy()
            token = int(rng.choice(len(shares), p=shares / shares.sum()))
        else:
            token = int(logits.argmax())
        ids.append(token)
        yield codec.decode(ids[begun:])
