"""A pass that recomputes only what a rectangle of the image can change, and takes the rest from the clean pass.

Along each axis an occluder changes one interval of every recorded value, which follows from the receptive fields.
Outside of it the value of the clean pass is exact. So an operation is run on a *patch*: the window of that length,
with the halo that its kernel needs gathered from the clean map and from the patch before. At the first operation whose
windows are nearly the whole map, or which needs all of its input, the patches are put into whole maps, and the
model's own forward does the rest.

The idea is that of Krypton (Nakandala, Kumar & Papakonstantinou, SIGMOD 2019, "Incremental and approximate inference
for faster occlusion-based deep CNN explanations"); this implementation needs no tracing and no list of networks: it
works on the recorded operations of any forward, and on the intervals of their receptive fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nnlens.passes.convolutions import first
from nnlens.passes.prepared import Prepared, in_place
from nnlens.recording import Operation, Replacement, Source
from nnlens.recording.operations import function_of

from .form import Form
from .patches import Block, Step
from .plan import MOST, MOVING, WINDOWED, moved
from .windowed import Windowed


class Incremental(Windowed):
    """A plan that can be run: see `Plan` for its parameters."""

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
        super().__init__(prepared, size, tops, lefts, most=most, watched=watched)
        self.checked = False  # against the model itself
        gathered = [self._build(prepared.recording.operation(name)) for name in self._local if name != "input"]
        # The size in bytes of the weights of what is computed whole.
        self.weights = sum(
            item.parameters * item.dtype.itemsize for item in prepared.recording if item.name not in self._local
        )
        self._gathered = {name for names in gathered for name in names} | set(self.handed)

    # One step per operation

    def _build(self, operation: Operation) -> list[str]:
        """Adds the step that computes an operation's patches; returns the names of the values that it gathers from."""
        op, name = operation.op, operation.name
        seen = [source.name for source in operation.sources if source.name in self._local]
        parents = [item for item in seen if item is not None]
        if op in WINDOWED and name not in self.prepared.idle:
            return (self._convolution if op.startswith("conv") else self._pool)(operation, parents[0])
        if op == "pad":
            return self._pad(operation, parents[0])
        if name in self.prepared.idle:
            self._steps[name] = lambda block: block.patches[parents[0]]
            return []
        if op in MOVING:
            self._steps[name] = self._reorder(operation, parents[0])
            return []
        aligned = {parent: self._windows[parent] == self._windows[name] for parent in parents}
        if op == "cat":
            self._steps[name] = self._cat(operation)
        else:
            self._steps[name] = self._function(operation, parents)
        return [parent for parent in parents if not aligned[parent]]

    def _function(self, operation: Operation, parents: list[str]) -> Step:
        """Any elementwise operation, by its own function of torch."""
        name, form, own = operation.name, self._local[operation.name], self._is_own(operation)
        written = in_place(operation)
        if written is not None and own and len(parents) == 1:
            return lambda block: written(block.patches[parents[0]])
        prepared, function, about = self.prepared, operation.function, function_of(operation.function)

        def given(block: Block, item: Any) -> Any:
            if isinstance(item, Source):
                if item.name not in parents:
                    return prepared.value(item)
                return self._local[item.name].value(self._aligned(block, item.name, name))
            return tuple(given(block, entry) for entry in item) if isinstance(item, tuple) else item

        def run(block: Block) -> Tensor:
            arguments = given(block, operation.arguments)
            keywords = {key: given(block, value) for key, value in operation.keywords.items()}
            if not own and about.overwritten(arguments, keywords):
                arguments = tuple(
                    argument.clone() if isinstance(argument, Tensor) else argument for argument in arguments
                )
            result: Tensor = function(*arguments, **keywords)  # type: ignore[misc]
            return form.map(result)

        return run

    def _reorder(self, operation: Operation, parent: str) -> Step:
        """What moves or splits dimensions: the numbers at each place get another order."""
        order = moved(operation, self._local[parent], self._local[operation.name])
        assert order is not None  # else it would not be local
        first, sizes, then = order
        if list(first) == sorted(first) and list(then) == sorted(then):
            return lambda block: block.patches[parent]
        given = self._local[parent].sizes

        def run(block: Block) -> Tensor:
            patch = block.patches[parent]
            places = patch.shape[:3]
            natural = patch.reshape(*places, *given).permute(0, 1, 2, *(3 + place for place in first))
            return natural.reshape(*places, *sizes).permute(0, 1, 2, *(3 + place for place in then)).flatten(3)

        return run

    def _cat(self, operation: Operation) -> Step:
        """Joined along channels, or along the slices of a volume: some of what is joined may not see the image."""
        name, form = operation.name, self._local[operation.name]
        along = form.rest.index(operation.argument(1, "dim", 0) % len(form.shape))
        held: dict[int, Tensor] = {}
        for place, source in enumerate(operation.sources):
            if source.name not in self._local:
                held[place] = Form(source.shape, form.rows, form.columns).map(self.prepared.value(source))[0]

        def run(block: Block) -> Tensor:
            parts = []
            for place, source in enumerate(operation.sources):
                if place in held:
                    rows, columns = (
                        torch.from_numpy(item).to(held[place].device) for item in self._places(block, name)
                    )
                    part = held[place][rows[:, :, None], columns[:, None, :]]
                else:
                    part = self._aligned(block, str(source.name), name)
                sizes = [source.shape[dim] for dim in form.rest]
                parts.append(part.reshape(*part.shape[:3], *sizes))
            return torch.cat(parts, 3 + along).flatten(3)

        return run

    def _is_own(self, operation: Operation) -> bool:
        """Whether no other operation reads the memory of its first input."""
        argument = operation.inputs[0]
        while self.prepared.only_reader(argument) is operation and argument not in self.handed:
            if argument == "input" or not self._shares(argument):
                return True
            operation = self.prepared.recording.operation(argument)
            argument = operation.inputs[0]
        return False

    def _shares(self, name: str) -> bool:
        """Whether a patch may share its memory with the patch before."""
        op = self.prepared.recording.operation(name).op
        fresh = (*WINDOWED, "pad", "cat", "add", "sub", "mul", "div", "linear")
        return op not in fresh or name in self.prepared.idle

    # Running it

    def run(self, rows: np.ndarray, columns: np.ndarray, fill: Tensor, mask: Tensor | None = None) -> Tensor:
        """The scores (n, classes) with the occluder at (tops[rows], lefts[columns]); the model must be borrowed.

        `fill` (channels, height, width), or one colour for each position (n, channels), is shown in the occluder
        where `mask` (height and width of the occluder) is true.
        """
        return self.finish(self.local(rows, columns, fill, mask))

    def local(
        self, rows: np.ndarray, columns: np.ndarray, fill: Tensor, mask: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The whole maps, one for each position, of the values that are handed over to the model itself."""
        block, handed = Block(rows, columns), {}
        readers = self._readers()
        for name in self._local:
            if name in self._moved:
                continue
            patch = self._occluded(block, fill, mask) if name == "input" else self._steps[name](block)
            block.patches[name] = patch
            if name in self._gathered:
                block.patches[name] = self._lay(name, patch.contiguous())
            if name in self.handed:
                handed[name] = self._whole(block, name)
            for done in readers.get(name, ()):
                block.patches.pop(done, None)
        return handed

    def finish(self, handed: Mapping[str, Tensor], watch: Callable[[Tensor], None] | None = None) -> Tensor:
        """The scores, by the model itself from the handed-over values on; `watch` receives the watched value."""
        if watch is not None and self.watched in handed:
            watch(handed[self.watched].clone())
            watch = None
        return self.prepared(*self.given(handed), watch, self.watched)

    def given(self, handed: Mapping[str, Tensor], returned: bool = False) -> tuple[Tensor, dict[int, Replacement]]:
        """The batch for the model's own forward, and what replaces the operations that are not computed again.

        With `returned` the forward is taken to continue with what an operation returns, and not with what it wrote
        into: a trace does not see that.
        """
        prepared = self.prepared
        count = next(iter(handed.values())).shape[0]
        instead: dict[int, Replacement] = {}
        for name in self._local:
            if name != "input":
                operation = prepared.recording.operation(name)
                clean = prepared.recording[name]
                value = handed[name] if name in handed else clean.expand(count, *clean.shape[1:])
                written = operation.same and not returned
                instead[operation.number or 0] = _give_back(value) if written else _give(value)
        image = handed.get("input")
        return prepared.x.expand(count, -1, -1, -1) if image is None else image, instead

    def _readers(self) -> dict[str, list[str]]:
        """Step → the values that no operation reads after it."""
        last: dict[str, str] = {}
        for name in self._local:
            if name != "input":
                for argument in self.prepared.recording.operation(name).inputs:
                    if argument in self._local:
                        last[self._base(argument)] = name
        done: dict[str, list[str]] = {}
        for argument, name in last.items():
            done.setdefault(name, []).append(argument)
        return done

    def _occluded(self, block: Block, fill: Tensor, mask: Tensor | None) -> Tensor:
        rows, columns = self._places(block, "input")
        image = self.prepared.x[0].permute(1, 2, 0)
        down, across = torch.from_numpy(rows)[:, :, None], torch.from_numpy(columns)[:, None, :]
        down, across = down.to(image.device), across.to(image.device)
        # Rows and columns of the occluder itself; a window that was moved inwards shows some of the image.
        top = torch.from_numpy(self.tops[block.rows])[:, None, None].to(image.device)
        left = torch.from_numpy(self.lefts[block.columns])[:, None, None].to(image.device)
        own_row, own_column = down - top, across - left
        hidden = (own_row >= 0) & (own_row < self.size[0]) & (own_column >= 0) & (own_column < self.size[1])
        if mask is not None:
            hidden &= mask[own_row.clip(0, self.size[0] - 1), own_column.clip(0, self.size[1] - 1)]
        shown = fill[:, None, None] if fill.ndim == 2 else fill.permute(1, 2, 0)[down, across]
        return torch.where(hidden[..., None], shown, image[down, across])


def plan_for(
    prepared: Prepared,
    size: tuple[int, int],
    tops: np.ndarray,
    lefts: np.ndarray,
    *,
    most: float = MOST,
    watched: str = "",
) -> Incremental:
    """The plan for occluders of one size at these places, made once for a prepared pass."""
    key = size, tops.tobytes(), lefts.tobytes(), most, watched
    plan: Incremental = prepared.cache.once(
        "plan", *key, make=lambda: Incremental(prepared, size, tops, lefts, most=most, watched=watched)
    )
    return plan


def _give(value: Tensor) -> Replacement:
    return lambda function, args, keywords: value


def _give_back(value: Tensor) -> Replacement:
    """For an operation that returned its input tensor itself: the forward may continue with either name."""

    def replacement(function: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        argument = first(function, args, keywords)
        argument.data = value
        return argument

    return replacement
