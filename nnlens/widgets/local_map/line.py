"""The straight line to another image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping
from typing import Any

import numpy as np
import traitlets as t
from torch import Tensor

from nnlens.inputs import Input
from nnlens.kernels.functions import (
    Line,
    NotPiecewiseLinearError,
    TooManyRegionsError,
    line_pieces,
    line_samples,
)
from nnlens.render.functions import payloads
from nnlens.render.functions.local_map import line_payload
from nnlens.session.sample import Sample
from nnlens.utils.language import _
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import payload, synced

_MOST = 200  # pieces that are found one by one
_POINTS = 33
_CLASSES = 8


class LineTraits(t.HasTraits):
    """The traits of `LinePart`."""

    line = payload(payloads.LinePayload, "the scores along the line to another image; null while it is computed")
    along = synced(t.Float(0.5, min=0, max=1, help="the place on the line that is read"), state=True)


class LinePart(Part):
    """From the image to another one, or to plain grey."""

    traits: LineTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        self._other: Input | None = None
        other = options.get("other")
        if other is not None:
            self._other = self.session.samples.of(other).input
            self._check(self.sample.input)

    def start(self) -> None:
        self.followed(None)

    def new_image(self) -> dict[str, Any]:
        return {"line": None}

    def _check(self, argument: Input) -> None:
        if self._other is not None and self._other.x.shape != argument.x.shape:
            raise ValueError(
                f"other must become an input of the same shape as the image, {tuple(argument.x.shape)}, got "
                f"{tuple(self._other.x.shape)}"
            )

    def followed(self, change: Any) -> None:
        if self.view.is_outdated("line", self.sample):
            self.traits.line = None
            sample = self.sample
            self.view.submit("curve", lambda: self.view.reported(_("the line to another image"), self._steps(sample)))

    def _end(self, sample: Sample) -> Tensor:
        x = sample.input.x
        return sample.input.grey.to(x).expand_as(x) if self._other is None else self._other.x.to(x)

    def _steps(self, sample: Sample) -> Generator[None, None, None]:
        yield
        self._check(sample.input)
        found = self._line(sample)
        yield
        self.traits.line = line_payload(found, self._classes(found), self._other)

    def _classes(self, line: Line) -> list[int]:
        """Those that win on the line, both ends first and then those that win longest, and those of the bars."""
        if line.outputs.shape[1] == 1:  # of the two labels of one score, see `line_payload`
            return [0, 1]
        best = line.outputs.argmax(1).tolist()
        lengths: Counter[int] = Counter()
        for index, length in zip(best, np.diff(line.at, append=1.0), strict=True):
            lengths[index] += length
        winners = [index for index, _length in lengths.most_common()]
        shown = list(dict.fromkeys([best[0], best[-1], *winners, *self.view.shown_classes()]))[:_CLASSES]
        return sorted(shown, key=lambda index: -float(line.outputs[0, index]))

    def _line(self, sample: Sample) -> Line:
        """The pieces of the line where there are few; else the outputs at some points, and a lower bound."""
        model, pick, x, end = sample.model, self.session.setup.pick, sample.input.x, self._end(sample)

        def make() -> Line:
            try:
                return line_pieces(model, x, end, most=_MOST, output=pick)
            except (TooManyRegionsError, NotPiecewiseLinearError):
                return line_samples(model, x, end, points=_POINTS, output=pick)

        made: Line = sample.cache.once("line", self._other, make=make)
        return made

    def complete(self) -> None:
        for _step in self._steps(self.sample):
            pass

    def describe(self) -> str:
        return "" if self.traits.line is None else self.traits.line["about"]
