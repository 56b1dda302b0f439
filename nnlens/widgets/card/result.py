"""The numbers behind the unit card."""

from __future__ import annotations

from dataclasses import dataclass

from nnlens.kernels import Ablation, Activations, BackProjection, Connections, LayerExamples, Synthesis
from nnlens.widgets.base.part import Owner

from .ablation import AblationPart
from .back_projection import BackProjectionPart
from .connections import ConnectionsPart
from .synthesis import SynthesisPart


@dataclass(frozen=True, repr=False, kw_only=True)
class UnitCard:
    """The numbers behind the unit card, as it stands.

    Attributes
    ----------
    image, layer, unit
        The selected one.
    activations : Activations
        The layer's; the unit's map is `activations.values[unit]`.
    back_projection : BackProjection
        By the chosen rule, from the maximum, the map or the position.
    connections : Connections
        The units that feed it, and those that it feeds.
    ablation : Ablation
        The scores without it.
    examples : LayerExamples or None
        What the data set of `lens.examples` says about the layer's units; None without one.
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


def unit_card(view: Owner) -> UnitCard:
    """The numbers of the unit that a view with a card has selected; what is missing of them is computed."""
    view.wait()
    view.update()
    selection = view.selection
    return UnitCard(
        image=selection.image,
        layer=selection.layer,
        unit=selection.unit,
        activations=selection.activations,
        back_projection=view.part(BackProjectionPart).result,
        connections=view.part(ConnectionsPart).result,
        ablation=view.part(AblationPart).result,
        examples=view.session.search.get(selection.layer),
        synthesis=view.part(SynthesisPart).result,
    )
