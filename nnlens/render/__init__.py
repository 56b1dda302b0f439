"""Results to textures, legends and pictures."""

from .attribution import attribution_over, attribution_texture, evidence_payload, finite, superpixel_texture
from .card import (
    back_projection_texture,
    colours_of,
    connections_payload,
    picture_of,
    signed_texture,
    synthesis_payload,
)
from .colormaps import color_tables
from .display import html_of, show_in_notebooks
from .picture import Panel, draw, encoded, stacked
from .table import SummaryTable
from .textures import mosaic_texture, occlusion_texture, unit_texture

__all__ = [
    "Panel",
    "SummaryTable",
    "attribution_over",
    "attribution_texture",
    "back_projection_texture",
    "color_tables",
    "colours_of",
    "connections_payload",
    "draw",
    "encoded",
    "evidence_payload",
    "finite",
    "html_of",
    "mosaic_texture",
    "occlusion_texture",
    "picture_of",
    "show_in_notebooks",
    "signed_texture",
    "stacked",
    "superpixel_texture",
    "synthesis_payload",
    "unit_texture",
]
