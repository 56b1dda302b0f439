"""Patches of recorded values, and the memory in which they are stored beside the clean maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from nnlens.passes.prepared import Prepared
from nnlens.recording import Source

from .plan import MOST, Plan


@dataclass(frozen=True)
class Moved:
    """A value whose places are places of another value; −1 stands for padding."""

    parent: str
    rows: np.ndarray
    columns: np.ndarray


@dataclass
class Block:
    """Some positions of the occluder, computed together."""

    rows: np.ndarray  # which of the tops
    columns: np.ndarray  # which of the lefts
    patches: dict[str, Tensor] = field(default_factory=dict)  # (n, height, width, channels)

    def __len__(self) -> int:
        return len(self.rows)


Step = Callable[[Block], Tensor]  # computes an operation's patches
PADDING = 8  # rows: one of zeros, the others for what else pads a map


class Patches(Plan):
    """A plan whose values can be gathered: patches where an occluder changes them, the clean map elsewhere."""

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
        self._steps: dict[str, Step] = {}
        self._moved: dict[str, Moved] = {}
        self._fills: dict[str, list[float]] = {}  # what pads a value, besides 0
        # Shared by all plans of a prepared model, which run one after the other.
        self._workspace: dict[str, Tensor] = prepared.cache.once("workspace", make=dict)

    def _places(self, block: Block, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The rows and columns of a value's windows, (n, height) and (n, width)."""
        down, across = self._windows[name]
        rows = down.starts[block.rows][:, None] + np.arange(down.length)
        return rows, across.starts[block.columns][:, None] + np.arange(across.length)

    def _aligned(self, block: Block, argument: str, name: str) -> Tensor:
        """The patch of `argument` over the windows of `name`."""
        if self._windows[argument] == self._windows[name]:
            return block.patches[argument]
        return self._take(block, argument, *self._places(block, name))

    def _gather(
        self,
        block: Block,
        name: str,
        parent: str,
        kernel: tuple[int, ...],
        stride: tuple[int, ...],
        before: tuple[int, ...],
        dilation: tuple[int, ...],
        slot: int = 0,
        tile: int = 1,
    ) -> Tensor:
        """The values that a kernel reads to compute the windows of `name`, extended to whole tiles."""
        looked: list[np.ndarray] = []
        for axis, starts in zip(self._windows[name], (block.rows, block.columns), strict=True):
            axis_number = len(looked)
            k, s, d = kernel[axis_number], stride[axis_number], dilation[axis_number]
            first = axis.starts[starts][:, None] * s - before[axis_number]
            length = -(-axis.length // tile) * tile
            inside = np.arange(length) * s if k == 1 else np.arange((length - 1) * s + d * (k - 1) + 1)
            looked.append(first + inside)
        return self._take(block, parent, looked[0], looked[1], slot)

    def _padding(self, name: str, value: float) -> int:
        """The index of the padding row of a value's map that is filled with `value`."""
        if value == 0:
            return 0
        fills = self._fills.setdefault(self._base(name), [])
        if value not in fills:
            fills.append(value)
        assert len(fills) < PADDING
        return 1 + fills.index(value)

    def _base(self, name: str) -> str:
        while name in self._moved:
            name = self._moved[name].parent
        return name

    def _take(self, block: Block, name: str, rows: np.ndarray, columns: np.ndarray, slot: int = 0) -> Tensor:
        """Places of a value, (n, rows, columns, channels): of its patches, of the clean map, or of what pads it."""
        while name in self._moved:
            moved = self._moved[name]
            # A reader of a padded map reads nothing outside of it (except to fill its tiles): the outside is padded
            # with zeros.
            rows, columns = (
                along[item.clip(0, len(along) - 1)] for along, item in ((moved.rows, rows), (moved.columns, columns))
            )
            name, slot = moved.parent, 0
        down, across = self._windows[name]
        own_rows, own_columns = rows - down.starts[block.rows][:, None], columns - across.starts[block.columns][:, None]
        in_rows = (own_rows >= 0) & (own_rows < down.length)
        in_columns = (own_columns >= 0) & (own_columns < across.length)
        pixels = down.size * across.size
        patch = (
            pixels + PADDING + np.arange(len(block))[:, None] * (down.length * across.length) + own_rows * across.length
        )
        index = np.where(
            in_rows[:, :, None] & in_columns[:, None, :],
            patch[:, :, None] + own_columns[:, None, :],
            (rows * across.size)[:, :, None] + columns[:, None, :],
        )
        out_rows, out_columns = (rows < 0) | (rows >= down.size), (columns < 0) | (columns >= across.size)
        if out_rows.any() or out_columns.any():
            index = np.where(out_rows[:, :, None] | out_columns[:, None, :], pixels + slot, index)
        memory = self._memory(name, len(block))
        taken = memory.index_select(0, torch.from_numpy(index.reshape(-1)).to(memory.device))
        return taken.view(*index.shape, -1)

    def _memory(self, name: str, count: int) -> Tensor:
        """The clean map, a few rows of padding and the patches; a row of channels for each place."""
        down, across = self._windows[name]
        pixels, patches = down.size * across.size, count * down.length * across.length
        memory = self._workspace.get(name)
        if memory is None or len(memory) < pixels + PADDING + patches:
            clean = self.prepared.value(Source(event=None, shape=(), name=name))
            rows = self._local[name].map(clean[:1])[0]
            memory = rows.new_empty((pixels + PADDING + patches, rows.shape[-1]))
            memory[:pixels].view(rows.shape).copy_(rows)
            memory[pixels] = 0
            self._workspace[name] = memory
        for slot, value in enumerate(self._fills.get(name, ()), start=1):
            memory[pixels + slot] = value
        return memory

    def _lay(self, name: str, patch: Tensor) -> Tensor:
        """Puts patches where they can be gathered from together with the clean map."""
        down, across = self._windows[name]
        memory = self._memory(name, len(patch))
        return memory[down.size * across.size + PADDING :][: patch[..., 0].numel()].view(patch.shape).copy_(patch)

    def _whole(self, block: Block, name: str) -> Tensor:
        down, across = self._windows[name]
        every = np.zeros((len(block), 1), int)
        whole = self._take(block, name, every + np.arange(down.size), every + np.arange(across.size))
        return self._local[name].value(whole)
