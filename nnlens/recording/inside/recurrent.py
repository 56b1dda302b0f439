"""States and gates of recurrent layers per step, computed again from their weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from .inner import Inner, given, unchanged

_PARTS = {
    "lstm": ("input_gate", "forget_gate", "cell_gate", "output_gate", "cell", "hidden"),
    "gru": ("reset_gate", "update_gate", "new_gate", "hidden"),
    "rnn_tanh": ("hidden",),
    "rnn_relu": ("hidden",),
}
_STATES = ("cell", "hidden")


class Change(NamedTuple):
    """A part of a recurrent layer that is changed at each step before it is used.

    Attributes
    ----------
    part, place : str
        The "cell", "hidden" or a gate, and the layer with its direction: "_l0", "_l1_reverse".
    at : callable
        From the number of the step and the part's value (batch, units) to its new value.
    """

    part: str
    place: str
    at: Callable[[int, Tensor], Tensor]


def recurrent_states(op: str, args: tuple[Any, ...], keywords: dict[str, Any], output: Any = None) -> Iterator[Inner]:
    """Hidden states, cell states and gates of an LSTM, GRU or RNN, for each layer and direction.

    `output` is what the layer returned, which need not be computed again.

    Parts are named like torch's weights: "forget_gate_l0", "hidden_l1_reverse"; their shape is that of the layer's
    output, (steps, batch, units) or batch first. For packed sequences, sorted as they were packed, steps after a
    sequence's end are NaN. In training, dropout between layers is not known, so only the first layer has parts.
    The equations are those of torch.nn.LSTM, GRU and RNN; for the gates' meaning see Karpathy et al. 2015
    (arXiv:1506.02078).
    """
    kind = op.removesuffix("_cell")
    if kind not in _PARTS:
        return
    if op.endswith("_cell"):
        known = ("input", "hx", "w_ih", "w_hh", "b_ih", "b_hh")
        args = (*args, *(keywords[name] for name in known[len(args) :] if name in keywords))
        state = args[1] if isinstance(args[1], tuple) else (args[1],)
        size = (given(state[0]).shape[0], given(args[3]).shape[1])
        run = unchanged(partial(_one_step, kind, args[0], state, args[2:]), args)
        for part in _PARTS[kind]:
            yield part, _kind(part), size, partial(_pick, run, part)
        return
    packed = isinstance(args[3], tuple)  # (data, batch sizes, state, weights, …) or (input, state, weights, …)
    data, sizes, state, weights = args[:4] if packed else (args[0], None, args[1], args[2])
    biased, layers, dropout, training, both = args[4:9] if packed else args[3:8]
    batch_first = False if packed else bool(args[8])
    state = state if isinstance(state, tuple) else (state,)
    if training and dropout:
        layers = 1
    names = [f"_l{layer}{way}" for layer in range(layers) for way in ("", "_reverse")[: 2 if both else 1]]
    returned = None if packed or (training and dropout) else output
    run = unchanged(partial(_all_steps, kind, data, sizes, state, weights, biased, names, batch_first, returned), args)
    if packed:
        steps, batch = len(given(sizes)), int(given(sizes)[0])
    else:
        steps, batch = given(data).shape[1::-1] if batch_first else given(data).shape[:2]
    for name in names:
        for part in _PARTS[kind]:
            units = given(state[0]).shape[-1] if part == "hidden" else given(state[-1]).shape[-1]
            shape = (batch, steps, units) if batch_first else (steps, batch, units)
            yield part + name, _kind(part), shape, partial(_pick, run, part + name)


def _kind(part: str) -> str:
    return "state" if part in _STATES else "gate"


def _pick(run: Any, part: str) -> Tensor:
    result: Tensor = run()[part]
    return result


@torch.no_grad()
def _one_step(kind: str, data: Any, state: Any, weights: Any) -> dict[str, Tensor]:
    weight_ih, weight_hh, *biases = map(given, weights)
    bias_ih, bias_hh = (*biases, None, None)[:2]
    projected = given(data) @ weight_ih.T
    return _step(kind, projected if bias_ih is None else projected + bias_ih, given(state), weight_hh, bias_hh, None)


def _step(
    kind: str,
    projected: Tensor,
    state: tuple[Tensor, ...],
    weight_hh: Tensor,
    bias_hh: Tensor | None,
    weight_hr: Any,
    kept: Callable[[str, Tensor], Tensor] = lambda part, value: value,
) -> dict[str, Tensor]:
    """One step from `projected`, W_ih x + b_ih; the parts of it by name, each as `kept` leaves it."""
    recurrent = state[0] @ weight_hh.T
    if bias_hh is not None:
        recurrent = recurrent + bias_hh
    names = _PARTS[kind]
    if kind == "lstm":
        i, f, g, o = (projected + recurrent).chunk(4, -1)
        i, f, g, o = map(kept, names, (i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()))
        cell = kept("cell", f * state[1] + i * g)
        hidden = o * cell.tanh()
        hidden = kept("hidden", hidden if weight_hr is None else hidden @ weight_hr.T)
        return dict(zip(names, (i, f, g, o, cell, hidden), strict=True))
    if kind == "gru":
        (r_in, z_in, n_in), (r_rec, z_rec, n_rec) = projected.chunk(3, -1), recurrent.chunk(3, -1)
        r, z = kept("reset_gate", (r_in + r_rec).sigmoid()), kept("update_gate", (z_in + z_rec).sigmoid())
        n = kept("new_gate", (n_in + r * n_rec).tanh())
        return dict(zip(names, (r, z, n, kept("hidden", (1 - z) * n + z * state[0])), strict=True))
    new = projected + recurrent
    return {"hidden": kept("hidden", new.tanh() if kind == "rnn_tanh" else new.relu())}


def _changed(change: Change | None, step: int, part: str, value: Tensor) -> Tensor:
    return value if change is None or change.part != part else change.at(step, value)


class Driven(NamedTuple):
    """A recurrent layer as a system that its inputs drive.

    Attributes
    ----------
    start : float64 tensor (n,)
        The states of all layers before the first step, one after the other: hidden, and the cells of an LSTM.
    steps : int
    step : callable (state, number of the step) → the next state
    """

    start: Tensor
    steps: int
    step: Callable[[Tensor, int], Tensor]


def driven(op: str, args: tuple[Any, ...]) -> Driven:
    """A call of `torch.lstm`, `gru`, `rnn_tanh` or `rnn_relu` on one sequence, step by step, in double precision.

    Raises
    ------
    ValueError
        For packed sequences, several sequences, and layers that read in both directions.
    """
    if op not in _PARTS or isinstance(args[3], (tuple, list)):
        raise ValueError(f"a whole recurrent layer over a sequence is needed, got {op}")
    data, state, weights, biased, layers, _dropout, _training, both, batch_first = args[:9]
    data = (data.transpose(0, 1) if batch_first else data).detach().double()
    if both or data.shape[1] != 1:
        raise ValueError("the recurrent layer must read one sequence in one direction")
    state = [item.detach().double() for item in (state if isinstance(state, (tuple, list)) else (state,))]
    weights = [item.detach().double() for item in weights]
    each = len(weights) // layers
    sizes = [item.shape[-1] for item in state] * layers

    def step(flat: Tensor, place: int) -> Tensor:
        parts, value, made = flat.split(sizes), data[place, 0], list[Tensor]()
        for layer in range(layers):
            weight_ih, weight_hh, *rest = weights[layer * each : (layer + 1) * each]
            bias_ih, bias_hh = rest[:2] if biased else (None, None)
            own = parts[layer * len(state) : (layer + 1) * len(state)]
            projected = F.linear(value, weight_ih, bias_ih)
            result = _step(op, projected, own, weight_hh, bias_hh, rest[-1] if len(rest) % 2 else None)
            value = result["hidden"]
            made += [value, result["cell"]] if op == "lstm" else [value]
        return torch.cat(made)

    start = torch.cat([item[layer, 0] for layer in range(layers) for item in state])
    return Driven(start, len(data), step)


def run_changed(op: str, args: tuple[Any, ...], change: Change) -> tuple[Tensor, ...]:
    """What a call of `torch.lstm`, `gru`, `rnn_tanh` or `rnn_relu` returns with one part changed at every step.

    Raises
    ------
    ValueError
        For packed sequences, dropout between layers, and a part that the call has not.
    """
    if op not in _PARTS or isinstance(args[3], (tuple, list)):
        raise ValueError(f"a cell can be changed in a whole recurrent layer over sequences of one length, not in {op}")
    data, state, weights, biased, layers, dropout, training, both, batch_first = args[:9]
    state = state if isinstance(state, (tuple, list)) else (state,)
    if training and dropout:
        raise ValueError("a cell cannot be changed in a layer with active dropout")
    ways = 2 if both else 1
    names = [f"_l{layer}{way}" for layer in range(layers) for way in ("", "_reverse")[:ways]]
    if change.place not in names:
        raise ValueError(f"place must be one of {', '.join(names)}, got {change.place!r}")
    layer_input = data.transpose(0, 1) if batch_first else data
    each = len(weights) // len(names)
    last: list[list[Tensor]] = []
    for index, name in enumerate(names):
        if index % ways == 0:
            below, outputs = layer_input, list[Tensor]()
        own = tuple(weights[index * each : (index + 1) * each])
        now = tuple(item[index] for item in state)
        backwards = name.endswith("_reverse")
        if name == change.place:
            lengths = torch.full((below.shape[1],), len(below), device=below.device)
            parts = _step_by_step(op, below, now, own, biased, backwards, lengths, change)
            end = 0 if backwards else -1
            outputs.append(parts["hidden"])
            last.append([parts["hidden"][end], *([parts["cell"][end]] if op == "lstm" else [])])
        else:
            hidden, *states = _fused(op, below.flip(0) if backwards else below, now, own, biased)
            outputs.append(hidden.flip(0) if backwards else hidden)
            last.append([state[0] for state in states])
        if index % ways == ways - 1:
            layer_input = torch.cat(outputs, -1)
    output = layer_input.transpose(0, 1) if batch_first else layer_input
    return (output, *(torch.stack(items) for items in zip(*last, strict=True)))


@torch.no_grad()
def _all_steps(
    kind: str,
    data: Any,
    sizes: Any,
    state: Any,
    weights: Any,
    biased: bool,
    names: list[str],
    batch_first: bool,
    output: Any,
) -> dict[str, Tensor]:
    data, state, weights = given(data), given(state), given(weights)
    lengths = None
    if sizes is not None:
        data, lengths = pad_packed_sequence(PackedSequence(data, given(sizes)))
        lengths = lengths.to(data.device)
    elif batch_first:
        data = data.transpose(0, 1)
    ways = 2 if any(name.endswith("_reverse") for name in names) else 1
    each = 2 + 2 * biased
    each += state[0].shape[-1] != weights[1].shape[0] // {"lstm": 4, "gru": 3}.get(kind, 1)  # a projection, weight_hr
    last: tuple[Tensor, ...] = ()
    if output is not None:
        last = (given(output).transpose(0, 1) if batch_first else given(output)).chunk(ways, -1)
    parts: dict[str, Tensor] = {}
    for index, name in enumerate(names):
        if index % ways == 0:
            layer_input, outputs = data, []
        own_weights = weights[index * each : (index + 1) * each]
        now: tuple[Tensor, ...] = tuple(item[index] for item in state)
        backwards = name.endswith("_reverse")
        if lengths is None:
            hidden = last[index % ways] if last and index >= len(names) - ways else None
            own = _side_by_side(kind, layer_input, now, own_weights, biased, backwards, hidden)
        else:
            own = _step_by_step(kind, layer_input, now, own_weights, biased, backwards, lengths)
        for part, values in own.items():
            parts[part + name] = values.transpose(0, 1) if batch_first else values
        outputs.append(own["hidden"].nan_to_num(0.0))
        if index % ways == ways - 1:
            data = torch.cat(outputs, -1)
    return parts


def _step_by_step(
    kind: str,
    layer_input: Tensor,
    now: tuple[Tensor, ...],
    weights: tuple[Tensor, ...],
    biased: bool,
    backwards: bool,
    lengths: Tensor,
    change: Change | None = None,
) -> dict[str, Tensor]:
    """One layer and direction, one step after the other, over sequences of different lengths."""
    weight_ih, weight_hh, *rest = weights
    bias_ih, bias_hh = rest[:2] if biased else (None, None)
    weight_hr = rest[-1] if len(rest) % 2 else None
    projected = F.linear(layer_input, weight_ih, bias_ih)
    written: list[dict[str, Tensor]] = [{}] * len(projected)
    order = range(len(projected))
    for step in reversed(order) if backwards else order:
        kept = partial(_changed, change, step)
        result = _step(kind, projected[step], now, weight_hh, bias_hh, weight_hr, kept)
        after: tuple[Tensor, ...] = (result["hidden"], *([result["cell"]] if kind == "lstm" else []))
        alive = (step < lengths)[:, None]
        now = tuple(torch.where(alive, new, old) for new, old in zip(after, now, strict=True))
        written[step] = {part: torch.where(alive, value, torch.nan) for part, value in result.items()}
    return {part: torch.stack([step[part] for step in written]) for part in _PARTS[kind]}


def _fused(
    kind: str, layer_input: Tensor, now: tuple[Tensor, ...], weights: tuple[Tensor, ...], biased: bool
) -> tuple[Tensor, ...]:
    """One layer and direction as torch runs it: the hidden states, and the last states."""
    run: Any = {"lstm": torch.lstm, "gru": torch.gru, "rnn_tanh": torch.rnn_tanh, "rnn_relu": torch.rnn_relu}[kind]
    first = tuple(item[None].contiguous() for item in now)
    before = first if kind == "lstm" else first[0]
    result: tuple[Tensor, ...] = run(layer_input, before, list(weights), biased, 1, 0.0, False, False, False)
    return result


def _side_by_side(
    kind: str,
    layer_input: Tensor,
    now: tuple[Tensor, ...],
    weights: tuple[Tensor, ...],
    biased: bool,
    backwards: bool,
    hidden: Tensor | None,
) -> dict[str, Tensor]:
    """One layer and direction: torch's own layer gives the hidden states, from which the gates of all steps follow."""
    if backwards:
        layer_input = layer_input.flip(0)
        hidden = None if hidden is None else hidden.flip(0)
    if hidden is None:
        hidden = _fused(kind, layer_input, now, weights, biased)[0]
    parts = {"hidden": hidden}
    weight_ih, weight_hh, *rest = weights
    bias_ih, bias_hh = rest[:2] if biased else (None, None)
    if kind == "lstm":
        # One sum in place: the numbers of a long text take more time to move than to compute.
        gates = layer_input @ weight_ih.T
        flat = gates.view(-1, gates.shape[-1])
        flat.addmm_(_shifted(now[0], hidden).reshape(len(flat), -1), weight_hh.T)
        if bias_ih is not None and bias_hh is not None:
            flat += bias_ih + bias_hh
        i, f, g, o = gates.chunk(4, -1)
        i, f, g, o = i.sigmoid_(), f.sigmoid_(), g.tanh_(), o.sigmoid_()
        parts = dict(zip(_PARTS[kind], (i, f, g, o, _cells(f, i * g, now[1]), hidden), strict=True))
    elif kind == "gru":
        projected = F.linear(layer_input, weight_ih, bias_ih)
        recurrent = F.linear(_shifted(now[0], hidden), weight_hh, bias_hh)
        (r_in, z_in, n_in), (r_rec, z_rec, n_rec) = projected.chunk(3, -1), recurrent.chunk(3, -1)
        r, z = (r_in + r_rec).sigmoid(), (z_in + z_rec).sigmoid()
        parts = dict(zip(_PARTS[kind], (r, z, (n_in + r * n_rec).tanh(), hidden), strict=True))
    return {part: value.flip(0) for part, value in parts.items()} if backwards else parts


def _shifted(first: Tensor, hidden: Tensor) -> Tensor:
    """The hidden states before each step."""
    return torch.cat([first[None], hidden[:-1]])


def _cells(forget: Tensor, brought: Tensor, before: Tensor) -> Tensor:
    """The states c = forget · c + brought, from the state before the first step."""
    result = torch.empty_like(brought)
    if result.device.type == "cpu" and result.dtype in (torch.float32, torch.float64):
        # Of the many small operations each costs less in NumPy than in torch.
        kept, added, out = forget.numpy(), brought.numpy(), result.numpy()
        cell = before.contiguous().numpy()
        for step in range(len(out)):
            cell = np.multiply(kept[step], cell, out=out[step])
            cell += added[step]
        return result
    for step in range(len(result)):
        before = torch.addcmul(brought[step], forget[step], before, out=result[step])
    return result
