"""All parts of the card: what the explorer unfolds, and what the unit's own view consists of."""

from __future__ import annotations

from ..base.part import Part
from .ablation import AblationPart, AblationTraits
from .back_projection import BackProjectionPart, BackProjectionTraits
from .card import CardPart, CardTraits
from .connections import ConnectionsPart, ConnectionsTraits
from .examples import ExamplesPart, ExamplesTraits
from .synthesis import SynthesisPart, SynthesisTraits

CARD_PANES = ("back_projection", "examples", "synthesis", "connections", "ablation")
# The fastest first: the card is filled in this order. `CardPart` fills it after the others have started.
CARD_PARTS: tuple[type[Part], ...] = (
    BackProjectionPart,
    ConnectionsPart,
    AblationPart,
    ExamplesPart,
    SynthesisPart,
    CardPart,
)


class UnitCardTraits(
    CardTraits, BackProjectionTraits, ConnectionsTraits, AblationTraits, ExamplesTraits, SynthesisTraits
):
    """The traits of all parts of the card."""
