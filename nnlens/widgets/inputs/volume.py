"""A volume in three slices through one point, with a box that is hidden there and the map of hiding it everywhere."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any

import numpy as np
import traitlets as t
from typing_extensions import NotRequired, TypedDict

from nnlens.inputs.varied import Around, whole_model
from nnlens.kernels import VolumeOcclusion, volume_occlusion_steps
from nnlens.kernels.occlusion.volume import scores_without_box
from nnlens.recording import version_of
from nnlens.render import payloads, scores_with_top_payload
from nnlens.session.sample import Sample
from nnlens.session.varying.changes import other_slices
from nnlens.utils.language import _
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import counter, payload, synced

_MOST = 2**21  # voxels that are sent, each a byte
Place = tuple[int, int, int]  # depth, row, column


class VolumePayload(TypedDict):
    """A volume in 8 bits: the mean over its channels, from its least to its largest value."""

    shape: Place  # in voxels
    step: int  # each byte stands for a cube of so many voxels
    stored: Place
    data: bytes  # uint8, depth × height × width, every `step`-th voxel
    range: tuple[float, float]
    can_map: bool


class HiddenBox(payloads.ScoresWithTop):
    """The scores with a box of the volume hidden."""

    first: Place  # its corner
    size: int


class VolumeMap(TypedDict):
    """What hiding a box at each position does to the target's probability."""

    target: int
    size: Place
    fronts: list[int]
    tops: list[int]
    lefts: list[int]
    change: bytes  # float32, fronts × tops × lefts
    total: int  # fronts in all
    running: bool
    words: NotRequired[str]


class VolumeTraits(t.HasTraits):
    """The traits of `VolumePart`."""

    volume = payload(VolumePayload, "the volume, of which slices are shown")
    crosshair = synced(
        t.List(t.Int(), default_value=None, allow_none=True, help="depth, row and column of the point shown"),
        Place | None,
        state="volume",
    )
    box_size = synced(t.Int(0, help="the side of the box that is hidden around the point, in voxels"), state="volume")
    hidden_box = payload(HiddenBox, "the scores with the box around the point hidden")
    volume_map = payload(VolumeMap, "the target's change with the box hidden at each position, as far as it is known")
    volume_run = counter("a request to hide the box at all positions")

    @t.validate("crosshair")
    def _check_crosshair(self, proposal: Any) -> Any:
        value, volume = proposal["value"], self.volume
        if volume is None or value is None:
            return value
        shape = volume["shape"]
        if len(value) != 3 or not all(0 <= at < side for at, side in zip(value, shape, strict=True)):
            sizes = " × ".join(map(str, shape))
            raise ValueError(f"crosshair must be depth, row and column inside of {sizes} voxels, got {list(value)}")
        return value

    @t.validate("box_size")
    def _check_box_size(self, proposal: Any) -> Any:
        value, volume = proposal["value"], self.volume
        if volume is not None and value and not 1 <= value <= min(volume["shape"]):
            raise ValueError(f"box_size must be 1…{min(volume['shape'])} voxels, got {value}")
        return value


