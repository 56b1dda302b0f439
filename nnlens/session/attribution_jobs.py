"""The attributions of a session's images and their evidence: computed step by step, kept with the image."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np
from torch import nn

from nnlens.kernels import (
    CHECKS,
    METHODS,
    Attribution,
    BaselineCurves,
    Deletion,
    Evidence,
    Prepared,
    Subject,
    attribution_steps,
    baseline_curves_steps,
    evidence_cost,
    evidence_steps,
    superpixels,
)
from nnlens.kernels.attribution.evidence.evidence import Check
from nnlens.kernels.occlusion.occluder import Fill, named, shorter_side
from nnlens.kernels.text import word_labels
from nnlens.recording import version_of
from nnlens.scores.meaning import ScoreKind
from nnlens.utils.language import _

from .sample import Sample


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a user can set about the methods.

    Attributes
    ----------
    samples, seed : int
        Of LIME, KernelSHAP and RISE; SmoothGrad uses only the seed.
    segments, segmentation
        How many superpixels, and by which method: None is SLIC if scikit-image is installed, otherwise a grid.
    width : float
        Of LIME's kernel.
    cam_layer : str
        Of Grad-CAM and its variants; "" is the last layer with spatial maps.
    score : "logit" or "probability", optional
        What is explained; by default what is usual for the method.
    upsample : "bilinear" or "nearest"
        How Grad-CAM's maps are brought to the image's size.
    """

    samples: int = 1000
    segments: int = 50
    segmentation: str | None = None
    width: float = 0.25
    seed: int = 0
    cam_layer: str = ""
    score: ScoreKind | None = None
    upsample: str = "bilinear"

    def options(self, method: str) -> dict[str, Any]:
        """The options of a method that are set here."""
        known = METHODS[method].options
        result: dict[str, Any] = {"seed": self.seed} if METHODS[method].random else {}
        if method in ("lime", "kernel_shap", "rise"):
            result["samples"] = self.samples
        if "segments" in known:
            result |= {"segments": self.segments, "segmentation": self.segmentation or default_segmentation()}
        if method == "lime":
            result["width"] = self.width
        if self.cam_layer and "layer" in known:
            result["layer"] = self.cam_layer
        if "upsample" in known:
            result["upsample"] = self.upsample
        return result


def default_segmentation() -> str:
    """SLIC if scikit-image is installed, otherwise a grid."""
    return "slic" if find_spec("skimage") else "grid"


