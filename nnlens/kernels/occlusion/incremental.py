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
import torch.nn.functional as F
from torch import Tensor

from nnlens.passes.prepared import Prepared, convolution_arguments, first, in_place, is_plain, pair
from nnlens.passes.winograd import TILE
from nnlens.recording import Operation, Replacement, Source
from nnlens.recording.operations import function_of

from .patches import Block, Moved, Patches

_Step = Callable[[Block], Tensor]


class Incremental(Patches):
    """A plan that can be run: see `Plan` for its parameters."""

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
        super().__init__(prepared, size, tops, lefts, most=most, watched=watched)
        self.checked = False  # against the model itself
        self._steps: dict[str, _Step] = {}
        gathered = [self._build(prepared.recording.operation(name)) for name in self._last if name != "input"]
        # The size in bytes of the weights of what is computed whole.
        self.weights = sum(
            item.parameters * item.dtype.itemsize for item in prepared.recording if item.name not in self._last
        )
        self._gathered = {name for names in gathered for name in names} | set(self.handed)

    # One step per operation

    def _build(self, operation: Operation) -> list[str]:
        """Adds the step that computes an operation's patches; returns the names of the values that it gathers from."""
        op, name = operation.op, operation.name
        seen = [source.name for source in operation.sources if source.name in self._last]
        parents = [item for item in seen if item is not None]
        if op == "conv2d":
            return self._convolution(operation, parents[0])
        if op in ("max_pool2d", "avg_pool2d"):
            return self._pool(operation, parents[0])
        if op == "pad":
            return self._pad(operation, parents[0])
        if op == "permute" or name in self.prepared.idle:
            self._steps[name] = lambda block: block.patches[parents[0]]
            return []
        aligned = {parent: self._windows[parent] == self._windows[name] for parent in parents}
        if op == "cat":
            self._steps[name] = lambda block: torch.cat([self._aligned(block, item, name) for item in parents], -1)
        else:
            self._steps[name] = self._function(operation, parents)
        return [parent for parent in parents if not aligned[parent]]

    def _function(self, operation: Operation, parents: list[str]) -> _Step:
        """Any elementwise operation, by its own function of torch."""
        name, last, own = operation.name, self._last[operation.name], self._is_own(operation)
        written = in_place(operation)
        if written is not None and own and len(parents) == 1:
            return lambda block: written(block.patches[parents[0]])
        prepared, function, about = self.prepared, operation.function, function_of(operation.function)

        def given(block: Block, item: Any) -> Any:
            if isinstance(item, Source):
                if item.name not in parents:
                    return prepared.value(item)
                patch = self._aligned(block, item.name, name)
                return patch if last else patch.permute(0, 3, 1, 2)
            return tuple(given(block, entry) for entry in item) if isinstance(item, tuple) else item

        def run(block: Block) -> Tensor:
            arguments = given(block, operation.arguments)
            keywords = {key: given(block, value) for key, value in operation.keywords.items()}
            if not own and about.overwritten(arguments, keywords):
                arguments = tuple(
                    argument.clone() if isinstance(argument, Tensor) else argument for argument in arguments
                )
            result: Tensor = function(*arguments, **keywords)  # type: ignore[misc]
            return result if last else result.permute(0, 2, 3, 1)

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
        fresh = ("conv2d", "max_pool2d", "avg_pool2d", "pad", "cat", "add", "sub", "mul", "div", "linear")
        return op not in fresh or name in self.prepared.idle

    def _convolution(self, operation: Operation, parent: str) -> list[str]:
        name = operation.name
        arguments = convolution_arguments(operation)
        weight, bias = self.prepared.folded[name]
        kernel, stride = tuple(weight.shape[2:]), pair(arguments["stride"])
        dilation, groups = pair(arguments["dilation"]), arguments["groups"]
        padding = arguments["padding"]
        if isinstance(padding, str):
            same = padding == "same"
            padding = tuple(d * (k - 1) // 2 if same else 0 for d, k in zip(dilation, kernel, strict=True))
        before = pair(padding)
        alone = kernel == (1, 1) and stride == (1, 1) and before == (0, 0)
        if alone and parent not in self._moved and self._windows[parent] == self._windows[name]:
            self._steps[name] = lambda block: _convolved(block.patches[parent], weight, bias, (1, 1), (1, 1), groups)
            return []
        # For a one-pixel kernel only the positions that it reads are gathered.
        step = tuple(1 if k == 1 else s for k, s in zip(kernel, stride, strict=True))
        height, width = (axis.length for axis in self._windows[name])
        plain = is_plain(arguments)

        def run(block: Block) -> Tensor:
            transformed = self.prepared.transformed(name, len(block), height, width) if plain else None
            if transformed is not None:
                window = self._gather(block, name, parent, kernel, stride, before, dilation, tile=TILE)
                return transformed(window, height, width)
            window = self._gather(block, name, parent, kernel, stride, before, dilation)
            return _convolved(window, weight, bias, step, dilation, groups)

        self._steps[name] = run
        return [self._base(parent)]

    def _pool(self, operation: Operation, parent: str) -> list[str]:
        name, average = operation.name, operation.op == "avg_pool2d"
        kernel = pair(operation.argument(1, "kernel_size"))
        stride = pair(operation.argument(2, "stride") or kernel)
        before = pair(operation.argument(3, "padding", 0))
        dilation = (1, 1) if average else pair(operation.argument(4, "dilation", 1))
        slot = 0 if average else self._padding(parent, -torch.inf)
        scale = self._divisors(operation, kernel, stride, before) if average else None

        def run(block: Block) -> Tensor:
            window = self._gather(block, name, parent, kernel, stride, before, dilation, slot).permute(0, 3, 1, 2)
            if scale is None:
                return F.max_pool2d(window, kernel, stride, 0, dilation).permute(0, 2, 3, 1)
            result = F.avg_pool2d(window, kernel, stride).permute(0, 2, 3, 1)
            rows, columns = self._places(block, name)
            down, across = (torch.from_numpy(item).to(result) for item in (scale[0][rows], scale[1][columns]))
            return result * (down[:, :, None, None] * across[:, None, :, None])

        self._steps[name] = run
        return [self._base(parent)]

    def _divisors(
        self, operation: Operation, kernel: tuple[int, int], stride: tuple[int, int], before: tuple[int, int]
    ) -> list[np.ndarray]:
        """The factor for the mean over a whole kernel at each place: near borders fewer pixels may count."""
        counted = bool(operation.argument(5, "count_include_pad", True))
        override = operation.argument(6, "divisor_override")
        results = []
        for axis, (k, s, p) in enumerate(zip(kernel, stride, before, strict=True)):
            size, out = operation.sources[0].shape[2 + axis], operation.shape[2 + axis]
            first = np.arange(out) * s - p
            end = np.minimum(first + k, size + p)
            pixels = end - first if counted else np.minimum(end, size) - np.maximum(first, 0)
            # A given divisor counts once, not along each axis.
            results.append(np.full(out, k / (override if axis == 0 else 1)) if override else k / np.maximum(pixels, 1))
        return results

    def _pad(self, operation: Operation, parent: str) -> list[str]:
        name = operation.name
        amounts, mode = operation.argument(1, "pad"), operation.argument(2, "mode", "constant")
        places = []
        for axis in (3, 2):
            size, at = operation.sources[0].shape[axis], 2 * (3 - axis)
            before, after = amounts[at : at + 2] if len(amounts) > at else (0, 0)
            index = np.arange(-before, size + after)
            if mode == "constant":
                index[(index < 0) | (index >= size)] = -1
            elif mode == "replicate":
                index = index.clip(0, size - 1)
            elif mode == "circular":
                index %= size
            else:
                index = size - 1 - np.abs(size - 1 - np.abs(index))
            places.append(index)
        moved = Moved(parent, places[1], places[0])
        slot = self._padding(parent, float(operation.argument(3, "value") or 0.0) if mode == "constant" else 0.0)
        if slot == 0 and name not in self.handed and all(map(_pads_nothing, self.prepared.consumers[name])):
            self._moved[name] = moved  # its readers look through it
            return []

        def run(block: Block) -> Tensor:
            rows, columns = self._places(block, name)
            return self._take(block, parent, moved.rows[rows], moved.columns[columns], slot)

        self._steps[name] = run
        return [self._base(parent)]

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
        for name in self._last:
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
        prepared = self.prepared
        if watch is not None and self.watched in handed:
            watch(handed[self.watched].clone())
            watch = None
        count = len(next(iter(handed.values())))
        instead: dict[int, Replacement] = {}
        for name in self._last:
            if name != "input":
                operation = prepared.recording.operation(name)
                value = handed[name] if name in handed else prepared.recording[name].expand(count, -1, -1, -1)
                instead[operation.number or 0] = _give_back(value) if operation.same else _give(value)
        image = handed.get("input")
        batch = prepared.x.expand(count, -1, -1, -1) if image is None else image
        return prepared(batch, instead, watch, self.watched)

    def _readers(self) -> dict[str, list[str]]:
        """Step → the values that no operation reads after it."""
        last: dict[str, str] = {}
        for name in self._last:
            if name != "input":
                for argument in self.prepared.recording.operation(name).inputs:
                    if argument in self._last:
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
    prepared: Prepared, size: tuple[int, int], tops: np.ndarray, lefts: np.ndarray, watched: str = ""
) -> Incremental:
    """The plan for occluders of one size at these places, made once for a prepared pass."""
    key = size, tops.tobytes(), lefts.tobytes(), watched
    plan: Incremental = prepared.cache.once(
        "plan", *key, make=lambda: Incremental(prepared, size, tops, lefts, watched=watched)
    )
    return plan


def _convolved(window: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, dilation: Any, groups: int) -> Tensor:
    return F.conv2d(window.permute(0, 3, 1, 2), weight, bias, stride, 0, dilation, groups).permute(0, 2, 3, 1)


def _give(value: Tensor) -> Replacement:
    return lambda function, args, keywords: value


def _give_back(value: Tensor) -> Replacement:
    """For an operation that returned its input tensor itself: the forward may continue with either name."""

    def replacement(function: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        argument = first(function, args, keywords)
        argument.data = value
        return argument

    return replacement


def _pads_nothing(operation: Operation) -> bool:
    """Whether a reader of a padded map looks at nothing beyond it."""
    if operation.op == "conv2d":
        padding = convolution_arguments(operation)["padding"]
        return padding == "valid" or (not isinstance(padding, str) and pair(padding) == (0, 0))
    if operation.op in ("max_pool2d", "avg_pool2d"):
        index = 5 if operation.op == "max_pool2d" else 4
        ceil = bool(operation.argument(index, "ceil_mode", False))
        return pair(operation.argument(3, "padding", 0)) == (0, 0) and not ceil
    return False
