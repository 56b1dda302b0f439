"""Which operations of a pass can be run on windows, and where these lie for every position of an occluder."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nnlens.geometry.call import POINTWISE
from nnlens.geometry.receptive_field import reaches_of
from nnlens.passes.prepared import Prepared
from nnlens.recording import Operation

from .form import Form

WINDOWED = frozenset(f"{op}{count}d" for op in ("conv", "max_pool", "avg_pool") for count in (1, 2, 3))
RESHAPING = ("squeeze", "unsqueeze", "unflatten", "flatten", "reshape", "view")
MOST = 0.8  # the share of a value that may change where it is still computed on windows
MOVING = ("permute", "transpose", *RESHAPING)


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
        most: float = MOST,
        watched: str = "",
    ):
        self.prepared, self.size, self.watched = prepared, size, watched
        self.tops, self.lefts = np.asarray(tops), np.asarray(lefts)
        self._most = most
        self._windows: dict[str, tuple[_Axis, _Axis]] = {}
        self._forms: dict[str, Form] = {}
        self._local: dict[str, Form] = {}  # of the values that are computed on windows
        self._reaches = reaches_of(prepared.recording)
        self._intervals: dict[tuple[int, int, int], _Axis] = {}
        self.plan: list[OperationPlan] = []
        if self._see("input") and prepared.x.shape[0] == 1:
            self._local["input"] = self._forms["input"]
            for operation in prepared.recording:
                if operation.name in prepared.seeing and operation.kind not in ("gate", "state"):
                    self._consider(operation)
        self._drop_unused()
        self.handed = [name for name in self._local if self._is_handed(name)]

    def _see(self, name: str) -> bool:
        """Finds the windows of a value, if its places lie in rows and columns as the image's do."""
        form = self._form(name)
        if form is None:
            return False
        self._forms[name] = form
        rows, columns = self._reaches[name].axes
        self._windows[name] = (
            self._axis(rows.low, rows.high, self.tops, self.size[0]),
            self._axis(columns.low, columns.high, self.lefts, self.size[1]),
        )
        return True

    def _form(self, name: str) -> Form | None:
        """Where the rows and the columns of a value are; None unless each has a dimension of its own."""
        reaches = self._reaches.get(name)
        if reaches is None or len(reaches.axes) != 2:
            return None
        rows, columns = (axis.axis for axis in reaches.axes)
        x = self.prepared.x.shape
        shape = tuple(x) if name == "input" else self.prepared.recording.operation(name).shape
        if (
            not columns
            or shape[0] != 1
            or (rows is None and x[2] != 1)
            or (rows is not None and not 0 < rows < columns)
        ):
            return None
        return Form(shape, rows, columns)

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
            self._local[name] = self._forms[name]
        self.plan.append(OperationPlan(name=name, label=operation.label, area=area, local=not why, why=why))

    def _why_not(self, operation: Operation, area: float) -> str:
        """In words, why an operation is not computed on windows."""
        op, shape = operation.op, operation.shape
        seen = [source for source in operation.sources if source.name in self.prepared.seeing]
        if any(source.name not in self._local for source in seen):
            return "something before it is computed whole"
        if operation.number is None or operation.function is None:
            return "its parts are not recorded"
        if any(source.shared for source in seen):
            return "it reads memory that another operation wrote into"
        form, given = self._forms[operation.name], self._forms[str(seen[0].name)]
        if op in WINDOWED:
            known = len(seen) == 1 and form.first and form.spatial == int(op[-2])
            known = known and (form.rows, form.columns) == (given.rows, given.columns)
            known = known and (not op.startswith("conv") or operation.name in self.prepared.folded)
            # Which divisor torch uses at the ends of a volume's depth is not known where one is given.
            known = known and not (op == "avg_pool3d" and operation.argument(6, "divisor_override"))
        elif op == "pad":
            amounts = operation.argument(1, "pad")
            places = [len(shape) - 1 - at // 2 for at, amount in enumerate(amounts) if amount]
            known = len(seen) == 1 and form.first and set(places) <= {form.rows, form.columns}
        elif op in MOVING:
            known = len(seen) == 1 and moved(operation, given, form) is not None
        elif op == "cat":
            dim = operation.argument(1, "dim", 0) % len(shape)
            alike = all(len(source.shape) == len(shape) for source in operation.sources)
            known = alike and dim in form.rest and all(self._forms[str(item.name)].rest == form.rest for item in seen)
        elif op == "batch_norm":
            known = form.first and self.prepared.normalisation(operation) is not None
        elif op == "local_response_norm":
            known = form.first and form.spatial == 2
        elif op in ("linear", "layer_norm", "rms_norm"):
            ends = bool(form.rest) and form.rest[-1] == len(shape) - 1
            known = ends and (op == "linear" or len(operation.argument(1, "normalized_shape")) == 1)
            known = known and self.prepared.value(seen[0]).dtype == operation.dtype  # not under autocast
        else:
            others = [source for source in operation.sources if source.name not in self.prepared.seeing]
            known = op in POINTWISE and (op == "prelu" or all(form.same_places(other.shape) for other in others))
            known = known and all(_along(self._forms[str(item.name)], form) for item in seen)
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
            cheap = name in self.prepared.recording and self.prepared.recording.operation(name).op in ("pad", *MOVING)
            if name in self._local and cheap and readers and not any(reader.name in self._local for reader in readers):
                del self._local[name]

    def _is_handed(self, name: str) -> bool:
        """Whether something that is computed whole reads a local value."""
        readers = self.prepared.consumers.get(name, [])
        inside = bool(readers) and all(reader.name in self._local for reader in readers)
        return not inside or name == self.watched or name in self.prepared.recording.returned

    def window(self, name: str, row: int, column: int) -> tuple[slice, slice]:
        """The rows and columns of a local operation's output that are computed for one position of the occluder."""
        if name not in self._local:
            raise ValueError(f"{name!r} is computed whole")
        down, across = self._windows[name]
        top, left = int(down.starts[row]), int(across.starts[column])
        return slice(top, top + down.length), slice(left, left + across.length)


Order = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def moved(operation: Operation, given: Form, form: Form) -> Order | None:
    """How an operation that moves or splits dimensions orders the numbers at a place; None where it does more.

    Permute the dimensions of `given.rest`, reshape to these sizes, permute again: that is the order of `form.rest`.
    """
    op, rest, count = operation.op, operation.arguments[1:], len(given.shape)
    if op in RESHAPING:
        # The order in memory stays, if no dimension is moved across the rows or the columns.
        if not all(
            math.prod(given.shape[:before]) == math.prod(form.shape[:after])
            and given.shape[before] == form.shape[after]
            for before, after in ((given.rows, form.rows), (given.columns, form.columns))
            if before is not None and after is not None
        ):
            return None
        natural, made = sorted(given.rest), sorted(form.rest)
        first = tuple(given.rest.index(dim) for dim in natural)
        return first, tuple(form.shape[dim] for dim in made), tuple(made.index(dim) for dim in form.rest)
    if op == "permute":
        dims = operation.keywords.get("dims") or (rest[0] if rest and isinstance(rest[0], tuple) else rest)
        order = [dim % count for dim in dims]
    else:
        if len(rest) != 2:
            return None
        order = list(range(count))
        one, other = (int(dim) % count for dim in rest)
        order[one], order[other] = order[other], order[one]
    if len(order) != len(form.shape) or order[0] != 0:
        return None
    if order[form.columns] != given.columns or (form.rows is not None and order[form.rows] != given.rows):
        return None
    first = tuple(given.rest.index(order[dim]) for dim in form.rest)
    return first, form.sizes, tuple(range(len(form.rest)))


def _along(given: Form, form: Form) -> bool:
    """Whether a value has the rows and columns of an elementwise operation's result, at the same dimensions."""
    by = len(form.shape) - len(given.shape)
    rows = None if given.rows is None else given.rows + by
    if (rows, given.columns + by) != (form.rows, form.columns):
        return False
    return all(given.shape[dim - by] == form.shape[dim] for dim in (form.rows, form.columns) if dim is not None)
