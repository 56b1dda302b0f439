"""LIME: a linear model of which superpixels are on (Ribeiro et al. 2016, arXiv:1602.04938)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nnlens.kernels.attribution.blend import Blend
from nnlens.kernels.attribution.result import Attribution
from nnlens.kernels.attribution.subject import Subject, given_count
from nnlens.kernels.attribution.superpixels import Segmentation, as_labels, superpixels, switched_off
from nnlens.kernels.attribution.surrogate import Fit
from nnlens.kernels.occlusion.occluder import Fill
from nnlens.utils.language import _

PIECES = 10  # how many times a growing surrogate is shown


class Switches:
    """An image's superpixels as switches: the explained score for any of them off."""

    def __init__(
        self,
        subject: Subject,
        *,
        segments: np.ndarray | int | None,
        segmentation: Segmentation,
        fill: Fill,
        seed: int,
    ):
        self.subject = subject
        subject.image()
        if segments is None or isinstance(segments, (int, np.integer)):
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                self.labels = superpixels(subject.x, segmentation, 50 if segments is None else int(segments))
            self.words: str = "; ".join([segmentation, *(str(item.message) for item in told)])
        else:
            self.labels, self.words = as_labels(segments, subject.x), "given"
        self.replacement, self.fill = switched_off(subject.x, self.labels, fill, seed)
        self.parts = int(self.labels.max()) + 1
        self._blend = Blend(subject.passes, self.replacement)
        self._at = torch.from_numpy(self.labels).to(subject.x.device)

    def images(self, on: np.ndarray) -> Tensor:
        """The image for each row of `on` (n, parts), with the parts off where it is 0 (or False)."""
        rows = torch.from_numpy(np.asarray(on, np.float32)).to(self._at.device)
        # Several times as fast as `rows[:, self._at]`.
        return self._blend(rows.index_select(1, self._at.flatten()).view(-1, *self._at.shape))

    def scores(self, on: np.ndarray) -> np.ndarray:
        """The explained score for each row, (n,)."""
        return np.concatenate([self.subject.values(self.images(some)).numpy() for some in self.portions(on)])

    def portions(self, on: np.ndarray) -> Iterator[np.ndarray]:
        """The rows of `on` in portions that fit into a pass."""
        start = 0
        while start < len(on):
            stop = start + self.subject.passes.chunk
            yield on[start:stop]
            start = stop

    def parameters(self) -> dict[str, Any]:
        """The parameters of the sampling, for the result."""
        return {"segmentation": self.words, "segments": self.parts, "fill": self.fill}


def proximity(on: Bool[np.ndarray, "n parts"], width: float) -> Float[np.ndarray, " n"]:
    """exp(−d² / 2 width²), d the cosine distance of the binary vectors (n, parts) from all on: 1 − √(share on)."""
    distance = 1 - np.sqrt(on.mean(1))
    result: np.ndarray = np.exp(-(distance**2) / (2 * width**2))
    return result


def check_kernel(width: float, ridge: float) -> None:
    """Raise ValueError for a width or a ridge that is not positive."""
    if not width > 0:
        raise ValueError(f"width must be above 0, got {width}")
    if not ridge >= 0:
        raise ValueError(f"ridge must be at least 0, got {ridge}")


def lime(
    subject: Subject,
    *,
    samples: int = 1000,
    segments: np.ndarray | int | None = None,
    segmentation: Segmentation = "slic",
    width: float = 0.25,
    ridge: float = 1.0,
    fill: Fill = "own mean",
    seed: int = 0,
    on: np.ndarray | None = None,
) -> Iterator[Attribution]:
    """Switch superpixels off at random, and fit a linear model to the scores, with larger weights for near samples.

    With the choices of the reference implementation: each superpixel on with probability ½, the first sample all on;
    weights exp(−d² / 2 width²), d the cosine distance; ridge regression with α = 1; a superpixel that is off has its
    own mean colour. Unlike there, one seed determines everything.

    Parameters
    ----------
    samples : int
    segments : int or int array (height, width), optional
        About how many superpixels (50), or their labels.
    segmentation : "slic", "quickshift", "felzenszwalb" or "grid"
        See `superpixels`.
    width : float
        Of the kernel; small values use only samples near the image.
    ridge : float
        α, at least 0.
    fill : "own mean", or as for `occlusion`
    on : bool array (samples, superpixels), optional
        The samples themselves.
    """
    given_count(samples, "samples", 2)
    check_kernel(width, ridge)
    switches = Switches(subject, segments=segments, segmentation=segmentation, fill=fill, seed=seed)
    drawn = _drawn(samples, switches.parts, seed) if on is None else _checked(on, switches.parts)
    parameters = {**switches.parameters(), "samples": len(drawn), "width": width, "ridge": ridge, "seed": seed}
    fit = Fit(switches.parts, ridge)
    yield from fitted("lime", switches, drawn, proximity(drawn, width), fit, parameters)


def fitted(
    method: str,
    switches: Switches,
    on: np.ndarray,
    weights: np.ndarray,
    fit: Fit,
    parameters: dict[str, Any],
) -> Iterator[Attribution]:
    """The surrogate as the samples come in."""
    subject, done, shown = switches.subject, 0, 0
    notes: tuple[str, ...] = ()
    if switches.parts == 1:
        notes = (_("one superpixel only: there is nothing to compare it with"),)
    elif switches.parts < 4 and fit.ridge > 0:
        words = _(
            "{count} superpixels only: the ridge shrinks their coefficients a lot, ridge=0 does not",
            count=switches.parts,
        )
        notes = (words,)
    for some in switches.portions(on):
        fit.add(some, switches.scores(some), weights[done : done + len(some)])
        done += len(some)
        if done < len(on) and done - shown < len(on) / PIECES:
            continue
        shown = done
        result = fit.solve(switches.labels)
        yield subject.result(
            method,
            result.painted(),
            contribution=True,
            parameters=parameters,
            surrogate=result,
            done=done / len(on),
            notes=notes,
        )


def _drawn(samples: int, parts: int, seed: int) -> np.ndarray:
    on = np.random.default_rng(seed).integers(0, 2, (samples, parts)).astype(bool)
    on[0] = True
    return on


def _checked(on: np.ndarray, parts: int) -> np.ndarray:
    rows = np.asarray(on).astype(bool)
    if rows.ndim != 2 or rows.shape[1] != parts or not len(rows):
        raise ValueError(f"on must be of the shape (samples, {parts}), got {rows.shape}")
    return rows
