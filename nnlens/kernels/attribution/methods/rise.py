"""RISE: the mean of random soft masks, each weighted by the score that it leaves (Petsiuk et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nnlens.kernels.attribution.blend import Blend
from nnlens.kernels.attribution.result import Attribution
from nnlens.kernels.attribution.subject import Subject, given_count
from nnlens.kernels.occlusion.occluder import Fill, mask_filling


def rise(
    subject: Subject,
    *,
    samples: int = 1000,
    cells: int = 7,
    keep: float = 0.5,
    fill: Fill = 0.0,
    seed: int = 0,
    masks: Tensor | np.ndarray | None = None,
) -> Iterator[Attribution]:
    """(1 / N p) Σ f(x · mask) mask (arXiv:1806.07421, equation 6): the expected score when a pixel is visible.

    For probabilities all values are at least 0, also where a place is evidence against the class: only their
    differences are meaningful.

    Parameters
    ----------
    samples : int
        The paper took 4,000 for VGG-16 and 8,000 for ResNet-50.
    cells : int
        The small masks have cells × cells cells, enlarged bilinearly and shifted at random.
    keep : float
        The probability p that a cell of the small mask is visible.
    fill : as for `occlusion`
        What a mask of 0 shows; 0 in the model's input units in the paper, the mean colour.
    masks : array (samples, height, width) in 0…1, optional
        The masks themselves; p is still taken from `keep`.
    """
    given_count(samples, "samples")
    given_count(cells, "cells")
    if not 0 < keep < 1:
        raise ValueError(f"keep must be above 0 and below 1, got {keep}")
    height, width = subject.image().shape[1:]
    under, words = mask_filling(subject.x, fill, seed)
    blend = Blend(subject.passes, under)
    value = None if masks is None else torch.as_tensor(masks).to(subject.x)
    if value is not None and value.shape[1:] != (height, width):
        raise ValueError(f"masks must be (samples, {height}, {width}), got {tuple(value.shape)}")
    samples = samples if value is None else len(value)
    small, cuts = drawn_cells(np.random.default_rng(seed), samples, cells, keep, height, width)
    total = torch.zeros((height, width), dtype=torch.float64)
    parameters: dict[str, Any] = {"samples": samples, "keep": keep, "fill": words}
    parameters |= {"masks": "given"} if value is not None else {"cells": cells, "seed": seed}
    done = shown = 0
    while done < samples:
        count = min(subject.passes.chunk, samples - done)
        part = slice(done, done + count)
        some = soft_masks(small[part], cuts[part], height, width).to(subject.x) if value is None else value[part]
        scores = subject.values(blend(some))
        total += torch.tensordot(scores.to(some), some, 1).cpu()
        done += count
        if done < samples and done - shown < samples / 20:
            continue
        shown = done
        yield subject.result(
            "rise", total[None] / (done * keep), contribution=True, parameters=parameters, done=done / samples
        )


def drawn_cells(
    random: np.random.Generator, samples: int, cells: int, keep: float, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Small masks, bool (samples, cells, cells), and where the large ones are cut out, (samples, 2)."""
    small = random.random((samples, cells, cells)) < keep
    return small, np.stack([random.integers(0, -(-side // cells), samples) for side in (height, width)], 1)


def soft_masks(small: np.ndarray, cuts: np.ndarray, height: int, width: int) -> Tensor:
    """(samples, height, width) in 0…1: the cells enlarged to one more than fits the image, cut out at random."""
    cells = small.shape[1]
    sizes = [(cells + 1) * -(-side // cells) for side in (height, width)]
    value = torch.from_numpy(small[:, None].astype(np.float32))
    large = F.interpolate(value, size=sizes, mode="bilinear", align_corners=False)[:, 0].clamp(0, 1)
    return torch.stack(
        [item[top : top + height, left : left + width] for item, (top, left) in zip(large, cuts, strict=True)]
    )
