"""The rows of the grid: the selection's image and class first, then other images or other classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import traitlets as t

from nnlens.session.sample import Sample
from nnlens.session.targets import resolve_target
from nnlens.widgets.base.part import Part

from .result import Row
from .traits import AttributionTraits


class RowsPart(Part):
    """Knows which image and which class each row explains."""

    traits: AttributionTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        self._images = list(self.traits.further_images)
        targets = self.traits.targets
        self._same_target = targets[0] is not None  # the same class in every image
        try:
            self.traits.other_targets = [resolve_target(target, self.sample.names) for target in targets[1:]]
        except t.TraitError as error:
            raise ValueError(str(error)) from None

    def rows(self) -> list[Row]:
        """All rows, as the model is now."""
        first = Row(self.sample, self.selection.target)
        if self._images:
            # The weights may have changed since.
            self._images = [self.session.samples.current(sample) for sample in self._images]
            targets = [first.target if self._same_target else sample.top_class() for sample in self._images]
            return [first, *map(Row, self._images, targets)]
        return [first, *(Row(first.sample, target) for target in self.traits.other_targets if target != first.target)]

    def row(self, number: int) -> tuple[Sample, int]:
        """The image and the class of a row."""
        row = self.rows()[number]
        return row.sample, row.target
