"""The maps of some units at every checkpoint of a training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor, nn

from nnlens.kernels.units.activations import activations
from nnlens.recording import Recorder
from nnlens.recording.record import copy_of

from .checkpoints import Checkpoints

_SIDE = 96  # pixels of a unit's map in an animation


@dataclass(frozen=True, kw_only=True)
class Film:
    """The activations of one layer on one input, checkpoint by checkpoint.

    Attributes
    ----------
    layer : str
    units : tuple of int
    steps : tuple of int
        Of the checkpoints.
    values : array (steps, units, h, w)
        NaN where a checkpoint has not been read yet.
    """

    layer: str
    units: tuple[int, ...]
    steps: tuple[int, ...]
    values: np.ndarray

    def save(self, path: str | Path, *, unit: int | None = None, milliseconds: int = 200) -> Path:
        """Write an animation (.gif, or .png for APNG) of all units side by side, or of one; grey, on one scale.

        Raises ValueError for another ending and for a unit that is not in the film.
        """
        target = Path(path).expanduser()
        if target.suffix.lower() not in (".gif", ".png"):
            raise ValueError(f"path must end in .gif or .png, got {target.name!r}")
        if unit is not None and unit not in self.units:
            raise ValueError(f"unit must be one of {', '.join(map(str, self.units))}, got {unit}")
        chosen = range(len(self.units)) if unit is None else [self.units.index(unit)]
        known = self.values[np.isfinite(self.values)]
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
        shade = np.nan_to_num((self.values[:, list(chosen)] - low) / ((high - low) or 1)) * 255
        rows = [np.concatenate(list(frame), 1).round().astype(np.uint8) for frame in shade]
        scale = max(1, _SIDE // self.values.shape[2])
        frames = [
            Image.fromarray(row).resize((row.shape[1] * scale, row.shape[0] * scale), Image.Resampling.NEAREST)
            for row in rows
        ]
        frames[0].save(target, save_all=True, append_images=frames[1:], duration=milliseconds, loop=0)
        return target


def film_steps(
    model: nn.Module, checkpoints: Checkpoints, x: Tensor, layer: str, *, units: Sequence[int] | int = 16
) -> Iterator[Film]:
    """The film as it is read, from the latest checkpoint to the first; the yielded object is the same each time.

    Parameters
    ----------
    model : torch.nn.Module
        Of the kind that the checkpoints are of; it is copied.
    x : tensor (1, ...)
        One input.
    layer : str
        An operation or a module's path.
    units : sequence of int, or int
        Which, or how many: then those whose maps vary most at the latest checkpoint.
    """
    steps = tuple(checkpoints.steps)
    if not steps:
        raise ValueError("there is no checkpoint yet")
    copied, film = copy_of(model).eval(), None
    recorder = Recorder(copied, only=layer)
    for place in reversed(range(len(steps))):
        copied.load_state_dict(checkpoints.load(steps[place]))
        maps = activations(recorder(x), layer).values
        if film is None:
            chosen = chosen_units(maps, units)
            empty = np.full((len(steps), len(chosen), *maps.shape[1:]), np.nan, np.float32)
            film = Film(layer=layer, units=chosen, steps=steps, values=empty)
        film.values[place] = maps[list(film.units)]
        yield film


def chosen_units(maps: np.ndarray, units: Sequence[int] | int) -> tuple[int, ...]:
    """Units of a layer's maps (units, h, w): as given, or so many of those that vary most."""
    if isinstance(units, int):
        with np.errstate(over="ignore", invalid="ignore"):  # a training that fails has such values
            contrast = np.nan_to_num(maps.std((1, 2)) if maps[0].size > 1 else np.abs(maps[:, 0, 0]))
        return tuple(sorted(int(unit) for unit in np.argsort(-contrast, kind="stable")[:units]))
    if wrong := [unit for unit in units if not 0 <= unit < len(maps)]:
        raise ValueError(f"units must be 0…{len(maps) - 1}, got {wrong[0]}")
    return tuple(units)
