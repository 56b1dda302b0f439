"""Which operations of a pass can be run on windows, and where these lie for every position of an occluder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnlens.geometry.call import POINTWISE
from nnlens.geometry.receptive_field import reaches_of
from nnlens.passes.prepared import Prepared
from nnlens.recording import Operation, Source


@dataclass(frozen=True, kw_only=True)
class OperationPlan:
    """How one operation is computed under an occluder.

    Attributes
    ----------
    name, label : str
        The operation.
    area : float
        The share of its output's places that an occluder can change, where it changes the most (0…1).
    local : bool
        Whether only those places are computed.
    why : str
        Why not, in words; empty where it is local.
    """

    name: str
    label: str
    area: float
    local: bool
    why: str = ""


@dataclass(frozen=True)
class _Axis:
    """The windows along one axis: where each position's begins, and how long all of them are."""

    starts: np.ndarray
    length: int
    size: int  # of the whole map

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Axis)
            and (self.length, self.size) == (other.length, other.size)
            and np.array_equal(self.starts, other.starts)
        )


class Plan:
    """The windows of all operations for occluders of one size at certain places, for one prepared pass.

    Parameters
    ----------
    size : (int, int)
    tops, lefts : int arrays
        The occluder's edges; any pair of a top and a left is a position.
    most : float
        Values of which more than this share changes are computed whole.
    watched : str
        An operation whose value is handed over, too.

    Attributes
    ----------
    plan : list of OperationPlan
        Every operation on the way from the image, in its order.
    handed : list of str
        The local values that are read by something that is computed whole.
    """

    def __init__(
        self,
        prepared: Prepared,
        size: tuple[int, int],
        tops: np.ndarray,
        lefts: np.ndarray,
        *,
        most: float = 0.8,
        watched: str = "",
    ):
        self.prepared, self.size, self.watched = prepared, size, watched
        self.tops, self.lefts = np.asarray(tops), np.asarray(lefts)
        self._most = most
        self._windows: dict[str, tuple[_Axis, _Axis]] = {}
        self._last: dict[str, bool] = {}  # local values → whether their channels come last
        self._reaches = reaches_of(prepared.recording)
        self._intervals: dict[tuple[int, int, int], _Axis] = {}
        self.plan: list[OperationPlan] = []
        if self._see("input") and prepared.x.shape[0] == 1:
            self._last["input"] = False
            for operation in prepared.recording:
                if operation.name in prepared.seeing and operation.kind not in ("gate", "state"):
                    self._consider(operation)
        self._drop_unused()
        self.handed = [name for name in self._last if self._is_handed(name)]

    def _see(self, name: str) -> bool:
        """Finds the windows of a value, if its places lie in rows and columns as the image's do."""
        reaches = self._reaches.get(name)
        if reaches is None or len(reaches.axes) != 2:
            return False
        rows, columns = reaches.axes
        if (rows.axis, columns.axis) not in ((2, 3), (1, 2)):
            return False
        self._windows[name] = (
            self._axis(rows.low, rows.high, self.tops, self.size[0]),
            self._axis(columns.low, columns.high, self.lefts, self.size[1]),
        )
        return True

    def _axis(self, low: np.ndarray, high: np.ndarray, starts: np.ndarray, length: int) -> _Axis:
        key = id(low), id(high), id(starts)
        if key not in self._intervals:
            changed = (low[None] < starts[:, None] + length) & (high[None] >= starts[:, None])
            first = changed.argmax(1)
            last = changed.shape[1] - 1 - changed[:, ::-1].argmax(1)
            longest = max(1, int(((last - first + 1) * changed.any(1)).max()))
            # Shorter ones, at the borders, are moved inwards: all are of one length, and all within the map.
            self._intervals[key] = _Axis(np.minimum(first, len(low) - longest), longest, len(low))
        return self._intervals[key]

    def _consider(self, operation: Operation) -> None:
        name = operation.name
        if not self._see(name):
            area, why = 1.0, "its output has no rows and columns of the image"
        else:
            rows, columns = self._windows[name]
            area = rows.length * columns.length / (rows.size * columns.size)
            why = self._why_not(operation, area)
        if not why:
            self._last[name] = self._reaches[name].axes[0].axis == 1
        self.plan.append(OperationPlan(name=name, label=operation.label, area=area, local=not why, why=why))

    def _why_not(self, operation: Operation, area: float) -> str:
        """In words, why an operation is not computed on windows."""
        op, shape = operation.op, operation.shape
        seen = [source for source in operation.sources if source.name in self.prepared.seeing]
        if any(source.name not in self._last for source in seen):
            return "something before it is computed whole"
        if len(shape) != 4 or shape[0] != 1 or operation.number is None or operation.function is None:
            return "its parts are not recorded" if operation.number is None else "its output is not a map"
        if any(source.shared for source in seen):
            return "it reads memory that another operation wrote into"
        last = self._reaches[operation.name].axes[0].axis == 1
        if op in ("conv2d", "max_pool2d", "avg_pool2d", "pad"):
            known = len(seen) == 1 and not last and len(seen[0].shape) == 4
            known = known and (op != "pad" or len(operation.argument(1, "pad")) <= 4)
            known = known and (op != "conv2d" or operation.name in self.prepared.folded)
        elif op == "permute":
            known = _order(operation) in ((0, 2, 3, 1), (0, 3, 1, 2))
        elif op == "cat":
            channels = 3 if last else 1
            known = len(seen) == len(operation.sources) and operation.argument(1, "dim", 0) % 4 == channels
        elif op == "batch_norm":
            known = not last and self.prepared.normalisation(operation) is not None
        elif op == "local_response_norm":
            known = not last
        elif op in ("linear", "layer_norm", "rms_norm"):
            known = last and (op == "linear" or len(operation.argument(1, "normalized_shape")) == 1)
            known = known and self.prepared.value(seen[0]).dtype == operation.dtype  # not under autocast
        else:
            others = [source for source in operation.sources if source.name not in self.prepared.seeing]
            known = op in POINTWISE and (op == "prelu" or all(_everywhere(other, last) for other in others))
            known = known and all(_places(source.shape, last) == _places(shape, last) for source in seen)
            if op not in POINTWISE and area < 1:
                return "it is not known to be local"
        if area > self._most:
            return f"an occluder changes {'all' if area == 1 else f'{area:.0%}'.replace('%', ' %')} of it"
        return "" if known else "it cannot be computed window by window"

    def _drop_unused(self) -> None:
        """Remove operations without a local reader whose input can be handed over instead."""
        for share in reversed(self.plan):
            name = share.name
            readers = self.prepared.consumers.get(name, [])
            cheap = name in self.prepared.recording and self.prepared.recording.operation(name).op in ("pad", "permute")
            if name in self._last and cheap and readers and not any(reader.name in self._last for reader in readers):
                del self._last[name]

    def _is_handed(self, name: str) -> bool:
        """Whether something that is computed whole reads a local value."""
        readers = self.prepared.consumers.get(name, [])
        inside = bool(readers) and all(reader.name in self._last for reader in readers)
        return not inside or name == self.watched or name in self.prepared.recording.returned

    def window(self, name: str, row: int, column: int) -> tuple[slice, slice]:
        """The rows and columns of a local operation's output that are computed for one position of the occluder."""
        if name not in self._last:
            raise ValueError(f"{name!r} is computed whole")
        down, across = self._windows[name]
        top, left = int(down.starts[row]), int(across.starts[column])
        return slice(top, top + down.length), slice(left, left + across.length)


def _order(operation: Operation) -> tuple[int, ...]:
    rest = operation.arguments[1:]
    dims = operation.keywords.get("dims") or (rest[0] if rest and isinstance(rest[0], tuple) else rest)
    return tuple(dim % 4 for dim in dims)


def _places(shape: tuple[int, ...], last: bool) -> tuple[int, ...]:
    return (shape[1:3] if last else shape[2:]) if len(shape) == 4 else ()


def _everywhere(source: Source, last: bool) -> bool:
    """Whether a tensor that does not come from the image is the same at every place of a map."""
    return _places((1,) * (4 - len(source.shape)) + source.shape, last) == (1, 1)
