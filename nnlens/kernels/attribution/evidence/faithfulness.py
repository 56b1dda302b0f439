"""Deletion and insertion: does the score follow the pixels that a map calls important? (Petsiuk et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nnlens.kernels.attribution.blend import Blend
from nnlens.kernels.attribution.subject import Subject, given_count
from nnlens.kernels.occlusion.occluder import Fill, blurred, mask_filling
from nnlens.utils.language import _, number

from .similarity import edges


@dataclass(frozen=True, eq=False, repr=False)
class Curves:
    """The target's probability while an image is deleted, and inserted, in one order of its blocks.

    Attributes
    ----------
    shares : float array (steps + 1,)
        The share of the image that is deleted, or inserted: 0 … 1.
    deletion, insertion : float arrays (steps + 1,)
    """

    shares: Float[np.ndarray, " steps"]
    deletion: Float[np.ndarray, " steps"]
    insertion: Float[np.ndarray, " steps"]

    @property
    def deletion_area(self) -> float:
        """The area under the deletion curve, by trapezoids: low where the important blocks go first."""
        return _area(self.deletion, self.shares)

    @property
    def insertion_area(self) -> float:
        """The area under the insertion curve: high where the important blocks come first."""
        return _area(self.insertion, self.shares)


def _area(values: np.ndarray, shares: np.ndarray) -> float:
    return float(((values[1:] + values[:-1]) / 2 * np.diff(shares)).sum())


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class BaselineCurves:
    """The curves that a map must improve on: of random orders, and of the image's edges.

    Attributes
    ----------
    random : tuple of Curves
    edges : Curves
        Of the order by edge strength, which does not depend on the network.
    block, steps, deleted, inserted
        The side of a block in pixels, the number of steps, and what replaces deleted and not yet inserted pixels, in
        words.
    """

    random: tuple[Curves, ...]
    edges: Curves
    block: int
    steps: int
    deleted: str
    inserted: str


@dataclass(frozen=True, eq=False, repr=False)
class Faithfulness:
    """The curves of one map beside the baselines of its image."""

    own: Curves
    baselines: BaselineCurves

    def margin(self, than: str = "random") -> tuple[float, float]:
        """By how much the map does better than the mean random order (or the "edges"): deletion, insertion.

        Above 0 is better, for both.
        """
        others = self.baselines.random if than == "random" else (self.baselines.edges,)
        deletion = np.mean([other.deletion_area for other in others]) - self.own.deletion_area
        return float(deletion), float(self.own.insertion_area - np.mean([other.insertion_area for other in others]))

    def spread(self, kind: str) -> tuple[float, float]:
        """The smallest and the largest area of the random orders' "deletion" or "insertion" curves."""
        areas = [getattr(item, f"{kind}_area") for item in self.baselines.random]
        return min(areas), max(areas)

    @property
    def moves(self) -> float:
        """The range of the score over all curves, as a share of its largest value."""
        curves = (self.own, *self.baselines.random, self.baselines.edges)
        values = np.concatenate([np.append(curve.deletion, curve.insertion) for curve in curves])
        return float(np.ptp(values) / max(values.max(), 1e-12))

    def beats_chance(self) -> tuple[bool, bool]:
        """Whether it does better than every one of the random orders: deletion, insertion."""
        random = self.baselines.random
        return (
            self.own.deletion_area < min(item.deletion_area for item in random),
            self.own.insertion_area > max(item.insertion_area for item in random),
        )

    def describe(self) -> str:
        """The areas under the curves, in words."""
        own, yard = self.own, self.baselines
        chance = [
            np.mean([getattr(item, f"{kind}_area") for item in yard.random]) for kind in ("deletion", "insertion")
        ]
        return _(
            "deletion {deletion} (random {random_deletion}, edges {edges_deletion}; less is better), "
            "insertion {insertion} (random {random_insertion}, edges {edges_insertion}; more is better); "
            "blocks of {block} pixels, {steps} steps",
            deletion=number(f"{own.deletion_area:.3f}"),
            random_deletion=number(f"{chance[0]:.3f}"),
            edges_deletion=number(f"{yard.edges.deletion_area:.3f}"),
            insertion=number(f"{own.insertion_area:.3f}"),
            random_insertion=number(f"{chance[1]:.3f}"),
            edges_insertion=number(f"{yard.edges.insertion_area:.3f}"),
            block=yard.block,
            steps=yard.steps,
        )

    def __repr__(self) -> str:
        return f"Faithfulness({self.describe()})"


