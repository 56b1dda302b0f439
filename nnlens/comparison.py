"""Several attribution methods on an image, and the evidence of each: made step by step, kept with the image."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np
from torch import nn

from .kernels import (
    CHECKS,
    METHODS,
    Attribution,
    Deletion,
    Evidence,
    Prepared,
    Subject,
    Yardstick,
    attribution_steps,
    evidence_cost,
    evidence_steps,
    superpixels,
    yardstick_steps,
)
from .kernels.attribution.evidence import Check
from .kernels.occluder import Fill, named
from .kernels.scores import ScoreKind
from .recording import version_of
from .selection import Sample

_KEPT = 96  # maps of one image


@dataclass(frozen=True)
class Settings:
    """What a person can set of the methods.

    Attributes
    ----------
    samples, seed : int
        Of LIME, KernelSHAP and RISE; SmoothGrad has the seed.
    segments, segmentation
        How many superpixels, and by what: None is SLIC where scikit-image is there, else a grid.
    width : float
        Of LIME's kernel.
    layer : str
        Of Grad-CAM and its kin; "" is the last one with places.
    score : "logit" or "probability", optional
        What is explained; what suits the method if None.
    upsample : "bilinear" or "nearest"
        How Grad-CAM and its kin are brought to the image's size.
    """

    samples: int = 1000
    segments: int = 50
    segmentation: str | None = None
    width: float = 0.25
    seed: int = 0
    layer: str = ""
    score: ScoreKind | None = None
    upsample: str = "bilinear"

    def options(self, method: str) -> dict[str, Any]:
        """The options of a method that are set here."""
        known = METHODS[method].options
        found: dict[str, Any] = {"seed": self.seed} if METHODS[method].random else {}
        if method in ("lime", "kernel_shap", "rise"):
            found["samples"] = self.samples
        if "segments" in known:
            found |= {"segments": self.segments, "segmentation": self.segmentation or default_segmentation()}
        if method == "lime":
            found["width"] = self.width
        if self.layer and "layer" in known:
            found["layer"] = self.layer
        if "upsample" in known:
            found["upsample"] = self.upsample
        return found


def default_segmentation() -> str:
    return "slic" if find_spec("skimage") else "grid"


class Comparison:
    """Makes the maps and the evidence of one lens's images.

    Parameters
    ----------
    prepared : callable
        From a sample to its prepared model.
    """

    def __init__(self, model: nn.Module, prepared: Callable[[Sample], Prepared | None]):
        self._model, self._prepared = model, prepared

    def subject(
        self, sample: Sample, target: int, score: ScoreKind | None = None, usual: ScoreKind = "logit"
    ) -> Subject:
        return Subject(
            self._model,
            sample.input.x,
            target=target,
            score=score,
            usual=usual,
            output=sample.scored(),
            recording=sample.recording,
            prepared=self._prepared(sample),
        )

    def map(self, sample: Sample, target: int, method: str, settings: Settings) -> Attribution | None:
        """The whole map, if it has been made."""
        return sample.attributions.get(_key(target, method, settings))

    def evidence(self, sample: Sample, target: int, method: str, settings: Settings) -> Evidence | None:
        """The evidence so far."""
        return sample.evidence.get(_key(target, method, settings))

    def map_steps(self, sample: Sample, target: int, method: str, settings: Settings) -> Iterator[Attribution]:
        """The map as it grows; at once if it has been made."""
        found = self.map(sample, target, method, settings)
        if found is not None:
            yield found
            return
        # A map that was stopped is taken up where it was.
        key = ("attribution", *_key(target, method, settings))
        if key not in sample.growing:
            subject = self.subject(sample, target, settings.score, METHODS[method].score)
            options = self.options(sample, method, settings)
            if "segments" in options:
                options["segments"] = self.superpixels(sample, settings)
            sample.growing[key] = attribution_steps(subject, method, **options)
        try:
            while (found := next(sample.growing[key], None)) is not None:
                # Of other weights it would be no map of this sample.
                if found.complete and sample.version == version_of(self._model):
                    _keep(sample.attributions, key[1:], found)
                yield found
        except Exception:
            sample.growing.pop(key, None)
            raise
        sample.growing.pop(key, None)

    def superpixels(self, sample: Sample, settings: Settings) -> np.ndarray:
        """The superpixels that LIME and KernelSHAP share, made once: they may take a while."""
        how: Any = settings.segmentation or default_segmentation()
        key = how, settings.segments
        if key not in sample.superpixels:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                sample.superpixels[key] = superpixels(sample.input.x, how, settings.segments)
            sample.superpixel_notes[key] = "; ".join(str(one.message) for one in told)
        return sample.superpixels[key]

    def evidence_steps(
        self,
        sample: Sample,
        target: int,
        method: str,
        settings: Settings,
        *,
        checks: tuple[Check, ...] = CHECKS,
        most: int | None = None,
    ) -> Iterator[Evidence | None]:
        """The evidence of a map that has been made, as it comes in; None while the yardstick is being made."""
        key = _key(target, method, settings)
        found, before = sample.attributions[key], sample.evidence.get(key)
        if before is not None:
            if most is None:  # asked for: what failed is tried again
                failed = {name: why for name, why in before.failed.items() if name not in checks}
                before = replace(before, failed=failed)
            checks = tuple(name for name in checks if not _made(before, name))
        subject = self.subject(sample, target, found.score)
        yardstick: tuple[Deletion, Yardstick] | None = None
        if "faithfulness" in checks:
            known = sample.once("yardstick", target, settings.score, make=lambda: [None])
            made = yardstick_steps(subject, score=settings.score or "probability", deleted=self.fill(sample))
            with contextlib.suppress(ValueError, RuntimeError):  # the check itself will say what is wrong
                for deletion, whole in made if known[0] is None else ():
                    if whole is not None:
                        known[0] = deletion, whole
                    yield None
            yardstick = known[0]
        options = self.options(sample, method, settings)
        steps = evidence_steps(subject, found, options, checks=checks, most=most, yardstick=yardstick, before=before)
        for evidence in steps:
            # What an earlier look left out and nobody has asked for since is still left out.
            if before is not None:
                still = {name: cost for name, cost in before.skipped.items() if not _made(evidence, name)}
                evidence = replace(evidence, skipped={**still, **evidence.skipped})
            if sample.version == version_of(self._model):
                _keep(sample.evidence, key, evidence)
            yield evidence

    def fill(self, sample: Sample) -> Fill:
        """What stands where something is hidden, with its name."""
        return named(sample.input.fill(sample.input.usual_fill), sample.input.usual_fill)

    def cost(self, sample: Sample, method: str, settings: Settings) -> int:
        """About how many forward passes a map takes."""
        return METHODS[method].cost(_sides(sample), **self.options(sample, method, settings))

    def evidence_cost(
        self, sample: Sample, method: str, settings: Settings, checks: tuple[Check, ...], most: int
    ) -> int:
        """About how many passes those checks take that take no more than `most` each."""
        options = self.options(sample, method, settings)
        costs = [evidence_cost(method, options, check, _sides(sample)) for check in checks]
        return sum(cost for cost in costs if cost <= most)

    def options(self, sample: Sample, method: str, settings: Settings) -> dict[str, Any]:
        """With what stands where something is hidden: the same as in the other views."""
        options = settings.options(method)
        if method in ("rise", "occlusion"):
            options["fill"] = self.fill(sample)
        if method == "occlusion":
            short = min(sample.input.x.shape[2:])
            options |= {"size": max(1, short // 4), "stride": max(1, round(short / 14))}
        return options


def _sides(sample: Sample) -> tuple[int, int]:
    height, width = sample.input.x.shape[2:]
    return height, width


def _key(target: int, method: str, settings: Settings) -> tuple[Any, ...]:
    return target, method, settings.score, *sorted(settings.options(method).items())


def _made(evidence: Evidence, check: str) -> bool:
    found = getattr(evidence, check)
    return (found is not None and getattr(found, "complete", True)) or check in evidence.failed


def _keep(kept: dict[tuple[Any, ...], Any], key: tuple[Any, ...], made: Any) -> None:
    while len(kept) >= _KEPT and key not in kept:
        kept.pop(next(iter(kept)))
    kept[key] = made
