"""The occlusion experiment of Zeiler & Fergus (2013, arXiv:1311.2901, section 4.2).

A patch covers one place of the input after another, and the class scores are noted each time. The result is
one score per *position* of the occluder; `per_pixel` gives the other definition in use, captum's average
over the windows that cover a pixel. Only what the occluder can change is computed: see `incremental`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..recording import ForwardError, OtherPathError, Recording, borrow, record, version_of
from ..work import in_batches, out_of_memory
from .incremental import Incremental, plan_for
from .layout import as_maps
from .occluder import Fill, Occluder, Shape, occluder, pair
from .occlusion_map import Occlusion
from .prepared import Prepared, channels_last
from .scores import Pick, class_scores

Unit = tuple[str, int] | tuple[str, int, tuple[int, int]]
BLOCK = 16  # positions at once on a CPU: more fall out of its caches


class _Engine:
    """Computes the scores under an occluder, on windows where it can, and checks itself against the model.

    Each level is surer and slower than the one before. `how` says in words which is in use.
    """

    levels = ("windows", "prepared", "batches", "one by one")

    def __init__(
        self,
        model: nn.Module,
        window: Occluder,
        tops: np.ndarray,
        lefts: np.ndarray,
        *,
        output: Pick,
        prepared: Prepared | None,
        watched: str = "",
    ):
        self.model, self.window, self.output, self.watched = model, window, output, watched
        self.seen: list[Tensor] = []  # the watched operation's values, of the latest call
        self.tops, self.lefts = tops, lefts
        self.prepared = prepared
        self.even = False
        self.incremental: Incremental | None = None
        self.level = 2 if prepared is None else prepared.level
        if watched and prepared is not None and not prepared.can_watch(watched):
            self.level = max(2, self.level)
        if self.level == 0 and prepared is not None:
            self.incremental = plan_for(prepared, window.size, tops, lefts, watched)
            if not any(share.local for share in self.incremental.plan):
                self.level = 1

    @property
    def how(self) -> str:
        if self.level == 0 and self.incremental is not None:
            local = sum(share.local for share in self.incremental.plan)
            return f"{local} of {len(self.incremental.plan)} operations on windows, the rest whole"
        return ("", "whole passes of the prepared model", "whole passes", "whole passes, one position at a time")[
            self.level
        ]

    def __call__(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """The scores (n, classes) with the occluder at (tops[rows], lefts[columns])."""
        while True:
            self.seen.clear()
            try:
                return self._compute(rows, columns).cpu().numpy()
            except Exception as error:
                if out_of_memory(error) or self.level >= 2:
                    raise
                if not isinstance(error, OtherPathError):
                    said = f"{type(error).__name__}: {error}"
                    warnings.warn(f"occlusion goes on with whole passes: {self.how} failed ({said})", stacklevel=2)
                self._fall_back(2 if isinstance(error, OtherPathError) else self.level + 1)

    def _compute(self, rows: np.ndarray, columns: np.ndarray) -> Tensor:
        tops, lefts = self.tops[rows], self.lefts[columns]
        with borrow(self.model):
            if self.level == 0 and self.incremental is not None:
                return self._on_windows(self.incremental, rows, columns)
            batch = channels_last(self.window.cover(tops, lefts))
            if self.level == 1 and self.prepared is not None:
                return self.prepared(batch, None, self.seen.append if self.watched else None, self.watched)
        return torch.cat([self._plainly(part) for part in (batch.split(1) if self.level == 3 else (batch,))])

    def _plainly(self, batch: Tensor) -> Tensor:
        if self.watched:
            recording = record(self.model, batch, only=self.watched)
            self.seen.append(recording[self.watched])
            return class_scores(recording.output, self.output)
        with borrow(self.model):
            return class_scores(self.model(batch), self.output)

    def _on_windows(self, incremental: Incremental, rows: np.ndarray, columns: np.ndarray) -> Tensor:
        count = len(rows)
        if self.even:
            # Blocks of one size: for another one the CPU's library has to write new code.
            more = np.full(-count % BLOCK, count - 1)
            rows, columns = (np.append(one, one[more]) for one in (rows, columns))
        under = self.window.under(self.tops[rows], self.lefts[columns])
        blocks = []
        for start in range(0, len(rows), BLOCK):
            some = slice(start, start + BLOCK)
            fill = under if under.ndim == 3 else under[some]
            blocks.append(incremental.local(rows[some], columns[some], fill, self.window.mask))
        handed = {name: torch.cat([block[name] for block in blocks]) for name in blocks[0]}
        return incremental.finish(handed, self.seen.append if self.watched else None)[:count]

    def check(self, rows: np.ndarray, columns: np.ndarray, scores: np.ndarray) -> bool:
        """Whether these scores are the model's own, position by position; if not, the level falls."""
        with borrow(self.model):
            images = self.window.cover(self.tops[rows], self.lefts[columns])
            own = torch.cat([class_scores(self.model(image[None]), self.output) for image in images]).cpu().numpy()
        with np.errstate(invalid="ignore"):
            off = np.nan_to_num(np.abs(own - scores), nan=0.0).max()
        dtype = self.window.x.dtype
        bound = max(1e-4, 16 * torch.finfo(dtype).eps * float(np.nan_to_num(np.abs(own)).max()))
        if off <= bound and np.array_equal(np.isnan(own), np.isnan(scores)):
            return True
        if self.level < 3:
            words = f"occlusion goes on with surer passes: {self.how} differed from the model's own by {off:.1g}"
            warnings.warn(words, stacklevel=2)
            self._fall_back(self.level + 1)
        return False

    def _fall_back(self, level: int) -> None:
        self.level = level
        if self.prepared is not None:
            self.prepared.level = level

    def batches(self, given: int | None, total: int) -> tuple[int, int]:
        """How many positions the first batch has, and how many the later ones."""
        if given is not None:
            return given, given
        if self.window.x.device.type != "cpu":
            return 64, 128
        if self.level > 0 or self.incremental is None:
            return 4, 4
        self.even = total >= BLOCK
        # Where what is computed whole has large weights, many positions share one look at them.
        many = int(self.incremental.weights // 2**20) // BLOCK * BLOCK
        return BLOCK, max(BLOCK, min(many, 4 * BLOCK))


def _check_at(rows: int, columns: int) -> list[tuple[int, int]]:
    """Two corners and the centre: where borders matter, and where they do not."""
    return list(dict.fromkeys([(0, 0), (rows - 1, columns - 1), (rows // 2, columns // 2)]))


def prepare_passes(
    model: nn.Module,
    x: Tensor,
    output: Pick = None,
    *,
    recording: Recording | None = None,
    like: Prepared | None = None,
) -> Prepared | None:
    """The model prepared for many passes on variations of `x`, see `Prepared`; None where it cannot be recorded."""
    try:
        return Prepared(model, x, output=output, recording=recording, like=like)
    except (TypeError, ForwardError):
        return None


def _current(model: nn.Module, x: Tensor, output: Pick, prepared: Prepared | None) -> Prepared | None:
    if prepared is not None and prepared.version == version_of(model) and prepared.x.shape == x.shape:
        return prepared
    return prepare_passes(model, x, output)


def occluded_scores(
    model: nn.Module,
    x: Tensor,
    places: list[tuple[int, int]],
    *,
    size: Any,
    fill: Fill,
    shape: Shape = "rectangle",
    seed: int = 0,
    output: Pick = None,
    prepared: Prepared | None = None,
) -> np.ndarray:
    """The class scores (places, classes) with the occluder at each (top, left) of `places`.

    Places may lie partly outside of the input. For the other parameters see `occlusion`.
    """
    window = occluder(x, size=size, shape=shape, fill=fill, seed=seed)
    height, width = window.size
    tops, lefts = np.arange(1 - height, x.shape[2]), np.arange(1 - width, x.shape[3])
    wanted = np.array(places, int).reshape(-1, 2)
    for top, left in wanted:
        if not (tops[0] <= top <= tops[-1] and lefts[0] <= left <= lefts[-1]):
            raise ValueError(f"places must touch the input of {x.shape[2]} × {x.shape[3]} pixels, got ({top}, {left})")
    engine = _Engine(model, window, tops, lefts, output=output, prepared=_current(model, x, output, prepared))
    rows, columns = wanted[:, 0] - tops[0], wanted[:, 1] - lefts[0]

    def run() -> np.ndarray:
        batches = in_batches(len(rows), lambda start, stop: engine(rows[start:stop], columns[start:stop]), size=BLOCK)
        return np.concatenate([part for _, _, part in batches])

    scores, known = run(), engine.prepared
    if known is not None and not known.checked:
        while not engine.check(rows[:1], columns[:1], scores[:1]) and engine.level < 3:
            scores = run()
        known.checked = True
    return scores


def masked_scores(
    model: nn.Module,
    x: Tensor,
    masks: np.ndarray,
    *,
    fill: Fill,
    seed: int = 0,
    output: Pick = None,
    prepared: Prepared | None = None,
) -> np.ndarray:
    """The class scores (n, classes) with the pixels hidden that each mask, (n, height, width), marks.

    Masks of any form change everything: these are whole passes, of the prepared model. `fill` "surround" is refused,
    for there is no window to be around of.
    """
    standing = occluder(x, fill=fill, seed=seed).fill
    hidden = torch.as_tensor(masks).bool().to(x.device)
    if hidden.shape[1:] != x.shape[2:]:
        raise ValueError(f"masks must be (n, {x.shape[2]}, {x.shape[3]}) as the input, got {tuple(hidden.shape)}")
    if standing is None:
        raise ValueError('fill must not be "surround" for a mask: it has no window')
    return _whole(
        model,
        len(hidden),
        lambda start, stop: torch.where(hidden[start:stop, None], standing, x),
        output,
        _current(model, x, output, prepared),
    )


def size_curve(
    model: nn.Module,
    x: Tensor,
    centre: tuple[float, float],
    sizes: Sequence[int],
    *,
    fill: Fill,
    shape: str = "rectangle",
    seed: int = 0,
    output: Pick = None,
    prepared: Prepared | None = None,
) -> np.ndarray:
    """The class scores (sizes, classes) under square occluders of several sizes around one place (row, column)."""
    windows = [occluder(x, size=size, shape=shape, fill=fill, seed=seed) for size in sizes]

    def images(start: int, stop: int) -> Tensor:
        covered = []
        for window, size in list(zip(windows, sizes, strict=True))[start:stop]:
            top, left = (np.array([round(one - size / 2)]) for one in centre)
            covered.append(window.cover(top, left))
        return torch.cat(covered)

    return _whole(model, len(windows), images, output, _current(model, x, output, prepared))


def _whole(
    model: nn.Module, count: int, images: Callable[[int, int], Tensor], output: Pick, prepared: Prepared | None
) -> np.ndarray:
    """The scores of images by whole passes, of the prepared model where that holds."""

    def run(start: int, stop: int) -> np.ndarray:
        batch = channels_last(images(start, stop))
        with borrow(model):
            if prepared is not None and prepared.level < 2:
                try:
                    return prepared(batch).cpu().numpy()
                except OtherPathError:
                    prepared.level = 2
            return class_scores(model(batch), output).cpu().numpy()

    return np.concatenate([part for _, _, part in in_batches(count, run, size=4)])


class _Noted:
    """A unit and its activation in recorded values: units are counted as the views count them."""

    def __init__(self, unit: Unit, recording: Recording):
        if not isinstance(unit, tuple) or len(unit) not in (2, 3):
            raise TypeError(f"unit must be (layer, channel) or (layer, channel, (row, column)), got {unit!r}")
        self.operation = recording.operation(unit[0])
        self.recording, self.layer, self.channel = recording, self.operation.name, unit[1]
        maps, _ = as_maps(recording[self.layer], recording, self.operation)
        if not 0 <= self.channel < len(maps):
            raise ValueError(f"unit must be 0…{len(maps) - 1} in layer {self.layer!r}, got {self.channel}")
        self.place: Any = unit[2] if len(unit) == 3 else ...
        if len(unit) == 3:
            inside = all(0 <= one < size for one, size in zip(self.place, maps.shape[1:], strict=True))
            if not inside:
                rows, columns = maps.shape[1:]
                raise ValueError(f"unit's place must be inside its {rows} × {columns} map, got {self.place}")
        at = f" at {self.place}" if len(unit) == 3 else ", its largest"
        self.words = f"{self.layer} · {self.channel}{at}"
        self.clean = float(self.of(recording[self.layer])[0])

    def of(self, values: Tensor) -> np.ndarray:
        """The activation in each of a batch of values."""
        maps = (as_maps(value[None], self.recording, self.operation)[0][self.channel] for value in values)
        return np.array([np.max(one[self.place]) for one in maps], np.float32)


def _coarse_to_fine(count: int) -> list[list[int]]:
    """0…count-1 in nested levels: four from end to end first, then the middle of each gap."""
    known = sorted({round(position) for position in np.linspace(0, count - 1, min(4, count))})
    levels = [known]
    while len(known) < count:
        middles = [(a + b) // 2 for a, b in pairwise(known) if b - a > 1]
        known = sorted([*known, *middles])
        levels.append(known)
    return levels


def _order(rows: int, columns: int) -> list[tuple[int, int]]:
    """All positions of the grid, each level's new ones behind the level before."""
    down, across = _coarse_to_fine(rows), _coarse_to_fine(columns)
    order: dict[tuple[int, int], None] = {}
    for level in range(max(len(down), len(across))):
        for row in down[min(level, len(down) - 1)]:
            for column in across[min(level, len(across) - 1)]:
                order.setdefault((row, column))
    return list(order)


def occlusion_steps(
    model: nn.Module,
    x: Tensor,
    *,
    target: int | None = None,
    size: int | tuple[int, int] | None = None,
    stride: int | tuple[int, int] | None = None,
    fill: Fill = 0.0,
    shape: Shape = "rectangle",
    seed: int = 0,
    output: Pick = None,
    batch_size: int | None = None,
    unit: Unit | None = None,
    known: Occlusion | None = None,
    prepared: Prepared | None = None,
) -> Iterator[Occlusion]:
    """`occlusion`, as it grows: coarse positions first, every yielded result exact where it is computed.

    The yielded results share their arrays, which fill up: keep one with `.snapshot()`. `known` is a result of
    the same call that was left half done: its positions are not computed again.
    """
    window = occluder(x, size=size, shape=shape, fill=fill, seed=seed)
    image, (height, width) = (x.shape[2], x.shape[3]), window.size
    step = pair(stride, "stride") if stride is not None else (max(1, height // 2), max(1, width // 2))
    if batch_size is not None and (not isinstance(batch_size, int) or batch_size < 1):
        raise ValueError(f"batch_size must be a whole number of at least 1, got {batch_size!r}")
    tops = np.arange(-(-(image[0] - height) // step[0]) + 1) * step[0]
    lefts = np.arange(-(-(image[1] - width) // step[1]) + 1) * step[1]
    prepared = _current(model, x, output, prepared)
    if prepared is None:
        with borrow(model):
            clean = class_scores(model(x.clone()), output)[0].cpu().numpy()
    else:
        clean = prepared.clean.cpu().numpy()
    if np.isnan(clean).any():
        raise ValueError(f"the model returned NaN for x ({np.isnan(clean).sum()} of {clean.size} scores)")
    top = int(clean.argmax()) if target is None else target
    if isinstance(top, bool) or not isinstance(top, (int, np.integer)) or not 0 <= top < clean.size:
        raise ValueError(f"target must be a class index 0…{clean.size - 1}, got {target!r}")
    order = _order(len(tops), len(lefts))
    if known is None:
        logits = np.full((len(tops), len(lefts), clean.size), np.nan, np.float32)
        computed = np.zeros((len(tops), len(lefts)), bool)
        form = shape if isinstance(shape, str) else "mask"
        about = window.size, step, image, window.words, int(top)
        result = Occlusion(logits, computed, clean, tops, lefts, *about, 1, form)
    else:
        if (known.size, known.stride, known.image) != (window.size, step, image):
            raise ValueError("known must be a result of the same size, stride and image")
        result = replace(known.snapshot(), target=int(top))
        order = [place for place in order if not known.computed[place]]
        if not order:
            yield result
            return
    noted = None
    if unit is not None:
        noted = _Noted(unit, prepared.recording if prepared is not None else record(model, x))
        if result.activations is None:
            empty = np.full((len(tops), len(lefts)), np.nan, np.float32)
            result = replace(result, unit=noted.words, activations=empty, clean_activation=noted.clean)
    watched = "" if noted is None else noted.layer
    engine = _Engine(model, window, tops, lefts, output=output, prepared=prepared, watched=watched)
    size_now, size_later = engine.batches(batch_size, len(order))

    def run(start: int, stop: int) -> np.ndarray:
        return engine(*np.array(order[start:stop]).T)

    while order:
        _, count, scores = next(in_batches(len(order), run, size=size_now))
        size_now = size_later if count == min(size_now, len(order)) else count  # what fitted into memory
        rows, columns = np.array(order[:count]).T
        result.logits[rows, columns], result.computed[rows, columns] = scores, True
        if noted is not None and result.activations is not None:
            result.activations[rows, columns] = noted.of(torch.cat(engine.seen)[:count])
        order = order[count:]
        plan = tuple(engine.incremental.plan) if engine.level == 0 and engine.incremental is not None else ()
        result = replace(result, forwards=result.forwards + count, how=engine.how, plan=plan)
        yield result
        if prepared is None:
            continue
        prepared.patient = True
        if not prepared.checked:
            corners = np.array([place for place in _check_at(len(tops), len(lefts)) if result.computed[place]])
            at_rows, at_columns = corners.T
            same = engine.check(at_rows, at_columns, result.logits[at_rows, at_columns])
            prepared.checked = same or engine.level == 3
            if not same:
                result.computed[:], result.logits[:] = False, np.nan
                result, order = replace(result, forwards=1), _order(len(tops), len(lefts))
                size_now, size_later = engine.batches(batch_size, len(order))


def occlusion(
    model: nn.Module,
    x: Tensor,
    *,
    target: int | None = None,
    size: int | tuple[int, int] | None = None,
    stride: int | tuple[int, int] | None = None,
    fill: Fill = 0.0,
    shape: Shape = "rectangle",
    seed: int = 0,
    output: Pick = None,
    batch_size: int | None = None,
    unit: Unit | None = None,
    prepared: Prepared | None = None,
) -> Occlusion:
    """Cover one place of `x` after another and note the class scores each time (Zeiler & Fergus 2013).

    Parameters
    ----------
    x : tensor (1, channels, height, width)
        The model's input. It is not changed.
    target : int, optional
        The class to explain; the most probable one by default. All classes are kept in the result.
    size, stride : int or (int, int)
        The occluder and its steps, in pixels; by default a quarter of the shorter side, and half the size. Where
        the stride does not divide the input, the last window is cropped at the border.
    fill : number, tensor, "mean", "blur", "noise" or "surround"
        What the occluder shows, in the model's input units: see `occluder.filling`. `seed` is that of the noise.
    shape : "rectangle", "circle" or a mask (height, width)
        Which pixels of the window are covered.
    output : str, int or callable, optional
        Which of several outputs holds the scores.
    batch_size : int, optional
        The most positions that are computed at once; halved where memory runs out.
    unit : (layer, channel) or (layer, channel, (row, column)), optional
        A unit whose activation is noted as well: the largest of its map, or at one place; see `.activations`.
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
    with it, and where they differ by more than 1e-4 a warning says so and whole passes follow.

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2))
    >>> occlusion(model, torch.ones(1, 1, 4, 4), size=2, stride=2).score().shape
    (2, 2)
    """
    *_, last = occlusion_steps(
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
        prepared=prepared,
    )
    return last


def occlusion_series(
    model: nn.Module, images: Sequence[Tensor], *, sizes: Sequence[int | tuple[int, int]], **options: Any
) -> list[list[Occlusion]]:
    """One `occlusion` for each image and size: `result[image][size]`, in the order given.

    The images, tensors (1, channels, height, width), share the prepared weights, and the sizes of one image its pass;
    `options` are those of `occlusion`.
    """
    found: list[list[Occlusion]] = []
    prepared: Prepared | None = None
    for x in images:
        prepared = prepare_passes(model, x, options.get("output"), like=prepared)
        found.append([occlusion(model, x, size=size, prepared=prepared, **options) for size in sizes])
    return found
