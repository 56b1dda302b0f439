"""From results to textures, legends and pictures."""

from .attribution import (
    agreement_payload,
    attribution_over,
    attribution_texture,
    evidence_payload,
    superpixel_texture,
)
from .colormaps import color_tables
from .display import html_of, show_in_notebooks
from .picture import Panel, draw, encoded, stacked
from .reduction import smaller_occlusion_map, smaller_texture, smaller_unit_map
from .scores import (
    finite,
    layer_entries,
    meaning_payload,
    photo_payload,
    scores_of_several_payload,
    scores_payload,
    scores_with_top_payload,
    small_photo_payload,
)
from .table import SummaryTable
from .textures import mosaic_texture, occlusion_difference_texture, occlusion_texture, unit_texture
from .units import (
    ablation_payload,
    back_projection_texture,
    colours_of,
    connections_payload,
    picture_of,
    signed_texture,
    synthesis_frame,
)

__all__ = [
    "Panel",
    "SummaryTable",
    "ablation_payload",
    "agreement_payload",
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
    "layer_entries",
    "meaning_payload",
    "mosaic_texture",
    "occlusion_difference_texture",
    "occlusion_texture",
    "photo_payload",
    "picture_of",
    "scores_of_several_payload",
    "scores_payload",
    "scores_with_top_payload",
    "show_in_notebooks",
    "signed_texture",
    "small_photo_payload",
    "smaller_occlusion_map",
    "smaller_texture",
    "smaller_unit_map",
    "stacked",
    "superpixel_texture",
    "synthesis_frame",
    "unit_texture",
]
