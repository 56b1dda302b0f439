"""The unit under the microscope: where it fires, back to the pixels, its images, its wiring, whether it matters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from ..export.bundle import Response, packed_size, within_budget
from ..kernels import Ablation, Activations, BackProjection, Connections, LayerExamples, Synthesis
from ..render import Panel, colours_of, picture_of
from .card import AblationPart, ConnectionsPart, ExamplesPart, PixelsPart, SynthesisPart
from .card.ablation import INSTEAD
from .card.examples import contact_sheet
from .card.pixels import RULES, STARTS
from .view import View, built


@dataclass(frozen=True, repr=False)
class UnitCard:
    """The numbers behind the unit card, as it stands.

    Attributes
    ----------
    image, layer, unit
        What is looked at.
    activations : Activations
        The layer's; the unit's map is `activations.values[unit]`.
    back_projection : BackProjection
        By the chosen rule, from the maximum, the map or the position.
    connections : Connections
        The units that feed it, and those that it feeds.
    ablation : Ablation
        The scores without it.
    examples : LayerExamples or None
        What the data set of `lens.examples` says of the layer's units; None without one.
    synthesis : Synthesis or None
        The latest synthesised image; None before the first.
    """

    image: str
    layer: str
    unit: int
    activations: Activations
    back_projection: BackProjection
    connections: Connections
    ablation: Ablation
    examples: LayerExamples | None
    synthesis: Synthesis | None

    def __repr__(self) -> str:
        parts = (self.back_projection, self.connections, self.ablation, self.examples, self.synthesis)
        words = [self.activations.describe(self.unit), *(repr(part) for part in parts if part is not None)]
        return "\n  ".join([f"UnitCard({self.image}, {self.layer} · {self.unit})", *words])


class Card(PixelsPart, ConnectionsPart, AblationPart, ExamplesPart, SynthesisPart):
    """All parts of the card: what the explorer unfolds, and the unit's own view is."""

    card_parts: ClassVar[tuple[str, ...]] = ("pixels", "examples", "synthesis", "wiring", "ablation")

    def unit_card(self) -> UnitCard:
        """The numbers of the selected unit; what is missing of them is computed."""
        self.wait()
        self._refresh()
        selection = self._selection
        return UnitCard(
            image=selection.image,
            layer=selection.layer,
            unit=selection.unit,
            activations=self._activations,
            back_projection=self._back(self._of(self.start), self.rule, self._at),
            connections=self._connections(None if selection.grid is not None else selection.position),
            ablation=self._ablation(self.instead),
            examples=self._lens.collection.get(selection.layer),
            synthesis=self._synthesis,
        )

    def bake(self, budget: int, *, whole: bool) -> list[Response]:
        if not self.card:
            return super().bake(budget, whole=whole)
        if whole:
            self.wait()
            self.fill_card()
        # The card first: other layers take what is left of the page.
        ways = INSTEAD if whole else (self.instead,)
        mine = [
            Response(("rule", "start"), within_budget(self._baked_pixels(whole), budget * 2 // 5)),
            Response(("instead",), {one: {"ablated": self._at_once(self._ablation_payload, one)} for one in ways}),
            self.baked_kinds(budget * 2 // 5, whole=whole),
        ]
        left = budget - sum(packed_size(one.table) for one in mine)
        return [*mine, *super().bake(left, whole=whole)]

    def _baked_pixels(self, whole: bool) -> Iterator[tuple[str, dict[str, Any]]]:
        """What comes back: as it is asked for now, and `whole` also by the other rules and from the other starts."""
        starts = [start for start in STARTS if start != "position" or self._selection.position is not None]
        asked = [(self.rule, self.start)]
        if whole:
            asked += [(rule, start) for start in dict.fromkeys([self.start, *starts]) for rule in RULES]
        for rule, start in dict.fromkeys(asked):
            yield f"{rule}|{start}", {"pixels": self._at_once(self._pixels_payload, rule, start)}


class UnitWidget(Card):
    """The card of one unit. `.result` has its numbers, a `UnitCard`."""

    _esm = built("unit.js")
    _css = built("nnlens.css")
    parts: ClassVar[tuple[str, ...]] = ("input", "bars", "layers", "unit", *Card.card_parts, "code")
    options: ClassVar[tuple[str, ...]] = (*View.options, "channel", "rule", "position", "layers")

    def __init__(self, lens: Any, image: Any = None, **options: Any):
        if options.get("channel") is not None:
            if options.get("unit") not in (None, options["channel"]):
                raise ValueError(f"unit and channel must be one, got {options['unit']!r} and {options['channel']!r}")
            options["unit"] = options["channel"]
        super().__init__(lens, image, **options)

    @property
    def result(self) -> Any:
        """The numbers of the selected unit."""
        self._refresh(full=True)
        return self.unit_card()

    def _prepare(self, options: dict[str, Any]) -> None:
        super()._prepare(options)
        rule = options.get("rule") or "gradient"
        if rule not in RULES:
            raise ValueError(f"rule must be one of {', '.join(RULES)}, got {rule!r}")
        self.rule, self.card = rule, True
        if options.get("position") is not None:
            self._selection.position = options["position"]
            self.start = "position"

    def _start(self) -> None:
        super()._start()
        self.fill_card()  # nothing is ever empty

    def describe(self) -> str:
        return f"{super().describe()} {self._back(self._of(self.start), self.rule, self._at).describe()}."

    def panels(self) -> list[Panel]:
        first, _, unit = super().panels()
        panels = [first, unit]
        if self._at is None:
            back = self._back(self._of(self.start), self.rule)
            panels.append(Panel(back.describe(), colours_of(back.values)))
        if self.examples.get("items"):
            panels.append(Panel(f"{self.kind} images", contact_sheet(self.examples["items"])))
        if self._synthesis is not None:
            panels.append(Panel(self._synthesis.describe(), picture_of(self._synthesis.pixels[0])))
        return panels
