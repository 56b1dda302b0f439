"""Attributions and their evidence as what travels to the browser, and as pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from nnlens.kernels import Attribution, Evidence, Surrogate, agreement
from nnlens.kernels.attribution.registry import MethodName

from . import attribution_payloads
from .picture import color_map
from .scores import finite
from .textures import reduce_maps
from .units import signed_texture


def attribution_texture(found: Attribution, *, most_side: int | None = None) -> attribution_payloads.AttributionPayload:
    """A map in 8 bits: with its signs, and beside it the magnitudes where these are another thing.

    Sides of more than `most_side` are reduced by a whole step.
    """
    planes = found.signed()[None]
    if not found.contribution:
        planes = np.concatenate([planes, found.magnitude()[None]])
    if most_side is not None:
        planes = reduce_maps(planes, -(-max(planes.shape[1:]) // most_side))
    return {
        **signed_texture(planes),
        "contribution": found.contribution,
        "method": found.method,
        "target": found.target,
        "score": found.score,
        "layer": found.layer,
        "done": found.done,
        "forwards": found.forwards,
        "backwards": found.backwards,
        "zero": found.all_zero,
        "words": found.describe(),
        "surrogate": None if found.surrogate is None else _surrogate(found.surrogate),
    }


def _surrogate(found: Surrogate) -> attribution_payloads.SurrogatePayload:
    low, high = found.interval()
    payload = {
        "coefficients": found.coefficients.tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
        "r2": found.r2,
        "samples": found.samples,
    }
    shown: attribution_payloads.SurrogatePayload = finite(payload)
    return shown


def superpixel_texture(labels: np.ndarray, words: str) -> attribution_payloads.SuperpixelsPayload:
    """Which superpixel each pixel belongs to, uint16; and what there is to say about them."""
    return {
        "rows": labels.shape[0],
        "columns": labels.shape[1],
        "count": int(labels.max()) + 1,
        "data": labels.astype(np.uint16).tobytes(),
        "words": words,
    }


def evidence_payload(found: Evidence) -> attribution_payloads.EvidencePayload:
    """What was found: statements in words, curves, correlations; lists of numbers."""
    curves = None
    if found.faithfulness is not None:
        own, yard = found.faithfulness.own, found.faithfulness.baselines
        curves = {"shares": own.shares.tolist(), "block": yard.block, "steps": yard.steps, "orders": len(yard.random)}
        for name in ("deletion", "insertion"):
            random = np.stack([getattr(one, name) for one in yard.random])
            curves[name] = {
                "own": getattr(own, name).tolist(),
                "low": random.min(0).tolist(),
                "high": random.max(0).tolist(),
                "edges": getattr(yard.edges, name).tolist(),
                "area": getattr(own, f"{name}_area"),
                "chance": float(np.mean([getattr(one, f"{name}_area") for one in yard.random])),
                "edges_area": getattr(yard.edges, f"{name}_area"),
            }
    weights: dict[str, Any] | None = None
    if found.randomisation is not None:
        weights = {"layers": list(found.randomisation.layers)}
        for way in ("cascading", "independent"):
            rows = getattr(found.randomisation, way)
            weights[way] = [[one.signed, one.absolute, one.structure] for one in rows]
    payload = {
        "findings": [[one.check, one.verdict, one.words] for one in found.findings()],
        "curves": curves,
        "weights": weights,
        "skipped": dict(found.skipped),
        "failed": dict(found.failed),
    }
    shown: attribution_payloads.EvidencePayload = finite(payload)
    return shown


def agreement_payload(maps: dict[MethodName, Attribution]) -> attribution_payloads.Agreement:
    """How far several maps agree: the rank correlation of each pair."""
    values = agreement(list(maps.values())).round(3).tolist() if len(maps) > 1 else []
    return {"methods": list(maps), "values": finite(values)}


def attribution_over(photo: Image.Image, found: Attribution) -> tuple[Image.Image, tuple[float, float]]:
    """A map over the greyed photograph, and the limits of its colours."""
    values = found.importance()
    sizes = np.abs(values)
    # As in the browser: a few far outliers would darken all else.
    high = float(np.quantile(sizes, 0.995))
    largest = (high if high > 0 and sizes.max() > 1.5 * high else float(sizes.max())) or 1.0
    limits = (-largest if values.min() < 0 else 0.0, largest)
    grey = photo.convert("L").convert("RGB")
    return Image.blend(grey, color_map(values, *limits).resize(photo.size), 0.7), limits
