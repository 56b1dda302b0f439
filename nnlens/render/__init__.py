"""Results to textures, legends and pictures."""

from .colormaps import color_tables
from .picture import Panel, draw
from .table import SummaryTable
from .textures import mosaic_texture, occlusion_texture, unit_texture

__all__ = ["Panel", "SummaryTable", "color_tables", "draw", "mosaic_texture", "occlusion_texture", "unit_texture"]
