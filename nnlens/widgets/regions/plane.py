"""The plane and its linear pieces."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import numpy as np
import torch
import traitlets as t
from torch import Tensor, nn

from nnlens.inputs.labels import short
from nnlens.kernels.functions import (
    NotPiecewiseLinearError,
    Regions,
    TooManyRegionsError,
    near_box,
    plane_scores,
    regions,
)
from nnlens.recording import borrow
from nnlens.render import Panel
from nnlens.render.functions import (
    payloads,
    points_payload,
    regions_image,
    regions_payload,
    samples_image,
    samples_payload,
)
from nnlens.scores.meaning import pick_output
from nnlens.utils.language import _
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import counter, payload, synced

_MOST = 4000  # pieces that are drawn
_MOST_OF_IMAGES = 1000  # of large networks each piece takes longer
_SIDE = 64  # of the grid of points where there are more
_GRID = f"{_SIDE} × {_SIDE}"
_LINES = 12  # that cross a box whose pieces can be drawn
_HALVINGS = 6  # of a box that has too many all the same
_PICTURE = 160  # pixels
_MOST_NAMES = 5000  # of classes


class PlaneTraits(t.HasTraits):
    """The traits of `PlanePart`."""

    regions = payload(payloads.RegionsPayload, "the linear pieces in the box; null where there are too many")
    plane_samples = payload(
        payloads.SamplesPayload, "the class at the points of a grid, where there are too many pieces"
    )
    points = payload(payloads.PointsPayload, "the points of the data set, or the images that span the plane")
    box = synced(
        t.List(help="the part of the plane that is shown: [[left, right], [bottom, top]]"),
        list[list[float]],
        state=True,
        always=True,
    )
    fill_by = synced(t.Enum(("class", "slope", "layer"), "class", help="what colours the pieces"), state=True)
    here = synced(
        t.List(t.Float(), default_value=[0.0, 0.0], help="the point that is read, [u, v]"), list[float], state=True
    )
    plane_note = synced(t.Unicode("", help="what to know about the box"))
    closer = counter("a request to enlarge the part around `here` until its pieces can be drawn")


class PlanePart(Part):
    """The pieces of the lens's model, or of a copy that is being trained."""

    traits: PlaneTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        self.model: nn.Module = self.session.model
        self.places = np.zeros((0, 2))
        self.classes = np.zeros(0, int)
        self._found: Regions | None = None
        self._why = ""  # there are no pieces
        images = options.get("images")
        if images is not None:
            self._through_images(images)
        else:
            self._of_two_inputs(options.get("points"), options.get("labels"))
        if options.get("fill_by") is not None:
            self.traits.fill_by = options["fill_by"]
        box = options.get("box")
        self.traits.box = self._default_box() if box is None else checked_box(box)
        self.traits.here = [float(item) for item in self.places.mean(0)] if len(self.places) else [0.0, 0.0]
        for _step in self.compute():
            pass

    def new_image(self) -> dict[str, Any]:
        names = self.session.setup.labels or ()
        if len(names) > _MOST_NAMES:
            return {}
        known = names if isinstance(names, dict) else dict(enumerate(names))
        count = max(known, default=-1) + 1
        return {} if count > _MOST_NAMES else {"labels": [short(str(known.get(at, ""))) for at in range(count)]}

    def start(self) -> None:
        if not self.traits.box:  # a state without one
            self.traits.box = self._shown
        if self.traits.box != self._shown:  # the option `state` has set another
            checked_box(self.traits.box)
            for _step in self.compute():
                pass
        self.observe("box", self._again)
        self.observe("closer", self._enlarge)

    def _of_two_inputs(self, points: Any, labels: Any) -> None:
        self._most = _MOST
        self.origin = torch.zeros(1, 2)
        self.ways = (torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
        axes = ("x1", "x2")
        if points is not None:
            self.places, self.classes = checked_points(points, labels)
        elif labels is not None:
            raise TypeError("labels are of points: give points too")
        self.traits.points = points_payload(self.places, self.classes, [], axes, [])

    def _through_images(self, images: Any) -> None:
        if not isinstance(images, (list, tuple)) or len(images) != 3:
            got = f"{len(images)} of them" if isinstance(images, (list, tuple)) else type(images).__name__
            raise ValueError(f"images must be three images, got {got}")
        samples = [self.session.samples.of(image, scores=True) for image in images]
        first, second, third = (sample.input.x for sample in samples)
        if not first.shape == second.shape == third.shape:
            raise ValueError("images must become inputs of one shape")
        self.model = samples[0].model  # which takes the inputs as they were laid out
        self._most = _MOST_OF_IMAGES
        self.origin, self.ways = first, (second - first, third - first)
        self.places = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        self.classes = np.array([sample.top_class() if sample.names else -1 for sample in samples])
        names = [f"{place + 1}: {sample.input.name}" for place, sample in enumerate(samples)]
        axes = (_("from image 1 to image 2"), _("from image 1 to image 3"))
        pictures = [sample.input.shown.convert("RGB") for sample in samples]
        for picture in pictures:
            picture.thumbnail((_PICTURE, _PICTURE))
        self.traits.points = points_payload(self.places, self.classes, names, axes, pictures)

    def _default_box(self) -> list[list[float]]:
        """A box around the points."""
        if not len(self.places):
            return [[-2.0, 2.0], [-2.0, 2.0]]
        low, high = self.places.min(0), self.places.max(0)
        half = 0.6 * max(float((high - low).max()), 1e-6)
        return [[float(middle - half), float(middle + half)] for middle in (low + high) / 2]

    def result(self) -> Regions:
        """The pieces in the box."""
        if self._found is None:
            raise ValueError(f"there are no pieces to give: {self._why}")
        return self._found

    def count(self) -> int:
        """How many pieces the box has; 0 where they were not found."""
        return 0 if self._found is None else len(self._found)

    def compute(self) -> Generator[None, None, None]:
        """Find the pieces; the class at points of a grid where that cannot be done."""
        (left, right), (bottom, top) = self.traits.box
        box = ((left, right), (bottom, top))
        plane, pick = self._plane(), self.session.setup.pick
        self._check(plane[0])
        samples, self._found, self._why = None, None, ""
        try:
            self._found = regions(self.model, *plane, box=box, output=pick, most=self._most)
        except TooManyRegionsError:
            self._why = _(
                "more than {count} linear pieces: this is the class at {points} points; enlarge to see the pieces",
                count=self._most,
                points=_GRID,
            )
        except NotPiecewiseLinearError as error:
            self._why = _(
                "no linear pieces, for {why} is not piecewise linear: this is the class at {points} points",
                why=error.operations,
                points=_GRID,
            )
        if self._found is None:
            samples = yield from plane_scores(self.model, *plane, box=box, side=_SIDE, output=pick)
        with self.view.hold_sync():
            self.traits.plane_note = self._why
            self.traits.regions = None if self._found is None else regions_payload(self._found)
            self.traits.plane_samples = None if samples is None else samples_payload(samples, box)
        self._shown = [list(side) for side in box]

    def _plane(self) -> tuple[Tensor, Tensor, Tensor]:
        """A point of the plane and two directions, where the model is."""
        like = next(iter(self.model.parameters()), self.origin)
        return self.origin.to(like), self.ways[0].to(like), self.ways[1].to(like)

    def _check(self, x: Tensor) -> None:
        """Whether the model takes the points of the plane, and gives numbers."""
        try:
            with borrow(self.model), torch.no_grad():
                scores = pick_output(self.model(x), self.session.setup.pick)
        except Exception as error:
            if self.traits.points["names"]:
                raise
            raise ValueError(
                "the model must take batches (n, 2), or images must be given, lens.regions(images=[a, b, c]). "
                f"It raised {type(error).__name__}: {error}"
            ) from error
        if not bool(torch.isfinite(scores).all()):
            raise ValueError(
                "the model's outputs must be finite, but some are NaN or infinite: lens.summary() says where"
            )

    def inputs(self) -> Tensor:
        """The points of the data set as a batch, where the model is and in its precision."""
        like = next(iter(self.model.parameters()), self.origin)
        return torch.from_numpy(self.places).to(like)

    def _again(self, change: Any) -> None:
        def steps() -> Generator[None, None, None]:
            yield
            if change["new"] == self._shown:
                return
            try:
                checked_box(change["new"])
                yield from self.compute()
                self.view.error = None
            except Exception:
                self.traits.box = self._shown
                raise

        self.view.submit("hand", lambda: self.view.reported(_("finding linear pieces"), steps()))

    def _enlarge(self, change: Any) -> None:
        def steps() -> Generator[None, None, None]:
            yield
            u, v = self.traits.here
            plane, pick = self._plane(), self.session.setup.pick
            box = near_box(self.model, *plane, centre=(u, v), lines=_LINES, output=pick)
            half = (box[0][1] - box[0][0]) / 2
            for _halving in range(_HALVINGS):  # the lines were drawn out, but they bend
                try:
                    box = ((u - half, u + half), (v - half, v + half))
                    regions(self.model, *plane, box=box, output=pick, most=self._most)
                    break
                except TooManyRegionsError:
                    half /= 2
                    yield
            self.traits.box = [list(side) for side in box]
            yield from self.compute()

        self.view.submit("curve", lambda: self.view.reported(_("finding linear pieces"), steps()))

    def model_changed(self) -> None:
        for _step in self.compute():
            pass

    def describe(self) -> str:
        if self._found is None:
            return self._why
        words = {"class": _("by class"), "slope": _("by slope"), "layer": _("by layer")}[self.traits.fill_by]
        return f"{self._found.describe()}; {words}."

    def panels(self) -> list[Panel]:
        if self._found is None:
            assert self.traits.plane_samples is not None
            return [Panel(title=self._why, image=samples_image(self.traits.plane_samples))]
        return [Panel(title=self._found.describe(), image=regions_image(self._found))]


def checked_box(box: Any) -> list[list[float]]:
    """A box as two pairs of numbers, or a clear error."""
    try:
        made = [[float(low), float(high)] for low, high in box]
    except (TypeError, ValueError):
        made = []
    if len(made) != 2 or not all(np.isfinite(side).all() and side[0] < side[1] for side in made):
        raise ValueError(f"box must be ((left, right), (bottom, top)), got {box!r}")
    return made


def checked_points(points: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 2) and their classes (n,), or a clear error."""
    if isinstance(points, tuple) and len(points) == 2 and labels is None:
        points, labels = points
    try:
        places = np.asarray(points.detach().cpu() if isinstance(points, Tensor) else points, float)
    except (TypeError, ValueError):
        raise ValueError(
            f"points must be finite numbers (n, 2), as zoo.points gives them, got {type(points).__name__}"
        ) from None
    if places.ndim != 2 or places.shape[1] != 2 or not len(places) or not np.isfinite(places).all():
        raise ValueError(f"points must be finite numbers (n, 2), got {places.shape}")
    if labels is None:
        return places, np.full(len(places), -1)
    classes = np.asarray(labels.detach().cpu() if isinstance(labels, Tensor) else labels)
    if classes.dtype.kind not in "iufb":
        raise ValueError(
            f"labels must be a class 0, 1, … for each point, got {classes.dtype} such as {classes.flat[0]!r}"
        )
    if classes.shape != (len(places),) or (classes != classes.astype(int)).any() or classes.min() < 0:
        raise ValueError(f"labels must be a class 0, 1, … for each of the {len(places)} points, got {classes.shape}")
    return places, classes.astype(int)
