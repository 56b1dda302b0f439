"""Lyapunov exponents of a recurrent network along a sequence that it reads."""

from __future__ import annotations

from jaxtyping import Shaped
from torch import Tensor, nn

from nnlens.passes.replay import recorded_value
from nnlens.recording import Operation, Recording, Source, record
from nnlens.recording.inside import Driven, driven

from .lyapunov import Exponents, lyapunov

_LAYERS = ("lstm", "gru", "rnn_tanh", "rnn_relu")


def recurrent_exponents(
    model: nn.Module,
    x: Shaped[Tensor, "..."],
    *,
    layer: str | None = None,
    directions: int | None = None,
    transient: int | None = None,
) -> Exponents:
    """The Lyapunov exponents of a recurrent layer while a given sequence drives it (Vogt et al. 2022).

    The state holds all layers of the module, of an LSTM with their cells; the exponents depend on the sequence. A unit
    of a ReLU that is off collapses its direction, with the exponent −∞.

    Parameters
    ----------
    x : tensor
        One sequence, as the model takes it.
    layer : str, optional
        The operation of the layer; the first recurrent one by default.
    directions : int, optional
        How many exponents; the 16 largest by default, all where there are fewer.
    transient : int, optional
        How many steps come before the mean; a tenth of them by default.

    Raises
    ------
    ValueError
        Where the model has no such layer, for packed sequences, layers of two directions, and several sequences.
    """
    recording = record(model, x)
    found = recurrent_layers(recording)
    if not found:
        raise ValueError("the model must have a recurrent layer (torch.nn.LSTM, GRU or RNN); it has none")
    if layer is None:
        chosen = recording.operation(found[0])
    else:
        chosen = recording.operation(layer)
        if chosen.name not in found:
            raise ValueError(f"layer must be one of the recurrent layers {', '.join(found)}, got {layer!r}")
    system = _system(chosen, recording, x)
    wait = system.steps // 10 if transient is None else transient
    if not 0 <= wait < system.steps:
        raise ValueError(f"transient must be 0…{system.steps - 1}, got {transient}")
    count = min(16, len(system.start)) if directions is None else directions
    return lyapunov(system.step, system.start, steps=system.steps - wait, transient=wait, directions=count)


def recurrent_layers(recording: Recording) -> tuple[str, ...]:
    """The operations of a recording that are recurrent layers of torch."""
    calls = {each.number: each.name for each in reversed(list(recording)) if each.op in _LAYERS}
    return tuple(reversed(calls.values()))  # a call returns the values of all steps and, under another name, the state


def _system(operation: Operation, recording: Recording, x: Tensor) -> Driven:
    def filled(item: object) -> object:
        if isinstance(item, (tuple, list)):
            return tuple(map(filled, item))
        return recorded_value(recording, x, item) if isinstance(item, Source) else item

    return driven(operation.op, tuple(map(filled, operation.arguments)))
