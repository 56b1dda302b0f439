"""The selection that all views of one image share, in whichever cell they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets as t

from nnlens.kernels import Activations, Grid
from nnlens.utils.suggestions import nearest

from .sample import Sample
from .targets import resolve_target

SCALES = ("unit", "layer", "locked")


class Selection(t.HasTraits):
    """The image, target, layer, unit and position that all views of one image share.

    Set any of them from Python, and every view follows; click in a view, and they change here.
    """

    target = t.Int(help="the class that is explained; set an index, a label, or None for the top one")
    layer = t.Unicode(help="an operation of the pass: its name, or a module's path when set")
    unit = t.Int(help="a unit (channel) of the layer")
    position = t.Any(None, allow_none=True, help="(row, column) on the unit's map, or None")
    grid = t.Any(None, allow_none=True, help='how tokens are shown: (rows, columns), "strip", or None to detect it')
    scale = t.Enum(SCALES, "layer", help="colours per unit, per layer, or locked to what they are now")
    sample = t.Any(help="the image with its recorded pass")

    def __init__(self, sample: Sample, **choices: Any):
        layer = sample.recording.resolve(choices["layer"]) if choices.get("layer") else sample.default_layer()
        super().__init__(sample=sample, target=sample.top_class(), layer=layer, unit=sample.default_unit(layer))
        for name, value in choices.items():
            if value is not None and name != "layer":
                setattr(self, name, value)

    @property
    def image(self) -> str:
        """The image's name."""
        result: str = self.sample.input.name
        return result

    @property
    def activations(self) -> Activations:
        """The layer's maps as they are shown."""
        result: Activations = self.sample.activations(self.layer, self.grid)
        return result

    @property
    def label(self) -> str:
        """The target's name."""
        return self.sample.names[self.target] if self.sample.names else ""

    def show(self, sample: Sample) -> None:
        """Show another image: the layer and the unit are kept if it has them, the target is its top class.

        For the same image, recorded again after the model has changed, the target is kept too.
        """
        # They are still the same inputs where another one is varied, one has another value, or other bands are shown.
        same = sample.recording is self.sample.recording or sample.input is self.sample.input
        same = same or None not in (sample.input.around, self.sample.input.around)
        same = same and len(sample.names) == len(self.sample.names)
        layer = self.layer if self.layer in sample.recording else sample.default_layer()
        unit = self.unit if layer == self.layer and self.unit < len(sample.activations(layer)) else None
        if self.grid is not None and sample.activations(layer).tokens != self.activations.tokens:
            self.grid = None
        with self.hold_trait_notifications():
            self.sample = sample
            self.target = self.target if same else sample.top_class()
            self.layer = layer
            self.unit = sample.default_unit(layer) if unit is None else unit
            self.position = None

    def put_back(self, values: dict[str, Any]) -> None:
        """Restore earlier values, all at once."""
        changed = {name: value for name, value in values.items() if getattr(self, name) is not value}
        with self.hold_trait_notifications():
            for name, value in changed.items():
                super().__setattr__(name, value)

    @t.validate("unit")
    def _check_unit(self, proposal: Any) -> int:
        units = len(self.sample.activations(self.layer))
        if not 0 <= proposal["value"] < units:
            raise ValueError(f"unit must be 0…{units - 1} in layer {self.layer!r}, got {proposal['value']}")
        return int(proposal["value"])

    @t.validate("position")
    def _check_position(self, proposal: Any) -> tuple[int, int] | None:
        if proposal["value"] is None:
            return None
        height, width = self.activations.values.shape[1:]
        try:
            row, column = (int(number) for number in proposal["value"])
        except (TypeError, ValueError):
            raise TypeError(f"position must be (row, column) or None, got {proposal['value']!r}") from None
        if not (0 <= row < height and 0 <= column < width):
            raise ValueError(f"position must be inside the {height} × {width} map, got ({row}, {column})")
        return row, column

    @t.validate("grid")
    def _check_grid(self, proposal: Any) -> Grid:
        grid: Grid = proposal["value"]
        if grid is not None and grid != "strip":
            try:
                rows, columns = (int(number) for number in grid)
            except (TypeError, ValueError):
                raise TypeError(f'grid must be (rows, columns), "strip" or None, got {grid!r}') from None
            if rows < 1 or columns < 1:
                raise ValueError(f"grid must have at least one row and column, got {rows} × {columns}")
            grid = rows, columns
        if grid is not None and self.sample.activations(self.layer).tokens is None:
            raise ValueError(f"grid is for layers of tokens; {self.layer!r} has none")
        self.sample.activations(self.layer, grid)  # raises where it does not fit
        return grid

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and not hasattr(type(self), name):
            known = ", ".join(("target", "layer", "unit", "position", "grid", "scale"))
            raise AttributeError(f"a selection has {known}, not {name!r}{nearest(name, known.split(', '))}")
        if name == "unit" and (isinstance(value, bool) or not isinstance(value, (int, np.integer))):
            raise TypeError(f"unit must be a whole number, got {value!r}")
        if name == "target":
            value = self.sample.top_class() if value is None else resolve_target(value, self.sample.names)
        if name != "layer":
            super().__setattr__(name, value)
            return
        # A unit of the old layer is not valid in the new one: both change at once.
        layer = self.sample.recording.resolve(value)
        with self.hold_trait_notifications():
            if self.grid is not None and self.sample.activations(layer).tokens != self.activations.tokens:
                self.grid = None
            super().__setattr__("layer", layer)
            self.position = None
            self.unit = self.sample.default_unit(layer)

    def __repr__(self) -> str:
        return (
            f"Selection(image={self.image!r}, target={self.target} ({self.label}), layer={self.layer!r}, "
            f"unit={self.unit}, position={self.position}, scale={self.scale!r})"
        )