def _block(short: int) -> int:
    return max(1, round(short / 28), min(4, short // 7))


class Deletion:
    """Deletes and inserts an image block by block, in any order.

    Parameters
    ----------
    block : int, optional
        The side of a block in pixels; by default a 28th of the shorter side, but 4 on small images. 1 is the published
        setting (pixel by pixel), where the random orders produce noise that misleads networks by itself.
    steps : int
        How many times the score is evaluated.
    deleted, inserted : as `fill` of `occlusion`
        The replacement of deleted pixels: 0 in the model's input units, as published; and of pixels that are not yet
        inserted: the image under a Gaussian blur of σ = 5 (11 × 11), as published.
    """

    def __init__(
        self,
        subject: Subject,
        *,
        block: int | None = None,
        steps: int = 28,
        deleted: Fill = 0.0,
        inserted: Fill | None = None,
    ):
        self.subject, self.height, self.width = subject, *subject.image().shape[1:]
        short = min(self.height, self.width)
        self.block = given_count(_block(short) if block is None else block, "block", 1, short)
        self.rows, self.columns = -(-self.height // self.block), -(-self.width // self.block)
        self.steps = min(given_count(steps, "steps"), self.rows * self.columns)
        gone, self.deleted = mask_filling(subject.x, deleted, name="deleted")
        if inserted is None:
            begun, self.inserted = blurred(subject.x[0], 5.0, radius=5), _("blur of 5 pixels")
        else:
            begun, self.inserted = mask_filling(subject.x, inserted, name="inserted")
        self._gone, self._begun = gone, begun

    def blocks(self, importance: np.ndarray) -> np.ndarray:
        """A map's mean in each block, flat."""
        if importance.shape != (self.height, self.width):
            raise ValueError(f"importance must be of the shape ({self.height}, {self.width}), got {importance.shape}")
        value = torch.from_numpy(np.nan_to_num(importance).astype(np.float64))[None, None]
        down, across = self.rows * self.block - self.height, self.columns * self.block - self.width
        ones = F.pad(torch.ones_like(value), (0, across, 0, down))
        sums = F.avg_pool2d(F.pad(value, (0, across, 0, down)), self.block)
        return (sums / F.avg_pool2d(ones, self.block)).numpy().ravel()

    def curves(self, order: np.ndarray) -> Curves:
        """The curves for blocks in this order, the most important first: 2 · (steps + 1) passes."""
        rank = np.empty(len(order), int)
        rank[order] = np.arange(len(order))
        counts = np.round(np.linspace(0, len(order), self.steps + 1)).astype(int)
        turn = torch.from_numpy(rank.reshape(self.rows, self.columns))
        turn = turn.repeat_interleave(self.block, 0).repeat_interleave(self.block, 1)
        turn = turn[: self.height, : self.width]
        masks = [(turn >= int(count)).float() for count in counts]
        deletion = self._scores(self._gone, masks)
        insertion = self._scores(self._begun, [1 - mask for mask in masks])
        shares = np.array([1 - float(mask.mean()) for mask in masks])
        return Curves(shares, deletion, insertion)

    def of(self, importance: np.ndarray) -> Curves:
        """The curves of a map; blocks of equal importance come in a fixed random order."""
        values = self.blocks(importance)
        shuffled = np.random.default_rng(len(values)).permutation(len(values))
        return self.curves(shuffled[np.argsort(-values[shuffled], kind="stable")])

    def baseline_curves_steps(self, orders: int = 5, seed: int = 0) -> Iterator[BaselineCurves | None]:
        """The curves of random orders and of the edges, one after the other; the last is the `BaselineCurves`."""
        given_count(orders, "orders", 2)
        random = np.random.default_rng(seed)
        result = []
        for _order in range(orders):
            result.append(self.curves(random.permutation(self.rows * self.columns)))
            yield None
        plain = self.of(edges(self.subject.x))
        yield BaselineCurves(
            random=tuple(result),
            edges=plain,
            block=self.block,
            steps=self.steps,
            deleted=self.deleted,
            inserted=self.inserted,
        )

    def _scores(self, under: Tensor, masks: list[Tensor]) -> np.ndarray:
        blend = Blend(self.subject.passes, under)  # without the working memory: many of these are kept
        result, start = [], 0
        while start < len(masks):
            stop = start + self.subject.passes.chunk
            result.append(self.subject.values(blend(torch.stack(masks[start:stop]))).numpy())
            start = stop
        return np.concatenate(result)
