"""The parts of what a model is given, and of what it makes of it beside scores of classes."""

from __future__ import annotations

from ..base.part import Part
from .bands import BandsPart, BandsTraits
from .boxes import BoxesPart, BoxesTraits
from .channels import ChannelsPart, ChannelsTraits
from .class_map import ClassMapPart, ClassMapTraits
from .made import MadePart, MadeTraits
from .module import InputsModulePart, InputsModuleTraits
from .neighbours import NeighboursPart, NeighboursTraits
from .part import InputsPart, InputsTraits
from .volume import VolumePart, VolumeTraits

# The module's part comes last: it looks at what the others have made.
INPUT_PARTS: tuple[type[Part], ...] = (
    InputsPart,
    ClassMapPart,
    BoxesPart,
    MadePart,
    NeighboursPart,
    VolumePart,
    BandsPart,
    ChannelsPart,
    InputsModulePart,
)


# Views of activations ask no questions about scores.
SHOWN_PARTS = tuple(part for part in INPUT_PARTS if part is not ChannelsPart)


class InputRowTraits(
    InputsTraits,
    ClassMapTraits,
    BoxesTraits,
    MadeTraits,
    NeighboursTraits,
    VolumeTraits,
    BandsTraits,
    ChannelsTraits,
    InputsModuleTraits,
):
    """The traits of all these parts."""
