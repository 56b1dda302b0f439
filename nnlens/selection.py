"""What is looked at: one selection drives every view of an image, in whichever cell it stands."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
import traitlets as t

from .inputs import Input
from .kept import Kept
from .kernels import (
    Activations,
    Attribution,
    Evidence,
    Grid,
    Occlusion,
    ScoreMeaning,
    activations,
    token_grids,
    way_to_scores,
)
from .kernels.scores import Place, pick_output, plain_index
from .names import nearest
from .recording import Recording

SCALES = ("unit", "layer", "locked")


@dataclass(frozen=True, eq=False)
class Sample:
    """One image with its recorded pass: what the views of it share, and what was computed of it so far.

    Without scores that can be read (`meaning` is None, and `problem` says why) the layers can still be looked at.
    """

    input: Input
    recording: Recording
    logits: np.ndarray  # the scores as they are read, before a softmax or sigmoid
    probabilities: np.ndarray
    names: tuple[str, ...]
    meaning: ScoreMeaning | None
    version: int  # of the model
    asked: tuple[Any, ...] = ()  # task and logits, as they were given
    problem: str = ""
    occlusions: dict[tuple[Any, ...], Occlusion] = field(default_factory=dict, repr=False)
    growing: dict[tuple[Any, ...], Iterator[Any]] = field(default_factory=dict, repr=False)
    attributions: dict[tuple[Any, ...], Attribution] = field(default_factory=dict, repr=False)
    evidence: dict[tuple[Any, ...], Evidence] = field(default_factory=dict, repr=False)
    superpixels: dict[tuple[str, int], np.ndarray] = field(default_factory=dict, repr=False)
    superpixel_notes: dict[tuple[str, int], str] = field(default_factory=dict, repr=False)
    _kept: Kept = field(default_factory=Kept, repr=False)

    def __repr__(self) -> str:
        words = "" if not self.names else f": {self.names[self.top_class()]} {self.words_of(self.top_class())}"
        return f"Sample({self.input.name!r}{words})"

    def class_of(self, layer: str, unit: int) -> str:
        """The class that a unit stands for, where the layer's units are the classes' scores; else ""."""
        named = self.once("class layers", make=self._class_layers)
        return self.names[unit] if layer in named and unit < len(self.names) else ""

    def _class_layers(self) -> set[str]:
        """The operations at the end of the pass that hold a number for each class."""
        pick = None if self.meaning is None else self.meaning.output
        try:
            operation = self.recording.maker_of(pick_output(self.recording.output, pick))
        except (TypeError, ValueError):
            return set()
        found = set()
        while operation is not None and operation.shape[1:2] == (len(self.names),):
            found.add(operation.name)
            inputs = [name for name in operation.inputs if name in self.recording]
            ends = operation.kind not in ("reshape", "activation") or len(inputs) != 1
            operation = None if ends else self.recording.operation(inputs[0])
        return found

    def once(self, *key: Any, make: Callable[[], Any], most: int = 8) -> Any:
        """What `make` gives of this image, made once and kept for a while; see `Kept`."""
        return self._kept.once(*key, make=make, most=most)

    def activations(self, layer: str, grid: Grid = None) -> Activations:
        """The maps of `layer`; `grid` is how tokens are shown, see `kernels.activations`."""
        name = self.recording.resolve(layer)
        make = partial(activations, self.recording, name, grid=grid)
        found: Activations = self.once("activations", name, grid, make=make)
        return found

    def top(self, count: int = 5) -> list[int]:
        """The `count` classes of the highest score, best first."""
        return [int(index) for index in np.argsort(-self.logits, kind="stable")[:count]]

    def top_class(self) -> int:
        """The class of the highest score; 0 where there are no scores."""
        return self.top(1)[0] if len(self.logits) else 0

    def odds(self) -> np.ndarray:
        """The scores as logits (classes,); quantities as they are."""
        if self.meaning is None:
            return self.logits
        found: np.ndarray = self.meaning.log_odds(torch.from_numpy(self.logits)).numpy()
        return found

    def words_of(self, target: int) -> str:
        """A class's probability, or the value with its unit, in words: "0.83", "58.2 years"."""
        value = float(self.probabilities[target])
        if self.meaning is None or self.meaning.noun == "probability":
            return f"{value:.2f}"
        return f"{value:.4g} {self.meaning.unit}".rstrip()

    def scored(self) -> ScoreMeaning:
        """What the scores mean; ValueError with the reason where they cannot be read."""
        if self.meaning is None:
            raise ValueError(self.problem)
        return self.meaning

    def default_layer(self) -> str:
        """A layer worth a first look: the last activation function whose units still show places of the image.

        On the way from the input to the scores, where such a layer is.
        """
        x = self.input.x
        height, tokens = x.shape[2] if x.ndim == 4 else 1, token_grids(self.recording)
        shown = [op for op in self.recording if op.kind not in ("reshape", "attention", "gate", "state", "dropout")]
        way = set() if self.meaning is None else way_to_scores(self.recording, self.meaning)
        shown = [op for op in shown if op.name in way] or shown
        maps = [op for op in shown if len(op.shape) == 4 and min(op.shape[2:]) > 1 and op.shape[2] * 8 >= height]
        maps += [op for op in shown if len(op.shape) == 3 and op.shape[1] in tokens]
        if not maps:
            maps = [op for op in shown if len(op.shape) == 4 and min(op.shape[2:]) > 1] or shown or [*self.recording]
        chosen = [op for op in maps if op.kind == "activation"] or maps
        if not chosen:
            raise ValueError("the model ran no operation that nnlens can show")
        return chosen[-1].name

    def default_unit(self, layer: str) -> int:
        """The unit of `layer` whose map has the most contrast; the highest one where units are single numbers."""
        maps = np.nan_to_num(self.activations(layer).values)
        return int((maps.std((1, 2)) if maps[0].size > 1 else maps[:, 0, 0]).argmax())


