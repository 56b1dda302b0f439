"""The traits of the grid of attributions, and how they are checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import traitlets as t

from nnlens.kernels import METHODS
from nnlens.kernels.attribution.registry import MethodName, method_named
from nnlens.kernels.attribution.superpixels import Segmentation
from nnlens.render import attribution_payloads as payloads
from nnlens.render.text import payloads as text_payloads
from nnlens.session.sample import Sample
from nnlens.session.targets import resolve_target
from nnlens.widgets.base.traits import SelectionTraits, counter, payload, synced

ROWS = 6
LIMITS = {
    "samples": (10, 20_000),
    "segments": (1, 400),
    "seed": (0, 2**31 - 1),
    "width": (0.01, 100.0),
    "opacity": (0.0, 1.0),
}
# Traits that decide the maps.
DECIDING = ("samples", "segments", "segmentation", "width", "seed", "cam_layer")


MAP = dict[str, payloads.AttributionPayload | payloads.NoMap]  # by row
EVIDENCE = dict[str, payloads.EvidencePayload]  # by row

# Each method has its own trait, so that a new map does not send all others again.
MapTraits: Any = type(
    "MapTraits",
    (t.HasTraits,),
    {f"map_{name}": synced(t.Dict(help=f"the maps of {method.title}"), MAP) for name, method in METHODS.items()}
    | {
        f"evidence_{name}": synced(t.Dict(help=f"the evidence of {method.title}"), EVIDENCE)
        for name, method in METHODS.items()
    },
)


class AttributionTraits(SelectionTraits, MapTraits):  # type: ignore[misc]  # made from the registry
    """What is compared, how it is shown, and what has been computed."""

    # The images and the targets that the user asked for, besides the selection; set before the parts are made.
    further_images: Sequence[Sample] = ()
    targets: Sequence[Any] = (None,)

    text = payload(text_payloads.TextPayload, "the text, where it is one that is explained")
    methods = synced(t.List(t.Unicode(), help="the columns"), list[MethodName], state=True, always=True)
    other_targets = synced(t.List(t.Int(), help="classes that are compared with the target"), list[int], state=True)
    known_methods = synced(t.List(t.Dict(), help="all methods and what they cost"), list[payloads.MethodPayload])
    signs = synced(
        t.Enum(("own", "signed", "magnitude"), "own", help="with signs, as magnitude, or as suits each method"),
        state=True,
    )
    maps_scale = synced(t.Enum(("each", "method", "all"), "each", help="which maps share a scale"), state=True)
    opacity = synced(t.Float(0.75, help="of the maps over the photograph, 0…1"), state=True)
    samples = synced(t.Int(1000, help="of LIME, KernelSHAP and RISE"), state=True)
    segments = synced(t.Int(50, help="about how many superpixels"), state=True)
    segmentation = synced(
        t.Enum(get_args(Segmentation), "slic", help="how superpixels are made"), state=True, always=True
    )
    width = synced(t.Float(0.25, help="of LIME's kernel"), state=True)
    seed = synced(t.Int(0, help="the same seed, the same result"), state=True)
    cam_layer = synced(
        t.Unicode("", help="the layer of Grad-CAM; empty for the last one with spatial maps"), state=True
    )
    cam_layers = synced(t.List(t.Unicode(), help="the layers that it can be"), list[str])

    rows = synced(t.List(t.Dict(), help="the rows: an image and a class each"), list[payloads.Row])
    method = synced(t.Unicode("", help="the selected column"), state=True, always=True)
    row = synced(t.Int(0, help="the selected row"), state=True)
    check_request = payload(payloads.CheckRequest, "a request for a check")
    resume = counter("a request to continue a stopped computation")
    progress = payload(payloads.JobProgress, "what is being computed, and how far it is")
    stopped = synced(t.Bool(False, help="whether the user stopped it"))
    agreement = synced(t.Dict(help="how the maps of each row agree"), dict[str, payloads.Agreement])

    superpixels = payload(payloads.SuperpixelsPayload, "of the selected row")
    switched_off = synced(
        t.List(t.Int(), help="superpixels of the selected row that are switched off"), list[int], state=True
    )
    switched_scores = payload(payloads.SwitchedScores, "the scores with these superpixels off")

    @t.validate("methods")
    def _check_methods(self, proposal: Any) -> list[str]:
        try:
            names = [method_named(name, "methods").name for name in proposal["value"]]
        except ValueError as error:
            raise t.TraitError(str(error)) from None
        return list(dict.fromkeys(names))

    @t.validate("other_targets")
    def _check_other_targets(self, proposal: Any) -> list[int]:
        names = self.selection.sample.names
        try:
            targets = [resolve_target(target, names) for target in proposal["value"]]
        except (TypeError, ValueError) as error:
            raise t.TraitError(str(error)) from None
        if len(targets) >= ROWS:
            raise t.TraitError(f"other_targets must be at most {ROWS - 1} classes, got {len(targets)}")
        return list(dict.fromkeys(targets))

    @t.validate(*LIMITS)
    def _check_numbers(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        low, high = LIMITS[name]
        if not low <= value <= high:
            raise t.TraitError(f"{name} must be {low:g}…{high:g}, got {value:g}")
        return value

    @t.validate("cam_layer")
    def _check_cam_layer(self, proposal: Any) -> str:
        name: str = proposal["value"]
        if not name:
            return name
        try:
            result: str = self.selection.sample.recording.resolve(name, "cam_layer")
            return result
        except ValueError as error:
            raise t.TraitError(str(error)) from None

    @t.validate("switched_off")
    def _check_switched_off(self, proposal: Any) -> list[int]:
        count = (self.superpixels or {}).get("count", 0)
        for index in proposal["value"]:
            if not 0 <= index < count:
                raise t.TraitError(f"switched_off must name superpixels 0…{count - 1}, got {index}")
        return sorted(set(proposal["value"]))
