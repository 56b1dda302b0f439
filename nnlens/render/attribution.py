"""Attributions and their evidence as payloads for the browser, and as pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from nnlens.kernels import Attribution, Evidence, Surrogate, agreement
from nnlens.kernels.attribution.registry import MethodName

from . import attribution_payloads
from .picture import color_map
from .scores import finite
from .units import signed_texture


def attribution_texture(attribution: Attribution) -> attribution_payloads.AttributionPayload:
    """A map in 8 bits: with signs, and for gradients also the magnitudes over the channels."""
    planes = attribution.signed()[None]
    if not attribution.contribution:
        planes = np.concatenate([planes, attribution.magnitude()[None]])
    return {
        **signed_texture(planes),
        "contribution": attribution.contribution,
        "method": attribution.method,
        "target": attribution.target,
        "score": attribution.score,
        "layer": attribution.layer,
        "done": attribution.done,
        "forwards": attribution.forwards,
        "backwards": attribution.backwards,
        "zero": attribution.all_zero,
        "words": attribution.describe(),
        "surrogate": None if attribution.surrogate is None else _surrogate(attribution.surrogate),
    }


def _surrogate(surrogate: Surrogate) -> attribution_payloads.SurrogatePayload:
    low, high = surrogate.interval()
    payload = {
        "coefficients": surrogate.coefficients.tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
        "r2": surrogate.r2,
        "samples": surrogate.samples,
    }
    shown: attribution_payloads.SurrogatePayload = finite(payload)
    return shown


def superpixel_texture(labels: np.ndarray, words: str) -> attribution_payloads.SuperpixelsPayload:
    """Which superpixel each pixel belongs to, uint16; with a remark in words."""
    return {
        "rows": labels.shape[0],
        "columns": labels.shape[1],
        "count": int(labels.max()) + 1,
        "data": labels.astype(np.uint16).tobytes(),
        "words": words,
    }


def evidence_payload(evidence: Evidence) -> attribution_payloads.EvidencePayload:
    """The findings in words, the curves and the correlations."""
    curves = None
    if evidence.faithfulness is not None:
        own, yard = evidence.faithfulness.own, evidence.faithfulness.baselines
        curves = {"shares": own.shares.tolist(), "block": yard.block, "steps": yard.steps, "orders": len(yard.random)}
        for name in ("deletion", "insertion"):
            random = np.stack([getattr(item, name) for item in yard.random])
            curves[name] = {
                "own": getattr(own, name).tolist(),
                "low": random.min(0).tolist(),
                "high": random.max(0).tolist(),
                "edges": getattr(yard.edges, name).tolist(),
                "area": getattr(own, f"{name}_area"),
                "chance": float(np.mean([getattr(item, f"{name}_area") for item in yard.random])),
                "edges_area": getattr(yard.edges, f"{name}_area"),
            }
    weights: dict[str, Any] | None = None
    if evidence.randomisation is not None:
        weights = {"layers": list(evidence.randomisation.layers)}
        for way in ("cascading", "independent"):
            rows = getattr(evidence.randomisation, way)
            weights[way] = [[row.signed, row.absolute, row.structure] for row in rows]
    payload = {
        "findings": [[finding.check, finding.verdict, finding.words] for finding in evidence.findings()],
        "curves": curves,
        "weights": weights,
        "skipped": dict(evidence.skipped),
        "failed": dict(evidence.failed),
    }
    shown: attribution_payloads.EvidencePayload = finite(payload)
    return shown


def agreement_payload(maps: dict[MethodName, Attribution]) -> attribution_payloads.Agreement:
    """How far several maps agree: the rank correlation of each pair."""
    values = agreement(list(maps.values())).round(3).tolist() if len(maps) > 1 else []
    return {"methods": list(maps), "values": finite(values)}


def attribution_over(photo: Image.Image, attribution: Attribution) -> tuple[Image.Image, tuple[float, float]]:
    """A map over the greyed photograph, and the limits of its colours."""
    values = attribution.importance()
    sizes = np.abs(values)
    # As in the browser: a few extreme outliers would darken everything else.
    high = float(np.quantile(sizes, 0.995))
    largest = (high if high > 0 and sizes.max() > 1.5 * high else float(sizes.max())) or 1.0
    limits = (-largest if values.min() < 0 else 0.0, largest)
    grey = photo.convert("L").convert("RGB")
    return Image.blend(grey, color_map(values, *limits).resize(photo.size), 0.7), limits