class AttributionJobs:
    """Computes the attributions and the evidence of one session's images.

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
        """What is explained: a target of a sample."""
        return Subject(
            sample.model,
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
        attribution: Attribution | None = sample.cache.get("attribution", *_key(target, method, settings))
        return attribution

    def evidence(self, sample: Sample, target: int, method: str, settings: Settings) -> Evidence | None:
        """The evidence so far."""
        evidence: Evidence | None = sample.cache.get("evidence", *_key(target, method, settings))
        return evidence

    def map_steps(self, sample: Sample, target: int, method: str, settings: Settings) -> Iterator[Attribution]:
        """The map as it grows; at once if it has been made."""
        result = self.map(sample, target, method, settings)
        if result is not None:
            yield result
            return
        # A map that was stopped is continued.
        key, cache = _key(target, method, settings), sample.cache
        steps: Iterator[Attribution] | None = cache.get("running attribution", *key)
        if steps is None:
            subject = self.subject(sample, target, settings.score, METHODS[method].score)
            options = self.options(sample, method, settings)
            if "segments" in options:
                options["segments"] = self.superpixels(sample, settings)
            steps = attribution_steps(subject, method, **options)
            cache.put("running attribution", *key, value=steps)
        try:
            for attribution in steps:
                # A map of other weights does not belong to this sample.
                if attribution.complete and sample.version == version_of(self._model):
                    cache.put("attribution", *key, value=attribution)
                yield attribution
        except GeneratorExit:
            raise
        except Exception:
            cache.drop("running attribution", *key)
            raise
        cache.drop("running attribution", *key)

    def superpixels(self, sample: Sample, settings: Settings) -> np.ndarray:
        """The superpixels that LIME and KernelSHAP share, computed once: that may take a while."""
        return self._superpixels(sample, settings)[0]

    def superpixels_so_far(self, sample: Sample, settings: Settings) -> tuple[np.ndarray, str] | None:
        """The superpixels and a remark in words; None until they have been computed."""
        result: tuple[np.ndarray, str] | None = sample.cache.get("superpixels", *_segmentation(settings))
        return result

    def _superpixels(self, sample: Sample, settings: Settings) -> tuple[np.ndarray, str]:
        how, count = _segmentation(settings)

        def make() -> tuple[np.ndarray, str]:
            if sample.input.text is not None:
                return word_labels(sample.input.text), ""
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                x = sample.input.x
                # A signal has no regions that stand out: it is cut into parts of one length.
                labels = superpixels(x, "grid" if sample.input.is_row else how, min(count, x[0, 0].numel()))
            return labels, "; ".join(str(warning.message) for warning in caught)

        made: tuple[np.ndarray, str] = sample.cache.once("superpixels", how, count, make=make)
        return made

    def evidence_steps(
        self,
        sample: Sample,
        target: int,
        method: str,
        settings: Settings,
        *,
        checks: tuple[Check, ...] = CHECKS,
        max_passes: int | None = None,
    ) -> Iterator[Evidence | None]:
        """The evidence of a computed map, growing; None while the baselines are being computed."""
        key = _key(target, method, settings)
        result, before = self.map(sample, target, method, settings), self.evidence(sample, target, method, settings)
        if result is None:
            raise ValueError(f"there is no map of {method!r} yet, so it cannot be checked")
        if before is not None:
            if max_passes is None:  # asked for: what failed is tried again
                failed = {name: why for name, why in before.failed.items() if name not in checks}
                before = replace(before, failed=failed)
            checks = tuple(name for name in checks if not _made(before, name))
        subject = self.subject(sample, target, result.score)
        baselines: tuple[Deletion, BaselineCurves] | None = None
        if "faithfulness" in checks:
            about = target, settings.score
            baselines = sample.cache.get("baseline curves", *about)
            made = baseline_curves_steps(subject, score=settings.score or "probability", deleted=self.fill(sample))
            with contextlib.suppress(ValueError, RuntimeError):  # the check itself will say what is wrong
                for deletion, whole in made if baselines is None else ():
                    if whole is not None:
                        baselines = deletion, whole
                        sample.cache.put("baseline curves", *about, value=baselines)
                    yield None
        options = self.options(sample, method, settings)
        steps = evidence_steps(
            subject, result, options, checks=checks, max_passes=max_passes, baselines=baselines, before=before
        )
        for evidence in steps:
            # Checks that were skipped before and not requested since are still skipped.
            if before is not None:
                still = {name: cost for name, cost in before.skipped.items() if not _made(evidence, name)}
                evidence = replace(evidence, skipped={**still, **evidence.skipped})
            if sample.version == version_of(self._model):
                sample.cache.put("evidence", *key, value=evidence)
            yield evidence

    def fill(self, sample: Sample) -> Fill:
        """The fill for hidden pixels, with its name; of a text that for hidden tokens."""
        if sample.input.text is not None:
            return named(sample.input.grey, _("mean embedding"))
        return named(sample.input.fill(sample.input.usual_fill), sample.input.usual_fill)

    def switch_fill(self, sample: Sample) -> Fill:
        """The fill for superpixels that are off: their own mean, but for words that of hidden tokens."""
        return "own mean" if sample.input.text is None else self.fill(sample)

    def cost(self, sample: Sample, method: str, settings: Settings) -> int:
        """About how many forward passes a map takes."""
        return METHODS[method].cost(_sides(sample), **self.options(sample, method, settings))

    def evidence_cost(
        self, sample: Sample, method: str, settings: Settings, checks: tuple[Check, ...], max_passes: int
    ) -> int:
        """About how many passes the checks take together that take at most `max_passes` each."""
        options = self.options(sample, method, settings)
        costs = [evidence_cost(method, options, check, _sides(sample)) for check in checks]
        return sum(cost for cost in costs if cost <= max_passes)

    def options(self, sample: Sample, method: str, settings: Settings) -> dict[str, Any]:
        """The options of a method, with the same fill for hidden pixels as in the other views."""
        options = settings.options(method)
        if method in ("rise", "occlusion"):
            options["fill"] = self.fill(sample)
        if method in ("lime", "kernel_shap"):
            options["fill"] = self.switch_fill(sample)
        if method == "integrated_gradients" and sample.input.text is not None:
            options["baseline"] = self.fill(sample)
        if method == "occlusion":
            short = 1 if sample.input.text is not None else shorter_side(sample.input.x)
            size, stride = (short // 16, short / 64) if sample.input.is_row else (short // 4, short / 14)
            options |= {"size": max(1, size), "stride": max(1, round(stride))}
        return options


def _sides(sample: Sample) -> tuple[int, int]:
    height, width = sample.input.x.shape[2:]
    return height, width


def _segmentation(settings: Settings) -> tuple[Any, int]:
    return settings.segmentation or default_segmentation(), settings.segments


def _key(target: int, method: str, settings: Settings) -> tuple[Any, ...]:
    return target, method, settings.score, *sorted(settings.options(method).items())


def _made(evidence: Evidence, check: str) -> bool:
    result = getattr(evidence, check)
    return (result is not None and getattr(result, "complete", True)) or check in evidence.failed