class Selection(t.HasTraits):
    """The image, target, layer, unit and position that all views of one image share.

    Set any of them from Python, and every view follows; click in a view, and they change here.
    """

    target = t.Int(help="the class that is explained; set an index, a label, or None for the top one")
    layer = t.Unicode(help="an operation of the pass: its name, or a module's path when set")
    unit = t.Int(help="a unit (channel) of the layer")
    position = t.Any(None, allow_none=True, help="(row, column) on the unit's map, or None")
    grid = t.Any(None, allow_none=True, help='how tokens are shown: (rows, columns), "strip", or None for the guess')
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
        return self.sample.input.name

    @property
    def activations(self) -> Activations:
        """The layer's maps as they are shown."""
        return self.sample.activations(self.layer, self.grid)

    @property
    def label(self) -> str:
        """The target's name."""
        return self.sample.names[self.target] if self.sample.names else ""

    def show(self, sample: Sample) -> None:
        """Look at another image: the layer and the unit stay where it has them, the target is its top class.

        The same image, looked at again after the model has changed, keeps its target too.
        """
        same = sample.input is self.sample.input and len(sample.names) == len(self.sample.names)
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
        """Set all of these at once to what they were."""
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
        # A unit of the old layer means nothing in the new one: all change at once, or nobody could follow.
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


def resolve_target(target: Any, names: tuple[str, ...]) -> int:
    """A class index from an index or a label.

    The index may be a NumPy integer or a tensor of one number; a label may be in any case, with spaces or underscores.
    """
    target = plain_index(target)
    if isinstance(target, str):
        if names.count(target) == 1:
            return names.index(target)
        plain = [name.lower().replace("_", " ") for name in names]
        wanted = target.lower().replace("_", " ")
        if wanted in plain:
            return plain.index(wanted)
        near = [names[plain.index(match)] for match in difflib.get_close_matches(wanted, plain, n=3, cutoff=0.5)]
        near = near or [name for name, flat in zip(names, plain, strict=True) if wanted and wanted in flat][:3]
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(f"target must be one of the {len(names)} labels, got {target!r}{hint}")
    if isinstance(target, bool) or not isinstance(target, (int, np.integer)):
        raise TypeError(f"target must be a class index or a label, got {type(target).__name__}")
    if not names:
        return 0
    if not 0 <= target < len(names):
        raise ValueError(f"target must be 0…{len(names) - 1}, got {target}")
    return int(target)


def class_and_place(target: Any) -> tuple[Any, Place]:
    """A target that may be (class, row, column) or (class, region), as a class and a place."""
    if isinstance(target, tuple) and len(target) == 2 and getattr(target[1], "ndim", 0) >= 1:
        region = target[1].cpu().numpy() if isinstance(target[1], torch.Tensor) else np.asarray(target[1])
        if not np.isin(region, (0, 1)).all():
            raise ValueError("target's region must hold 0 and 1, or False and True, got other numbers")
        if not region.any():
            raise ValueError("target's region must hold at least one place, got none")
        return target[0], region.astype(bool)
    if isinstance(target, tuple) and len(target) > 1:
        place = tuple(map(plain_index, target[1:]))
        if any(isinstance(one, bool) or not isinstance(one, int) for one in place):
            raise TypeError(
                f"target must be a class, (class, row, column) or (class, region as an array), got {target!r}"
            )
        return target[0], place
    return target, None
