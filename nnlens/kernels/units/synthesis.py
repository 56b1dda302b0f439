"""Activation maximisation: an input that maximises a unit, a direction or a class, by gradient ascent from noise."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from nnlens.geometry.axes import places_of, unit_places
from nnlens.passes.partial_pass import PartialPass
from nnlens.passes.prepared import Prepared
from nnlens.recording import Recording, borrow, record, version_of
from nnlens.recording.record import unwrapped
from nnlens.scores.detection import meaning_of
from nnlens.scores.meaning import Output
from nnlens.utils.language import _, number

from .back_projection import rectified, rule_replacements
from .image_parameters import Ascent, Fourier, Yosinski

Recipe = Literal["fourier", "yosinski"]
DIVERSITY = 0.5  # the share of the objective that similar images lose


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Synthesis:
    """Synthesised inputs, so far.

    Attributes
    ----------
    pixels : float32 array (images, channels, …)
        As pictures, 0…1.
    inputs : float32 array (images, channels, …)
        As the model sees them.
    values : float32 array (images,)
        The objective of each of them, without a warp: the mean of the unit's map, its value at the position, the
        direction's mean, the class's score.
    peaks : float32 array (images,)
        For a unit the maximum of its map, as in `examples`; otherwise equal to `values`.
    objective : str
        In words.
    recipe, seed, negative, step, steps
        How they were computed, and the progress.
    """

    pixels: Float[np.ndarray, "n c *places"]
    inputs: Float[np.ndarray, "n c *places"]
    values: Float[np.ndarray, " n"]
    peaks: Float[np.ndarray, " n"]
    objective: str
    recipe: Recipe
    seed: int
    negative: bool
    step: int
    steps: int

    def __repr__(self) -> str:
        return f"Synthesis({self.describe()})"

    def describe(self) -> str:
        """In words: "the most of layer2.0 · 3, fourier, seed 0, step 128 of 128: 4.1"."""
        if self.negative:
            words = _("the least of {objective}", objective=self.objective)
        else:
            words = _("the most of {objective}", objective=self.objective)
        values = ", ".join(number(f"{value:.3g}") for value in self.values)
        how = _("seed {seed}, step {step} of {steps}", seed=self.seed, step=self.step, steps=self.steps)
        return f"{words}, {self.recipe}, {how}: {values}"


def synthesis(model: nn.Module, x: Float[Tensor, "1 ..."], of: Any, **options: Any) -> Synthesis:
    """Synthesised inputs, finished; see `synthesis_steps`."""
    frames = synthesis_steps(model, x, of, **{"every": options.get("steps", 128), **options})
    last: Synthesis = deque(frames, maxlen=1).pop()
    return last


@torch.inference_mode(False)
def synthesis_steps(
    model: nn.Module,
    x: Float[Tensor, "1 ..."],
    of: Any,
    *,
    recipe: Recipe = "fourier",
    count: int = 1,
    steps: int = 128,
    every: int = 8,
    negative: bool = False,
    seed: int = 0,
    mean: float | Sequence[float] = 0.0,
    std: float | Sequence[float] = 1.0,
    output: Output = None,
    recording: Recording | None = None,
    prepared: Prepared | None = None,
) -> Iterator[Synthesis]:
    """Activation maximisation, a frame every few steps.

    "fourier" (Olah, Mordvintsev & Schubert 2017, distill.pub/2017/feature-visualization): the picture is its spectrum,
    scaled by 1 / frequency, in decorrelated colours; it is shifted, rotated and scaled a little at each step, in one
    warp, except in the last quarter of the steps, in which the details settle.
    "yosinski" (Yosinski et al. 2015, arXiv:1506.06579): steps along the gradient of the pixels, with decay, blur and
    the clipping of pixels of small norm and small contribution; several images take the paper's settings in turn.
    Several images of the "fourier" recipe are made different by a penalty on the similarity of their Gram matrices.

    While all rectifiers on the path are off, so that there is no gradient, it is passed through them. The pass ends
    after the layer.

    Parameters
    ----------
    x : tensor (1, channels, length) or (1, channels, height, width)
        An input of the desired size; its values do not matter.
    of : class index; (layer, unit); (layer, unit, (row, column)); (layer, direction); callable; (layer, callable)
        The class's score (not its probability); the mean of a unit's map; one place of it; the mean product with a
        direction in the space of units (one number per unit); or a callable from the model's output, or a layer's
        value (n, …), to n numbers.
    recipe : "fourier" or "yosinski"
    count : int
        How many images.
    steps, every : int
        How many steps, and after how many a frame is yielded.
    negative : bool
        Minimise instead of maximise.
    seed : int
        The same seed gives the same image.
    mean, std : number or sequence
        The model's input = (pixel − mean) / std, per channel.

    Raises
    ------
    ValueError
        For what is out of range, or has no gradient.
    """
    if recipe not in get_args(Recipe):
        raise ValueError(f"recipe must be one of {', '.join(get_args(Recipe))}, got {recipe!r}")
    for name, value in (("count", count), ("steps", steps), ("every", every)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed must be a whole number, got {seed!r}")
    if x.ndim not in (3, 4) or x.shape[0] != 1:
        raise ValueError(f"x must be one signal (1, c, length) or image (1, c, height, width), got {tuple(x.shape)}")
    model = unwrapped(model)
    recording = record(model, x) if recording is None else recording
    goal = _Goal(of, recording, output)
    prepared = Prepared(model, x, output=output, recording=recording, like=prepared, transforms=False)
    diverse = recipe == "fourier" and count > 1
    layers = [*goal.layers, *(_textured(recording, goal.layers) if diverse else [])]
    forward = PartialPass(model, recording, layers, prepared=prepared, to_end=goal.to_end)
    # Where all paths are blocked by rectifiers that are off, they pass the gradient that would turn them on (the
    # deconvnet's rule), until one is on: Olah et al. redirect gradients in the same way.
    source = recording.operation(goal.layers[-1]) if goal.layers else None
    passing = rule_replacements(recording, "deconvnet", source, None)[0]
    opened = PartialPass(model, recording, layers, replacements=passing, prepared=prepared, to_end=goal.to_end)
    measured = PartialPass(model, recording, goal.measured, prepared=prepared, to_end=goal.to_end)
    generator = torch.Generator().manual_seed(seed)
    middle, spread = (_per_channel(level, x, name) for level, name in ((mean, "mean"), (std, "std")))
    if not torch.isfinite(middle).all() or not torch.isfinite(spread).all() or not spread.all():
        raise ValueError(f"mean and std must be finite, and std not 0, got {mean!r} and {std!r}")
    version = version_of(model)
    ascent: Ascent = (Fourier if recipe == "fourier" else Yosinski)(count, x, steps, generator)

    def climb(passes: PartialPass, pixels: Tensor) -> Tensor:
        """The gradient of the objective with respect to the pixels."""
        with torch.enable_grad():
            start = pixels.detach().requires_grad_()
            stored, argument = passes(((start - middle) / spread).to(x.dtype))
            towards = goal.towards(stored, argument, shut=passes is opened)
            if not towards.requires_grad:
                raise ValueError(f"the model has no gradient from {goal.words}")
            total = -towards.sum() if negative else towards.sum()
            if diverse and stored:
                alike = _likeness(stored[layers[-1]])
                total = total - DIVERSITY * towards.detach().abs().sum() * alike
            (slope,) = torch.autograd.grad(total, start, allow_unused=True)
        return torch.zeros_like(pixels) if slope is None else slope

    for step in range(0, steps, every):
        now = min(every, steps - step)
        if version_of(model) != version:
            raise ValueError("the model's weights have changed during the synthesis: start again")
        with borrow(model):
            for _now in range(now):
                pixels = ascent.pixels()
                slope = climb(forward, pixels)
                shut = ~slope.flatten(1).any(1)
                if shut.any():
                    slope[shut] = climb(opened, pixels)[shut]
                ascent.step(slope)
            pixels = ascent.picture().detach()
            inputs = ((pixels - middle) / spread).to(x.dtype)
            stored, argument = measured(inputs)
            values, peaks = goal.value(stored, argument)
        yield Synthesis(
            pixels=pixels.float().cpu().numpy(),
            inputs=inputs.float().cpu().numpy(),
            values=values.detach().float().cpu().numpy(),
            peaks=peaks.detach().float().cpu().numpy(),
            objective=goal.words,
            recipe=recipe,
            seed=seed,
            negative=negative,
            step=step + now,
            steps=steps,
        )


def _per_channel(level: float | Sequence[float], x: Tensor, name: str) -> Tensor:
    values = torch.as_tensor(level, dtype=torch.float32, device=x.device).reshape(-1)
    if len(values) not in (1, x.shape[1]):
        raise ValueError(f"{name} must be a number, or one for each of {x.shape[1]} channels, got {len(values)}")
    return values.view(1, -1, *[1] * (x.ndim - 2))


class _Goal:
    """The objective: `layers` are those whose values it uses, `measured` those at which it is measured."""

    def __init__(self, of: Any, recording: Recording, output: Output):
        self.meaning = meaning_of(output, recording.output, recording).for_kind("logit")
        self.layers: list[str] = []
        self.measured: list[str] = []
        self.own: Tensor | None = None
        self.direction: Tensor | None = None
        self.function: Callable[[Tensor], Tensor] | None = None
        self.of = of
        if callable(of):
            self.function, self.words = of, getattr(of, "__name__", _("a function of the output"))
        elif isinstance(of, (int, np.integer)) and not isinstance(of, bool):
            classes = self.meaning.read(recording.output, 1).shape[1]
            if not 0 <= of < classes:
                raise ValueError(f"of must be a class index 0…{classes - 1}, got {of}")
            self.words = _("class {index}", index=of)
        elif isinstance(of, tuple) and len(of) in (2, 3):
            self._of_layer(of, recording)
        else:
            raise TypeError(
                "of must be a class index, (layer, unit), (layer, unit, position), (layer, direction) or a callable, "
                f"got {of!r}"
            )
        self.to_end = not self.layers

    def _of_layer(self, of: tuple[Any, ...], recording: Recording) -> None:
        operation = recording.operation(of[0])
        followed = rectified(recording, operation) or operation
        # A rectifier, and what it is given: that has a slope where the rectifier is off.
        self.layers, self.measured = list(dict.fromkeys([followed.name, operation.name])), [operation.name]
        if callable(of[1]):
            function = getattr(of[1], "__name__", _("a function"))
            self.function, self.words = of[1], _("{layer} by {function}", layer=operation.name, function=function)
            self.layers = self.measured
            return
        if np.ndim(of[1]) == 1:
            maps = places_of(recording, operation)
            direction = torch.as_tensor(np.asarray(of[1]), dtype=torch.float32)
            if len(direction) != len(maps):
                raise ValueError(
                    f"of must have a direction of {len(maps)} numbers, one for each unit, got {len(direction)}"
                )
            if not torch.isfinite(direction).all() or not direction.any():
                raise ValueError("of must have a direction that is finite and not 0 everywhere")
            self.own = torch.from_numpy(maps.reshape(len(maps), -1))
            self.direction, self.words = direction, _("a direction in {layer}", layer=operation.name)
            self.layers = self.measured
            return
        position = of[2] if len(of) == 3 else None
        self.own = torch.from_numpy(unit_places(recording, operation, of[1], position, name="of").ravel())
        self.words = f"{operation.name} · {of[1]}"
        if position is not None:
            self.words += _(" at ({row}, {column})", row=position[0], column=position[1])

    def towards(self, stored: dict[str, Tensor], argument: Any, *, shut: bool = False) -> Tensor:
        """The objective (n,); where it is `shut`, that of the place that is nearest to being active."""
        if self.function is not None:
            return self._of_function(stored, argument)
        if not self.layers:
            return self.meaning.read(argument)[:, self.of]
        numbers = self._numbers(stored[self.layers[0] if shut else self.measured[0]])
        return numbers.amax(1) if shut else numbers.mean(1)

    def value(self, stored: dict[str, Tensor], argument: Any) -> tuple[Tensor, Tensor]:
        """The objective without a penalty (n,), and the maxima of the unit's map."""
        if self.function is not None or not self.layers:
            result = self.towards(stored, argument)
            return result, result
        numbers = self._numbers(stored[self.measured[0]])
        mean = numbers.mean(1)
        return mean, mean if self.direction is not None else numbers.amax(1)

    def _numbers(self, value: Tensor) -> Tensor:
        assert self.own is not None
        flat, own = value.reshape(len(value), -1), self.own.to(value.device)
        if int(own.max()) >= flat.shape[1]:
            raise ValueError(f"layer {self.measured[0]!r} must give a value per input, got {tuple(value.shape)}")
        if self.direction is None:
            return flat[:, own]
        along = flat[:, own.reshape(-1)].view(len(value), *own.shape)
        return (along * self.direction.to(value).view(1, -1, 1)).sum(1)

    def _of_function(self, stored: dict[str, Tensor], argument: Any) -> Tensor:
        assert self.function is not None
        value = stored[self.measured[0]] if self.measured else argument
        numbers = self.function(value)
        if not isinstance(numbers, Tensor):
            raise TypeError(f"of must be a callable that gives a tensor, got {type(numbers).__name__}")
        return numbers.reshape(-1)


def _textured(recording: Recording, layers: list[str]) -> list[str]:
    """A layer whose values distinguish textures: that of the objective, or else the deepest one with maps."""
    if layers and math.prod(recording.operation(layers[0]).shape[2:]) > 1:
        return layers[:1]
    maps = [item for item in recording if len(item.shape) == 4 and math.prod(item.shape[2:]) >= 4 and item.shape[1] > 1]
    return [map_.name for map_ in maps if map_.number is not None][-1:]


def _likeness(value: Tensor) -> Tensor:
    """The mean similarity of the Gram matrices of n inputs, −1…1."""
    maps = value.flatten(2)
    grams = nn.functional.normalize((maps @ maps.transpose(1, 2)).flatten(1), dim=1)
    pairs = grams @ grams.T
    return (pairs.sum() - pairs.diagonal().sum()) / (len(value) * (len(value) - 1))
