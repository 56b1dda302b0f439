"""The occlusion experiment of Zeiler & Fergus (2013, arXiv:1311.2901, section 4.2).

A patch covers one place of the input after another, and the class scores are recorded each time. The result is
one score per *position* of the occluder; `per_pixel` gives the other definition in use, captum's average
over the windows that cover a pixel. Only what the occluder can change is computed: see `incremental`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from nnlens.geometry.axes import as_maps
from nnlens.passes.batches import in_batches
from nnlens.passes.prepare import current_passes, meaning_for, prepare_passes
from nnlens.passes.prepared import Prepared
from nnlens.passes.trust import Level
from nnlens.recording import Recording, borrow, draw_alike, draws, record, version_of
from nnlens.scores.meaning import Output, ScoreMeaning, plain_index
from nnlens.utils.language import _

from .engine import Engine
from .laid_out import as_image
from .occluder import Fill, Occluder, Shape, occluder, pair
from .occlusion_map import Occlusion
from .positions import by_variation, levels, missing_of, places_of_check

STEP = 0.25  # the longest time of a step of whole passes, in seconds
_CHANGED = "the model has changed during the computation: start again"
Unit = tuple[str, int] | tuple[str, int, tuple[int, int]]


class _Noted:
    """A unit and its activation in recorded values, numbered as in the views."""

    def __init__(self, unit: Unit, recording: Recording):
        if not isinstance(unit, tuple) or len(unit) not in (2, 3):
            raise TypeError(f"unit must be (layer, channel) or (layer, channel, (row, column)), got {unit!r}")
        self.operation = recording.operation(unit[0])
        self.recording, self.layer, self.channel = recording, self.operation.name, unit[1]
        maps = as_maps(recording[self.layer], recording, self.operation)[0]
        if not 0 <= self.channel < len(maps):
            raise ValueError(f"unit must be 0…{len(maps) - 1} in layer {self.layer!r}, got {self.channel}")
        self.position: Any = unit[2] if len(unit) == 3 else ...
        if len(unit) == 3:
            (row, column), (rows, columns) = unit[2], maps.shape[1:]
            if not (0 <= row < rows and 0 <= column < columns):
                raise ValueError(f"unit's position must be inside its {rows} × {columns} map, got {self.position}")
        at = _(" at {position}", position=self.position) if len(unit) == 3 else _(", its largest")
        self.words = f"{self.layer} · {self.channel}{at}"
        self.clean = float(self.of(recording[self.layer])[0])

    def of(self, values: Tensor) -> np.ndarray:
        """The activation in each of a batch of values."""
        maps = (as_maps(value[None], self.recording, self.operation)[0][self.channel] for value in values)
        return np.array([np.max(map_[self.position]) for map_ in maps], np.float32)


class _Experiment:
    """One run of the experiment: what is known so far, and which positions come next."""

    def __init__(
        self,
        model: nn.Module,
        x: Tensor,
        *,
        window: Occluder,
        step: tuple[int, int],
        target: int | None,
        form: str,
        output: Output,
        batch_size: int | None,
        unit: Unit | None,
        known: Occlusion | None,
        prepared: Prepared | None,
    ):
        self.model, self.batch_size = model, batch_size
        image, (height, width) = (x.shape[2], x.shape[3]), window.size
        tops = np.arange(-(-(image[0] - height) // step[0]) + 1) * step[0]
        lefts = np.arange(-(-(image[1] - width) // step[1]) + 1) * step[1]
        self.version = version_of(model, full=True)
        self.prepared = current_passes(model, x, output, prepared)
        meaning = meaning_for(model, x, output, self.prepared)
        clean = _clean_scores(model, x, meaning, self.prepared)
        self.target = _target(target, clean)
        if known is None:
            logits = np.full((len(tops), len(lefts), clean.size), np.nan, np.float32)
            computed = np.zeros((len(tops), len(lefts)), bool)
            self.result = Occlusion(
                logits=logits,
                computed=computed,
                clean=clean,
                tops=tops,
                lefts=lefts,
                size=window.size,
                stride=step,
                image=image,
                fill=window.words,
                target=self.target,
                forwards=1,
                shape=form,
                meaning=meaning,
            )
        elif (known.size, known.stride, known.image) != (window.size, step, image):
            raise ValueError("known must be a result of the same size, stride and image")
        else:
            self.result = replace(known.snapshot(), target=self.target)
        self.noted = None if unit is None else self._noted(unit, x)
        watched = "" if self.noted is None else self.noted.layer
        self.engine = Engine(model, window, tops, lefts, meaning=meaning, prepared=self.prepared, watched=watched)
        self.check_at = places_of_check(len(tops), len(lefts))
        self._plan_positions()

    def _noted(self, unit: Unit, x: Tensor) -> _Noted:
        recording = self.prepared.recording if self.prepared is not None else record(self.model, x)
        noted, result = _Noted(unit, recording), self.result
        if result.unit != noted.words:  # the known positions lack this unit's activation
            empty = np.full(result.computed.shape, np.nan, np.float32)
            result.computed[:] = False
            self.result = replace(result, unit=noted.words, activations=empty, clean_activation=noted.clean)
        return noted

    def _plan_positions(self) -> None:
        """The positions that are missing, those of the check first."""
        computed = self.result.computed
        rows, columns = computed.shape
        self.levels = [self.check_at, *levels(rows, columns, computed)]
        self.size_now, self.size_later = self.engine.batches(self.batch_size, sum(map(len, self.levels)))
        self.order = missing_of(self.levels.pop(0), computed)

    def steps(self) -> Iterator[Occlusion]:
        """The result as it grows: every position that is marked as computed is exact."""
        if self.result.complete:
            yield self.result
            return
        checking = self.engine.unchecked(self.check_at)
        if draws(self.model) or (self.prepared is None and self.engine.mixes()):
            self.engine.level = Level.SINGLE
        while self._fill_order():
            self._compute_batch()
            if checking:
                # No score is returned unchecked.
                if not all(self.result.computed[tuple(position)] for position in checking):
                    continue
                sure = self.engine.is_sure(np.array(checking), self.result.logits)
                checking = [] if sure or self.engine.level == Level.SINGLE else list(self.check_at)
                if not sure:
                    self._begin_again()
                    continue
            yield self.result
            if self.prepared is not None:
                self.prepared.patient = True

    def whole(self) -> Occlusion:
        """The whole result, for which the model is borrowed once."""
        with self.engine.borrowed():
            *_, last = self.steps()
        if version_of(self.model) != self.version:
            raise ValueError(_CHANGED)
        return last

    def _fill_order(self) -> bool:
        """Take positions of the next levels until a batch is full; False when none are left.

        Batches continue across levels, so that all have the same size.
        """
        result = self.result
        while len(self.order) < self.size_now and self.levels:
            missing = missing_of(self.levels.pop(0), result.computed)
            new = by_variation(missing, result.logits[..., self.target])
            taken = (new[:, None] == self.order[None]).all(2).any(1)
            self.order = np.concatenate([self.order, new[~taken]])
        return bool(len(self.order))

    def _compute_batch(self) -> None:
        # A model that is borrowed all the time is compared at the end.
        if not self.engine.is_lent and version_of(self.model) != self.version:
            raise ValueError(_CHANGED)
        order, result, engine = self.order, self.result, self.engine
        begin = time.perf_counter()
        batches = in_batches(len(order), lambda start, stop: engine(*order[start:stop].T), size=self.size_now)
        _, count, scores = next(batches)
        # The batch size that fitted into memory.
        self.size_now = self.size_later if count == min(self.size_now, len(order)) else count
        steady = self.prepared is not None and self.prepared.reproducible
        if self.batch_size is None and engine.level > Level.WINDOWS and not steady:
            # Fewer slow passes per step, because other work waits for the step.
            self.size_now = max(1, min(self.size_now, int(STEP * count / (time.perf_counter() - begin))))
        rows, columns = order[:count].T
        result.logits[rows, columns], result.computed[rows, columns] = scores, True
        if self.noted is not None and result.activations is not None:
            result.activations[rows, columns] = self.noted.of(torch.cat(engine.seen)[:count])
        self.order = order[count:]
        self.result = replace(result, forwards=result.forwards + count, how=engine.how, plan=engine.plan)

    def _begin_again(self) -> None:
        """Discard what was computed and begin again at a safer level."""
        self.result.computed[:], self.result.logits[:] = False, np.nan
        self.result = replace(self.result, forwards=1)
        self._plan_positions()


def _clean_scores(model: nn.Module, x: Tensor, meaning: ScoreMeaning, prepared: Prepared | None) -> np.ndarray:
    """The scores of the input with nothing hidden, (classes,)."""
    if prepared is not None and not draws(model):
        clean = prepared.clean.cpu().numpy()
    else:
        with borrow(model):
            if draws(model):
                draw_alike()  # as every position does
            clean = meaning.read(model(x.clone()), 1)[0].detach().cpu().numpy()
    if np.isnan(clean).any():
        raise ValueError(f"the model returned NaN for x ({np.isnan(clean).sum()} of {clean.size} scores)")
    return clean


def _target(target: Any, clean: np.ndarray) -> int:
    """The class index; the most probable class without one."""
    index = int(clean.argmax()) if target is None else plain_index(target)
    if isinstance(index, bool) or not isinstance(index, (int, np.integer)) or not 0 <= index < clean.size:
        raise ValueError(f"target must be a class index 0…{clean.size - 1}, got {target!r}")
    return int(index)


def _begin(
    model: nn.Module, x: Tensor, *, size: Any, stride: Any, shape: Shape, fill: Fill, seed: int, **options: Any
) -> _Experiment:
    """The experiment with these arguments of `occlusion`."""
    model, x = as_image(model, x)
    window = occluder(x, size=size, shape=shape, fill=fill, seed=seed)
    height, width = window.size
    step = pair(stride, "stride") if stride is not None else (max(1, height // 2), max(1, width // 2))
    batch_size = options["batch_size"]
    if batch_size is not None and (not isinstance(batch_size, int) or batch_size < 1):
        raise ValueError(f"batch_size must be a whole number of at least 1, got {batch_size!r}")
    return _Experiment(model, x, window=window, step=step, form=shape if isinstance(shape, str) else "mask", **options)


def occlusion_steps(
    model: nn.Module,
    x: Float[Tensor, "1 c h w"],
    *,
    target: int | None = None,
    size: int | tuple[int, int] | None = None,
    stride: int | tuple[int, int] | None = None,
    fill: Fill = 0.0,
    shape: Shape = "rectangle",
    seed: int = 0,
    output: Output = None,
    batch_size: int | None = None,
    unit: Unit | None = None,
    known: Occlusion | None = None,
    prepared: Prepared | None = None,
) -> Iterator[Occlusion]:
    """`occlusion`, as it grows: coarse positions first, every yielded result exact where it is computed.

    The yielded results share their arrays, which fill up: keep one with `.snapshot()`. `known` is an unfinished result
    of the same call: its positions are not computed again.
    """
    experiment = _begin(
        model,
        x,
        target=target,
        size=size,
        stride=stride,
        fill=fill,
        shape=shape,
        seed=seed,
        output=output,
        batch_size=batch_size,
        unit=unit,
        known=known,
        prepared=prepared,
    )
    yield from experiment.steps()


def occlusion(
    model: nn.Module,
    x: Float[Tensor, "1 c h w"],
    *,
    target: int | None = None,
    size: int | tuple[int, int] | None = None,
    stride: int | tuple[int, int] | None = None,
    fill: Fill = 0.0,
    shape: Shape = "rectangle",
    seed: int = 0,
    output: Output = None,
    batch_size: int | None = None,
    unit: Unit | None = None,
    prepared: Prepared | None = None,
) -> Occlusion:
    """Cover one place of `x` after another and record the class scores each time (Zeiler & Fergus 2013).

    Parameters
    ----------
    x : tensor (1, channels, height, width)
        The model's input. It is not changed. A signal (1, channels, time) or a vector (1, features) counts as an
        image of one row; of a volume see `volume_occlusion`.
    target : int, optional
        The class to explain; the most probable one by default. All classes are kept in the result.
    size, stride : int or (int, int)
        The occluder and its steps, in pixels; by default a quarter of the shorter side, and half the size. Where
        the stride does not divide the input, the last window is cropped at the border.
    fill : number, tensor, "mean", "blur", "noise" or "surround"
        What the occluder shows, in the model's input units: see `occluder.filling`. `seed` is that of the noise.
    shape : "rectangle", "circle" or a mask (height, width)
        Which pixels of the window are covered.
    output : str, int, callable or ScoreMeaning, optional
        Which of several outputs holds the scores, or what they mean.
    batch_size : int, optional
        The most positions that are computed at once; halved where memory runs out.
    unit : (layer, channel) or (layer, channel, (row, column)), optional
        A unit whose activation is recorded as well: the largest of its map, or at one place; see `.activations`.
    prepared : Prepared, optional
        Of the same model and input (`Prepared(model, x)`), for several experiments in a row.

    Returns
    -------
    Occlusion
        `.score()` per position, `.change()` against the clean score, `.per_pixel()` as captum defines it; `.how` and
        `.plan` say how it was computed.

    Notes
    -----
    The numbers are those of one forward pass per position, to about 1e-5; two corners and the centre are compared
    with it, and where they differ by more than 1e-4 a warning says so and whole passes are used.

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2))
    >>> occlusion(model, torch.ones(1, 1, 4, 4), size=2, stride=2).score().shape
    (2, 2)
    """
    experiment = _begin(
        model,
        x,
        target=target,
        size=size,
        stride=stride,
        fill=fill,
        shape=shape,
        seed=seed,
        output=output,
        batch_size=batch_size,
        unit=unit,
        known=None,
        prepared=prepared,
    )
    return experiment.whole()


def occlusion_series(
    model: nn.Module, images: Sequence[Tensor], *, sizes: Sequence[int | tuple[int, int]], **options: Any
) -> list[list[Occlusion]]:
    """One `occlusion` for each image and size: `result[image][size]`, in the order given.

    The images, tensors (1, channels, height, width), share the prepared weights, and the sizes of one image its pass;
    `options` are those of `occlusion`.
    """
    results: list[list[Occlusion]] = []
    prepared: Prepared | None = None
    for x in images:
        prepared = prepare_passes(model, x, options.get("output"), like=prepared)
        results.append([occlusion(model, x, size=size, prepared=prepared, **options) for size in sizes])
    return results
