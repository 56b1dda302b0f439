"""The traits of the comparison: those of the second side, and those of the differences."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import traitlets as t

from nnlens.render import payloads
from nnlens.widgets.activations.layers import LayersTraits
from nnlens.widgets.base.traits import ViewTraits, payload, synced
from nnlens.widgets.occlusion.experiment import ExperimentTraits
from nnlens.widgets.occlusion.live import LiveTraits

# What each side has of its own; all other traits are the same for both. The second side's have this prefix.
SECOND = "second_"
OF_EACH_SIDE = (
    *("photo", "scores", "meaning", "mosaic", "unit_map"),
    *("occlusion_map", "occluded", "fill_color", "size_curve"),
)


def _of_the_second() -> dict[str, Any]:
    owners = (ViewTraits, LayersTraits, ExperimentTraits, LiveTraits)
    known = {name: trait for owner in owners for name, trait in owner.class_traits(sync=True).items()}
    made = {}
    for name in OF_EACH_SIDE:
        trait = deepcopy(known[name])
        made[SECOND + name] = trait.tag(state=False)
        trait.help = f"{trait.help}, of the second side"
    return made


SecondTraits: Any = type("SecondTraits", (t.HasTraits,), _of_the_second())


class CompareTraits(SecondTraits):  # type: ignore[misc]  # made from the traits of the first side
    """What the two sides differ in."""

    of_models = synced(t.Bool(False, help="whether two models are compared, else two images"))
    sort_by_difference = synced(t.Bool(True, help="whether the units that differ most come first"), state=True)
    difference_mosaic = payload(payloads.Mosaic, "all units: the second side minus the first")
    difference_unit_map = payload(payloads.ShownUnitMap, "the selected unit: the second side minus the first")
    difference_order = synced(t.Bytes(b"", help="the units, those that differ most first: int32"), bytes, echo=False)
    difference_problem = synced(t.Unicode("", help="why there is no difference of this layer"))
    difference_occlusion_map = payload(
        payloads.OcclusionMapPayload, "how the change of the second side differs from that of the first"
    )
