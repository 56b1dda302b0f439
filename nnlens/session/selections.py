"""The selections of a session: one for each of the latest images, shared by the views of that image."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .sample import Sample
from .samples import KEPT, Samples
from .selection import Selection
from .targets import class_and_position


class Selections:
    """Finds or makes the selection that a new view follows."""

    def __init__(self, samples: Samples):
        self._samples = samples
        self._shared: list[Selection] = []
        self._latest: Selection | None = None

    def __iter__(self) -> Iterator[Selection]:
        return iter(self._shared)

    @property
    def latest(self) -> Selection:
        """What the views of the latest image show."""
        if self._latest is None:
            raise ValueError("there is no selection yet: open a view first, for example lens.explore(image)")
        return self._latest

    @property
    def is_empty(self) -> bool:
        """Whether no view has been opened yet."""
        return self._latest is None

    def shared(self, image: Any, *, scores: bool = True, **choices: Any) -> Selection:
        """The selection that the views of `image` share; None stands for the latest image.

        Without `scores` it may be one of a model whose scores cannot be read.
        """
        sample = self._sample(image, scores, choices)
        if image is None:
            now = self.latest.sample
            if sample.input is now.input and sample.meaning == now.meaning:
                self.latest.show(sample)
        known = next((selection for selection in self._shared if selection.sample is sample), None)
        if known is None:
            return self._remember(Selection(sample, **choices))
        for name, value in choices.items():
            if value is not None:
                setattr(known, name, value)
        return self._remember(known)

    def separate(self, image: Any, *, scores: bool = True, **choices: Any) -> Selection:
        """A selection for one view alone; see `shared`."""
        return Selection(self._sample(image, scores, choices), **choices)

    def _sample(self, image: Any, scores: bool, choices: dict[str, Any]) -> Sample:
        """The image's sample, at the place that the target among `choices` names; the target is then a class."""
        choices["target"], position = class_and_position(choices.get("target"))
        if image is not None:
            return self._samples.of(image, position=position, scores=scores)
        sample = self._samples.current(self.latest.sample, full=True)
        return sample if position is None else self._samples.of(sample.input, position=position, scores=scores)

    def blank(self) -> Selection:
        """A selection of no image, for views of the weights alone."""
        return Selection(self._samples.blank())

    @contextmanager
    def unchanged_on_error(self) -> Iterator[None]:
        """Where the block raises, the open views show what they showed before."""
        latest, shared = self._latest, list(self._shared)
        before = [(selection, dict(selection.trait_values())) for selection in shared]
        try:
            yield
        except BaseException:
            self._latest, self._shared = latest, shared
            for selection, values in before:
                selection.put_back(values)
            raise

    def _remember(self, selection: Selection) -> Selection:
        self._latest = selection
        others = [other for other in self._shared if other is not selection]
        self._shared = [*others, selection][-KEPT:]
        return selection
