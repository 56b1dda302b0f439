"""The logit lens: what the output head would predict from the residual stream at every depth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from nnlens.passes.replay import from_input, replay
from nnlens.recording import Operation, Recording
from nnlens.utils.language import _, number
from nnlens.utils.nests import tensors_in

_FOLLOWED = 5  # tokens at each position


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class LogitLens:
    """The predictions that the output head reads from each state of the residual stream.

    Attributes
    ----------
    layers : tuple of str
        The operations whose values are the states, in the order of the pass: the sum after each block, and first what
        the first block reads.
    head : tuple of str
        The operations between the last state and the logits, by which each state is read: the final norm and the
        output layer.
    top : int array (states, positions, k)
        The tokens (or classes) of the highest probabilities, the highest first, and in `probabilities` (float32, the
        same shape) their probabilities.
    ranks : int array (states, positions)
        The rank of the model's own prediction at each state; 1 is the first.
    followed, followed_ranks : int arrays (positions, m) and (states, positions, m)
        The model's own m best tokens at each position, and their ranks at each state.
    divergences : float32 array (states, positions)
        The Kullback-Leibler divergence of each state's prediction from the model's own, in bits: how much is still to
        come.
    chance : float32 array (states,)
        The share of positions at which a state's first prediction is the model's own at the *next* position (at the
        first, for the last position): the agreement of a state that knows nothing of its position. NaN for a single
        position.
    error : float
        The largest difference between the logits read from the last state and the model's own; 0 but for rounding.
    """

    layers: tuple[str, ...]
    head: tuple[str, ...]
    top: Int[np.ndarray, "states positions k"]
    probabilities: Float[np.ndarray, "states positions k"]
    ranks: Int[np.ndarray, "states positions"]
    followed: Int[np.ndarray, "positions m"]
    followed_ranks: Int[np.ndarray, "states positions m"]
    divergences: Float[np.ndarray, "states positions"]
    chance: Float[np.ndarray, " states"]
    error: float

    @property
    def agreement(self) -> Float[np.ndarray, " states"]:
        """The share of positions at which a state's first prediction is the model's own."""
        return np.asarray((self.ranks == 1).mean(1), np.float32)

    def decided(self) -> Int[np.ndarray, " positions"]:
        """For each position the index of the first state from which on the first prediction is the model's own."""
        first = self.ranks == 1
        stays = np.logical_and.accumulate(first[::-1], axis=0)[::-1]
        return np.asarray(stays.argmax(0))

    def describe(self, layer: str) -> str:
        """One state in words: "h.3.add:2: as the model at 40 % of 9 positions (11 % by chance), 2.1 bits away"."""
        if layer not in self.layers:
            raise ValueError(f"layer must be one of {', '.join(self.layers)}, got {layer!r}")
        state = self.layers.index(layer)
        bits = number(f"{self.divergences[state].mean():.3g}")
        if self.ranks.shape[1] == 1:
            return _(
                "{layer}: the model's answer has rank {rank}, {bits} bits away",
                layer=layer,
                rank=int(self.ranks[state, 0]),
                bits=bits,
            )
        return _(
            "{layer}: as the model at {agreement} % of {count} positions ({chance} % by chance), {bits} bits away",
            layer=layer,
            agreement=number(f"{100 * self.agreement[state]:.0f}"),
            count=self.ranks.shape[1],
            chance=number(f"{100 * self.chance[state]:.0f}"),
            bits=bits,
        )

    def __repr__(self) -> str:
        return f"LogitLens({len(self.layers)} states, {self.ranks.shape[1]} positions, head {' → '.join(self.head)})"


@torch.inference_mode(False)
@torch.no_grad()
def logit_lens(recording: Recording, x: Shaped[Tensor, "1 ..."], *, k: int = 10) -> LogitLens:
    """Read the output head at every depth (nostalgebraist 2020, "interpreting GPT: the logit lens").

    The residual stream is found in the operations of the pass, so that any model with one works: language models,
    masked language models, encoder-decoders (the decoder is read), and classifiers such as vision transformers, which
    have one position. The operations behind its last state are run on each of the earlier states in turn.

    The head was trained for the last state alone. At early states its predictions may say nothing although the
    information is there (Belrose et al. 2023, arXiv:2303.08112): compare `agreement` with `chance`.

    Parameters
    ----------
    recording : Recording
        A whole pass on `x` that returned logits of shape (1, positions, tokens) or (1, classes).
    k : int
        How many of the highest predictions are kept for each state and position.

    Raises
    ------
    ValueError
        For a model whose output is no logits or holds NaN, or that has no residual stream, such as a recurrent network.
    """
    if not isinstance(recording, Recording):
        raise TypeError(f"recording must be a Recording (of record(model, x)), got {type(recording).__name__}")
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise ValueError(f"k must be a whole number of 1 or more, got {k!r}")
    output = _output(recording)
    before = _Before(recording)
    head, last = _head(recording, before, output)
    states = _stream(recording, before, last)
    own = _logits(recording[output.name], output)
    if bool(own.isnan().any()):
        raise ValueError("recording must be of a pass whose logits are numbers, got NaN (see `first_not_finite`)")
    k = min(k, own.shape[1])
    predicted, followed = own.argmax(1), own.topk(min(_FOLLOWED, own.shape[1]), 1).indices
    top, probabilities, ranks, divergences, chance = [], [], [], [], []
    logits = own
    for state in states:
        try:
            value = recording[state.name].detach().reshape(last.shape)
            logits = _logits(_read(recording, x, head, last, value), output)
        except (RuntimeError, TypeError, KeyError, IndexError) as error:
            raise ValueError(f"the operations after {last.name!r} cannot be run on {state.name!r}: {error}") from error
        logs = logits.log_softmax(1)
        highest = logs.topk(k, 1)
        top.append(highest.indices.cpu().numpy())
        probabilities.append(highest.values.exp().cpu().numpy())
        ranks.append(torch.stack([1 + (logits > logits.gather(1, one[:, None])).sum(1) for one in followed.T], 1).cpu())
        away = torch.nn.functional.kl_div(logs, own.log_softmax(1), reduction="none", log_target=True)
        away = away.masked_fill(own.isneginf(), 0).sum(1)  # tokens that the model rules out add nothing
        divergences.append(away.clamp(min=0).cpu().numpy() / math.log(2))
        others = highest.indices[:, 0] == predicted.roll(-1)
        chance.append(float(others.float().mean()) if len(others) > 1 else math.nan)
    return LogitLens(
        layers=tuple(state.name for state in states),
        head=tuple(operation.name for operation in head),
        top=np.stack(top),
        probabilities=np.stack(probabilities).astype(np.float32),
        ranks=np.stack(ranks)[..., 0],
        followed=followed.cpu().numpy(),
        followed_ranks=np.stack(ranks),
        divergences=np.stack(divergences).astype(np.float32),
        chance=np.array(chance, np.float32),
        error=float((logits - own).abs().max()),
    )


