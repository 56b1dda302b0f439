"""The view of attributions side by side."""

from __future__ import annotations

from typing import Any, ClassVar

from PIL import Image

from nnlens.render import draw, stacked
from nnlens.session.session import Session
from nnlens.widgets.base.options import AttributionOptions
from nnlens.widgets.base.view import View
from nnlens.widgets.inputs.parts import INPUT_PARTS, InputRowTraits

from .grid import GridPart
from .job import JobPart
from .result import Attributions
from .rows import RowsPart
from .settings import SettingsPart
from .superpixels import SuperpixelsPart
from .traits import ROWS, AttributionTraits


class AttributionWidget(View, InputRowTraits, AttributionTraits):
    """Maps of several methods with the evidence that could refute them. `.result` has the numbers, `Attributions`."""

    module: ClassVar = "attribution"
    part_types: ClassVar = (
        *INPUT_PARTS,
        SettingsPart,
        RowsPart,
        SuperpixelsPart,
        GridPart,
        JobPart,
    )
    panes: ClassVar = ("inputs", "photo", "bars", "controls", "grid", "evidence", "superpixels", "code")
    controls: ClassVar = (*View.controls, "controls")
    option_type: ClassVar = AttributionOptions

    def __init__(self, session: Session, image: Any = None, **options: Any):
        images = list(image) if isinstance(image, (list, tuple)) else [image]
        if not images or len(images) > ROWS:
            raise ValueError(f"image must be one or up to {ROWS} images, got {len(images)}")
        targets = options.pop("target", None)
        if isinstance(targets, tuple) and images[0] is not None:
            # For a model that gives a map of scores, a class and a position in it; otherwise several classes.
            sample = session.samples.of(images[0])
            targets = targets if sample.scored().axes else list(targets)
        several = targets if isinstance(targets, list) else [targets]
        if not several or len(several) > ROWS:
            raise ValueError(f"target must be one or up to {ROWS} classes, got {len(several)}")
        if len(images) > 1 and len(several) > 1:
            raise ValueError("rows are either several images or several targets, got both")
        self.further_images = [session.samples.of(other) for other in images[1:]]
        self.targets = several
        super().__init__(session, images[0], target=several[0], **options)

    @property
    def result(self) -> Attributions:
        """All maps and their evidence; what is missing is computed, except for checks that have to be asked for."""
        return self.part(GridPart).result

    def stop(self) -> None:
        """Stop what is being computed; the results so far are kept, and changing `resume` continues."""
        self.part(JobPart).stop()

    def picture(self) -> Image.Image:
        """The photograph, and a strip of maps for each row."""
        panels = self.panels()
        across = len(self.part(GridPart).panel_methods)
        rows = [panels[start : start + across] for start in range(1, len(panels), across)]
        return stacked([draw([panels[0], *rows[0]] if rows else panels), *map(draw, rows[1:])])
