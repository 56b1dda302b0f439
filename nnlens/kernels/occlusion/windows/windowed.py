"""Convolutions, pooling and padding on patches: steps that gather what lies around what they compute."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nnlens.passes.convolutions import convolution_arguments, is_plain
from nnlens.passes.winograd import TILE
from nnlens.recording import Operation

from .patches import Block, Moved, Patches
from .plan import WINDOWED


class Windowed(Patches):
    """Patches, and the steps of the operations that move windows; see `Plan` for the parameters."""

    def _convolution(self, operation: Operation, parent: str) -> list[str]:
        name, form = operation.name, self._local[operation.name]
        spatial, arguments = form.spatial, convolution_arguments(operation)
        weight, bias = self.prepared.folded[name]  # of a signal laid out as for an image
        deep, kernel = form.split(tuple(weight.shape[-spatial:]))
        (step_deep, stride), (spread_deep, dilation) = (form.split(arguments[key]) for key in ("stride", "dilation"))
        padding, groups = arguments["padding"], arguments["groups"]
        if isinstance(padding, str):
            same = padding == "same"
            sizes = zip((spread_deep, *dilation), (deep, *kernel), strict=True)
            before_deep, *around = (d * (k - 1) // 2 if same else 0 for d, k in sizes)
            before = around[0], around[1]
        else:
            before_deep, before = form.split(padding, 0)
        if spatial == 3:
            return self._deep_convolution(
                operation, parent, kernel, stride, before, dilation, (step_deep, before_deep, spread_deep)
            )
        alone = kernel == (1, 1) and stride == (1, 1) and before == (0, 0)
        if alone and parent not in self._moved and self._windows[parent] == self._windows[name]:
            self._steps[name] = lambda block: _convolved(block.patches[parent], weight, bias, (1, 1), (1, 1), groups)
            return []
        # For a one-pixel kernel only the positions that it reads are gathered.
        step = tuple(1 if k == 1 else s for k, s in zip(kernel, stride, strict=True))
        height, width = (axis.length for axis in self._windows[name])
        plain = spatial == 2 and is_plain(arguments)

        def run(block: Block) -> Tensor:
            transformed = self.prepared.transformed(name, len(block), height, width) if plain else None
            if transformed is not None:
                window = self._gather(block, name, parent, kernel, stride, before, dilation, tile=TILE)
                return transformed(window, height, width)
            window = self._gather(block, name, parent, kernel, stride, before, dilation)
            return _convolved(window, weight, bias, step, dilation, groups)

        self._steps[name] = run
        return [self._base(parent)]

    def _deep_convolution(
        self,
        operation: Operation,
        parent: str,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        before: tuple[int, int],
        dilation: tuple[int, int],
        deep: tuple[int, int, int],
    ) -> list[str]:
        """Of a volume: windows of rows and columns, over its whole depth, which comes last here."""
        name, form = operation.name, self._local[operation.name]
        weight, bias = self.prepared.folded[name]
        assert form.rows is not None
        order = (form.rows, form.columns, 9 - form.rows - form.columns)  # 2, 3 and 4 in all
        weight = weight.permute(0, 1, *order).contiguous(memory_format=torch.channels_last_3d)
        step = tuple(1 if k == 1 else s for k, s in zip(kernel, stride, strict=True))
        steps, pads, spread = (*step, deep[0]), (0, 0, deep[1]), (*dilation, deep[2])
        groups, sizes = convolution_arguments(operation)["groups"], self._local[parent].sizes

        def run(block: Block) -> Tensor:
            window = self._gather(block, name, parent, kernel, stride, before, dilation)
            volume = window.view(*window.shape[:3], *sizes).permute(0, 4, 1, 2, 3)
            return F.conv3d(volume, weight, bias, steps, pads, spread, groups).permute(0, 2, 3, 4, 1).flatten(3)

        self._steps[name] = run
        return [self._base(parent)]

    def _pool(self, operation: Operation, parent: str) -> list[str]:
        name, average = operation.name, operation.op.startswith("avg")
        form, sizes = self._local[name], self._local[parent].sizes
        given = operation.argument(1, "kernel_size")
        deep, kernel = form.split(given)
        step_deep, stride = form.split(operation.argument(2, "stride") or given)
        before_deep, before = form.split(operation.argument(3, "padding", 0), 0)
        spread_deep, dilation = form.split(1 if average else operation.argument(4, "dilation", 1))
        slot = 0 if average else self._padding(parent, -torch.inf)
        scale = self._divisors(operation, kernel, stride, before) if average else None
        ceil = bool(operation.argument(4 if average else 5, "ceil_mode", False))
        counted = bool(operation.argument(5, "count_include_pad", True))

        def pooled(window: Tensor) -> Tensor:
            if form.spatial < 3:
                window = window.permute(0, 3, 1, 2)
                if average:
                    return F.avg_pool2d(window, kernel, stride).permute(0, 2, 3, 1)
                return F.max_pool2d(window, kernel, stride, 0, dilation).permute(0, 2, 3, 1)
            # Of a volume the depth, which comes last here, is pooled whole.
            volume = window.view(*window.shape[:3], *sizes).permute(0, 4, 1, 2, 3)
            sides, steps, pads = (*kernel, deep), (*stride, step_deep), (0, 0, before_deep)
            if average:
                result = F.avg_pool3d(volume, sides, steps, pads, ceil, counted)
            else:
                result = F.max_pool3d(volume, sides, steps, pads, (*dilation, spread_deep), ceil)
            return result.permute(0, 2, 3, 4, 1).flatten(3)

        def run(block: Block) -> Tensor:
            result = pooled(self._gather(block, name, parent, kernel, stride, before, dilation, slot))
            if scale is None:
                return result
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
        places = zip(self._windows[str(operation.sources[0].name)], self._windows[operation.name], strict=True)
        for axis, (k, s, p, (given, made)) in enumerate(zip(kernel, stride, before, places, strict=True)):
            size, out = given.size, made.size
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
        form = self._local[name]
        for dim, axis in zip((form.columns, form.rows), reversed(self._windows[parent]), strict=True):
            size, at = axis.size, len(amounts) if dim is None else 2 * (len(form.shape) - 1 - dim)
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
        if slot == 0 and name not in self.handed and all(map(self._pads_nothing, self.prepared.consumers[name])):
            self._moved[name] = moved  # its readers look through it
            return []

        def run(block: Block) -> Tensor:
            rows, columns = self._places(block, name)
            return self._take(block, parent, moved.rows[rows], moved.columns[columns], slot)

        self._steps[name] = run
        return [self._base(parent)]

    def _pads_nothing(self, operation: Operation) -> bool:
        """Whether a reader of a padded map looks at no rows or columns beyond it."""
        op, form = operation.op, self._forms.get(operation.name)
        if op not in WINDOWED or form is None:
            return False
        if op.startswith("conv"):
            padding = convolution_arguments(operation)["padding"]
            return padding == "valid" or (not isinstance(padding, str) and form.split(padding, 0)[1] == (0, 0))
        ceil = bool(operation.argument(5 if op.startswith("max") else 4, "ceil_mode", False))
        return form.split(operation.argument(3, "padding", 0), 0)[1] == (0, 0) and not ceil


def _convolved(window: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, dilation: Any, groups: int) -> Tensor:
    return F.conv2d(window.permute(0, 3, 1, 2), weight, bias, stride, 0, dilation, groups).permute(0, 2, 3, 1)