def _output(recording: Recording) -> Operation:
    """The operation that made the logits: the first floating tensor of two or three axes that the model returned."""
    for returned in tensors_in(recording.output):
        if returned.is_floating_point() and returned.ndim in (2, 3) and (made := recording.maker_of(returned)):
            if made.shape[0] != 1 or made.shape != tuple(returned.shape):
                break
            return made
    raise ValueError(
        "recording must be of a model that returns logits of shape (1, positions, tokens) or (1, classes) for one input"
    )


def _logits(value: Tensor, output: Operation) -> Float[Tensor, "positions tokens"]:
    return value.detach().reshape(-1, output.shape[-1]).float()


def _head(recording: Recording, before: _Before, output: Operation) -> tuple[list[Operation], Operation]:
    """The operations between the last state of the residual stream and the logits, and the one that made the state.

    All paths from the input to the logits pass through the state: it is found where, walking back from the logits,
    one operation alone is left to be visited.
    """
    place = {operation.name: index for index, operation in enumerate(recording)}
    waiting, head = {output.name}, list[Operation]()
    while waiting:
        operation = recording.operation(max(waiting, key=place.__getitem__))
        if len(waiting) == 1 and before.skipped(operation) is not None:
            return head[::-1], operation
        waiting.remove(operation.name)
        waiting |= {name for name in before.inputs(operation) if name in place}
        head.append(operation)
    raise ValueError(
        "the model must have a residual stream: blocks that add their output to their input, as transformers do; none "
        f"lies before {output.name!r}"
    )


def _stream(recording: Recording, before: _Before, last: Operation) -> list[Operation]:
    """The states: sums of a block's output and its input, and first what the first block reads."""
    states = [last]
    while (read := _made(recording, before.skipped(states[-1]), last)) is not None:
        state: Operation | None = read
        # Between two sums: dropout, reshapes, and the normalisation of transformers that normalise after the sum.
        while state is not None and before.skipped(state) is None:
            inputs = before.inputs(state)
            state = _made(recording, inputs[0], last) if len(inputs) == 1 else None
        if state is None:
            while read.same and (below := _made(recording, read.inputs[0], last)) is not None:
                read = below
            states.append(read)
            break
        states.append(state)
    return states[::-1]


def _made(recording: Recording, name: str | None, last: Operation) -> Operation | None:
    """The operation of this name, if its value can be a state: some models join the batch and the positions."""
    if name is None or name not in recording:
        return None
    operation = recording.operation(name)
    alike = operation.shape[-1:] == last.shape[-1:] and math.prod(operation.shape) == math.prod(last.shape)
    return operation if alike else None


class _Before:
    """What the values of a pass were computed from."""

    def __init__(self, recording: Recording):
        self._seeing = from_input(recording)
        self._shapes = {operation.name: operation.shape for operation in recording}
        # A bit for each operation: sets of names would take hundreds of megabytes for a deep network.
        self._bits = {name: 1 << index for index, name in enumerate(self._shapes)}
        self._ancestors: dict[str, int] = {}
        for operation in recording:
            read = 0
            for name in self.inputs(operation):
                read |= self._bits.get(name, 0) | self._ancestors.get(name, 0)
            self._ancestors[operation.name] = read

    def inputs(self, operation: Operation) -> list[str]:
        """The values that it read, of those that come from the model's inputs."""
        return [name for name in operation.inputs if name in self._seeing]

    def skipped(self, operation: Operation) -> str | None:
        """For a sum of a value and of something computed from that value, the value: the block's input."""
        names = self.inputs(operation)
        if operation.op != "add" or len(names) != 2 or any(self._shapes.get(name) != operation.shape for name in names):
            return None
        for name, other in (names, names[::-1]):
            if self._bits[name] & self._ancestors[other]:
                return name
        return None


def _read(recording: Recording, x: Tensor, head: list[Operation], last: Operation, value: Tensor) -> Tensor:
    """What the head makes of a value in place of the last state."""
    values = {last.name: value}
    for operation in head:
        values[operation.name] = replay(operation, recording, x, values)
    return values[head[-1].name] if head else value