class VolumePart(Part):
    """Three slices, the box at the point, and on request the box everywhere."""

    traits: VolumeTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        self._volume: Any = None  # the tensor of which the payload was made, and how many there were before
        self._count = 0
        self._leads = False  # whether the slices change because the point has moved

    def start(self) -> None:
        self.observe(["crosshair", "box_size"], self._look)
        self.observe("crosshair", self._slice)
        self.observe("volume_run", self._run)
        self.observe("cancel", self._stop)
        self._look()

    def updates(self) -> dict[str, Any]:
        sample = self.sample
        around = sample.input.around
        if around is None or around.as_image.kind != "volume":
            return {"volume": None, "crosshair": None} if self.view.is_outdated("volume", None) else {}
        made: dict[str, Any] = {}
        # Other slices of the same volume change nothing here.
        if around.value is not self._volume:
            self._volume, self._count = around.value, self._count + 1
        if self.view.is_outdated("volume", (self._count, sample.version)):
            payload = self._payload(sample)
            before = None if self.traits.volume is None else self.traits.volume["shape"]
            made = {"volume": payload, "volume_map": None}
            if before != payload["shape"]:
                # The point first: it is checked against the volume that is shown.
                usual = {"crosshair": _middle(payload["shape"]), "box_size": _usual_size(payload["shape"])}
                made = {"volume": None, **usual, **made}
        if self.view.is_outdated("hidden_box", (self._count, sample.version, tuple(self.view.shown_classes()))):
            made["hidden_box"] = None
        layout = around.as_image
        if self.view.is_outdated("slices of the volume", layout) and not self._leads:
            point, place = list(made.get("crosshair") or self._point), "dhw".index(layout.along)
            if not layout.first <= point[place] < layout.first + layout.count:
                point[place] = layout.first + layout.count // 2
                made["crosshair"] = point
        return made

    def followed(self, change: Any) -> None:
        if self.traits.volume is not None and self.traits.hidden_box is None:
            self._look()

    @property
    def _point(self) -> list[int]:
        """The point that is shown: the middle where none is chosen."""
        assert self.traits.volume is not None
        chosen: list[int] | None = self.traits.crosshair
        return _middle(self.traits.volume["shape"]) if chosen is None else chosen

    @property
    def _size(self) -> int:
        """The side of the box, as it was chosen, or the usual one."""
        assert self.traits.volume is not None
        return self.traits.box_size or _usual_size(self.traits.volume["shape"])

    def _payload(self, sample: Sample) -> VolumePayload:
        values = _volume(sample)
        shape = values.shape
        step = 1
        while np.prod([-(-side // step) for side in shape]) > _MOST:
            step += 1
        stored = values[::step, ::step, ::step]
        low, high = float(stored.min()), float(stored.max())
        codes = ((stored - low) / (high - low if high > low else 1.0) * 255).round().astype(np.uint8)
        around = sample.input.around
        assert around is not None
        return {
            "shape": _three(shape),
            "step": step,
            "stored": _three(stored.shape),
            "data": codes.tobytes(),
            "range": (low, high),
            "can_map": around.as_image.axes == "ncdhw" and len(around.names) == 1 and sample.meaning is not None,
        }

    # The slices of the other panes follow the point.

    def _slice(self, change: Any) -> None:
        around = self.sample.input.around
        if around is None or self.traits.volume is None or self.view.is_static:
            return
        if self._first_around(around, self._point) is None:
            return

        def steps() -> Generator[None, None, None]:
            yield
            value = self.sample.input
            # The user moves on meanwhile.
            first = None if value.around is None else self._first_around(value.around, self._point)
            if first is None:
                return
            self._leads = True
            try:
                self.selection.show(self.session.samples.of(other_slices(self.session.setup, value, first=first)))
            finally:
                self._leads = False

        self.view.submit("image", lambda: self.view.reported(_("other slices"), steps()))

    def _first_around(self, around: Around, point: list[int]) -> int | None:
        """The first of the slices around a point; None where they are shown already."""
        layout = around.as_image
        if layout.along not in ("d", "h", "w"):
            return None
        at = point["dhw".index(layout.along)]
        if layout.first <= at < layout.first + layout.count:
            return None
        return max(0, min(at - layout.count // 2, layout.slices(tuple(around.value.shape)) - layout.count))

    # The box at the point.

    def _look(self, change: Any = None) -> None:
        if self.traits.volume is not None and self.sample.meaning is not None and not self.view.is_static:
            self.view.submit("live", self._look_behind_box)

    def _look_behind_box(self) -> Generator[None, None, None]:
        sample, traits = self.sample, self.traits
        try:
            if traits.volume is None or sample.meaning is None or self.view.update():
                return
            size = self._size
            first = _corner(self._point, size, traits.volume["shape"])
            assert sample.input.around is not None
            made = scores_without_box(whole_model(sample.model), sample.input.around, first, size, sample.scored())
            shown = scores_with_top_payload(sample.scored(), made[None], self.view.shown_classes())
            traits.hidden_box = {"first": first, "size": size, **shown}
        except Exception as error:
            self.view.show_error(error)
        yield

    # The box everywhere.

    def _stop(self, change: Any = None) -> None:
        if self.traits.volume_map is not None and self.traits.volume_map["running"]:
            self.view.cancel_job("data", self._stopped)

    def _stopped(self) -> None:
        if self.traits.volume_map is not None:
            self.traits.volume_map = {**self.traits.volume_map, "running": False}

    def _run(self, change: Any = None) -> None:
        self.view.submit("data", lambda: self.view.reported(_("hiding a box everywhere"), self._map()))

    def _map(self) -> Generator[None, None, None]:
        yield
        for found in self._steps():
            self._tell(found, running=not found.complete)
            yield

    def _steps(self) -> Iterator[VolumeOcclusion]:
        sample, size = self.sample, self._size
        around = sample.input.around
        if around is None or self.traits.volume is None or not self.traits.volume["can_map"]:
            raise ValueError(_("this needs a model whose only input is a volume (1, channels, depth, height, width)"))
        if sample.version != version_of(self.session.model):
            raise ValueError("the model has changed since this image was recorded: open it again")
        return volume_occlusion_steps(
            self.session.model,
            around.value,
            target=self.selection.target,
            size=size,
            fill=around.value.float().mean((0, 2, 3, 4)).to(around.value),
            output=sample.scored(),
        )

    def _tell(self, found: VolumeOcclusion, *, running: bool) -> None:
        first = found.maps[0]
        made: VolumeMap = {
            "target": self.selection.target,
            "size": found.size,
            "fronts": [int(front) for front in found.fronts],
            "tops": [int(top) for top in first.tops],
            "lefts": [int(left) for left in first.lefts],
            "change": np.nan_to_num(found.change(self.selection.target)).astype(np.float32).tobytes(),
            "total": found.total,
            "running": running,
            "words": found.how,
        }
        self.traits.volume_map = made

    def describe(self) -> str:
        if self.traits.volume is None or self.traits.hidden_box is None:
            return ""
        first, size = self.traits.hidden_box["first"], self.traits.hidden_box["size"]
        return _("A box of {size} voxels is hidden at {place}.", size=size, place=tuple(first))


def _volume(sample: Sample) -> np.ndarray:
    """The mean over the channels (depth, height, width)."""
    around = sample.input.around
    assert around is not None
    axes = around.as_image.axes
    order = [axes.index(letter) for letter in "dhw"]
    rest = [place for place in range(len(axes)) if place not in order]
    value = around.value.float().permute(*rest, *order)
    mean: np.ndarray = value.reshape(-1, *value.shape[-3:]).mean(0).cpu().numpy()
    return mean


def _middle(shape: Place) -> list[int]:
    return [side // 2 for side in shape]


def _usual_size(shape: Place) -> int:
    return max(1, min(shape) // 4)


def _corner(point: Any, size: int, shape: Place) -> Place:
    """Where a box around a point begins, all of it inside."""
    return _three([max(0, min(at - size // 2, side - size)) for at, side in zip(point, shape, strict=True)])


def _three(values: Any) -> Place:
    first, second, third = (int(value) for value in values)
    return first, second, third
