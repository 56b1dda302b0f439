"""How the units of a layer respond to gratings of all orientations and frequencies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from nnlens.geometry.axes import places_of
from nnlens.passes.partial_pass import PartialPass
from nnlens.passes.prepared import Prepared
from nnlens.recording import Recording, borrow
from nnlens.recording.record import unwrapped

ORIENTATIONS = 12
PHASES = 4
_BATCH = 24
_HIGHEST = 0.45  # cycles per pixel: just below what pixels can show


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Tuning:
    """The responses of a layer's units to gratings, each the largest over the grating's phases.

    Attributes
    ----------
    layer : str
    values : float32 array (units, orientations, frequencies)
        Each unit at the middle of its map. NaN where the grating was not shown yet.
    grey : float32 array (units,)
        The same for an image without a grating.
    orientations : float array (orientations,)
        In degrees, anticlockwise from the rows: the direction in which the grating varies.
    frequencies : float array (frequencies,)
        In cycles per pixel of the model's input.
    """

    layer: str
    values: Float[np.ndarray, "units orientations frequencies"]
    grey: Float[np.ndarray, " units"]
    orientations: Float[np.ndarray, " orientations"]
    frequencies: Float[np.ndarray, " frequencies"]

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"Tuning({self.layer!r}, {len(self)} units, {len(self.orientations)} × {len(self.frequencies)} gratings)"

    def best(self, unit: int) -> tuple[float, float, float]:
        """The orientation, frequency and value of a unit's largest response."""
        values = self.values[unit]
        row, column = np.unravel_index(np.nanargmax(values), values.shape)
        return float(self.orientations[row]), float(self.frequencies[column]), float(values[row, column])

    def selectivity(self, unit: int) -> float:
        """How much a unit prefers one orientation, 0…1: |Σ r e^{2iθ}| ÷ Σ r at its best frequency.

        r is the response less the smallest one (1 − circular variance: Ringach, Shapley & Hawken 2002). 0 for a unit
        that responds to no grating differently.
        """
        _, column = np.unravel_index(np.nanargmax(self.values[unit]), self.values[unit].shape)
        responses = self.values[unit][:, column] - np.nanmin(self.values[unit][:, column])
        total = np.nansum(responses)
        if not total:
            return 0.0
        return float(abs(np.nansum(responses * np.exp(2j * np.radians(self.orientations)))) / total)


def default_frequencies(side: int) -> np.ndarray:
    """Six frequencies, each a constant factor from the next: from two periods in an image of this side to 0.45."""
    return np.geomspace(min(2 / side, _HIGHEST / 2), _HIGHEST, 6)


def grating(
    height: int, width: int, orientation: float, frequency: float, phase: float
) -> Float[Tensor, "height width"]:
    """A sine wave from −1 to 1 that varies in the direction `orientation` (degrees); the phase is at the middle."""
    angle = np.radians(orientation)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    along = (x - (width - 1) / 2) * np.cos(angle) - (y - (height - 1) / 2) * np.sin(angle)
    return torch.from_numpy(np.cos(2 * np.pi * frequency * along + np.radians(phase))).float()


def gratings(
    model: nn.Module,
    recording: Recording,
    x: Float[Tensor, "1 channels h w"],
    layer: str,
    *,
    orientations: int = ORIENTATIONS,
    frequencies: Float[np.ndarray, " n"] | None = None,
    contrast: float = 1.0,
    prepared: Prepared | None = None,
) -> Tuning:
    """Show a layer gratings of all orientations and frequencies, in four phases each.

    The grating is the same in all channels: the values of `x` around which it varies are 0, which is the mean of a
    normalised input, and it reaches ± `contrast`.

    Parameters
    ----------
    recording : Recording
        A whole pass on `x`, of which only the shape matters here.
    orientations : int
        How many, evenly spread over 180°. A signal, which is one row, has one.
    frequencies : float array, optional
        In cycles per pixel, up to 0.5; six by default.

    Raises
    ------
    ValueError
        For an input that is no image, an unknown layer, and frequencies that pixels cannot show.
    """
    *_, last = gratings_steps(
        model,
        recording,
        x,
        layer,
        orientations=orientations,
        frequencies=frequencies,
        contrast=contrast,
        prepared=prepared,
    )
    return last


def gratings_steps(
    model: nn.Module,
    recording: Recording,
    x: Float[Tensor, "1 channels h w"],
    layer: str,
    *,
    orientations: int = ORIENTATIONS,
    frequencies: Float[np.ndarray, " n"] | None = None,
    contrast: float = 1.0,
    prepared: Prepared | None = None,
) -> Iterator[Tuning]:
    """The responses so far, after each batch of gratings; see `gratings`."""
    if x.ndim != 4 or len(x) != 1:
        raise ValueError(f"x must be one image (1, channels, height, width), got the shape {tuple(x.shape)}")
    if isinstance(orientations, bool) or not isinstance(orientations, int) or orientations < 1:
        raise ValueError(f"orientations must be a whole number, 1 or more, got {orientations!r}")
    _, channels, height, width = x.shape
    if height == 1:
        orientations = 1
    side = min(height, width) if height > 1 else width
    waves = default_frequencies(side) if frequencies is None else np.asarray(frequencies, float)
    if waves.ndim != 1 or not len(waves) or not ((waves > 0) & (waves <= 0.5)).all():
        raise ValueError(f"frequencies must be above 0 and at most 0.5 cycles per pixel, got {frequencies!r}")
    model, operation = unwrapped(model), recording.operation(layer)
    places = places_of(recording, operation)
    middle = torch.from_numpy(places[:, places.shape[1] // 2, places.shape[2] // 2].copy())
    angles = np.arange(orientations) * 180 / orientations
    plan = [
        (row, column, phase) for column in range(len(waves)) for row in range(orientations) for phase in range(PHASES)
    ]
    forward = PartialPass(model, recording, [operation.name], prepared=prepared)

    def responses(batch: Tensor) -> np.ndarray:
        with borrow(model), torch.no_grad():
            stored, _ = forward(batch.to(x))
        rows = stored[operation.name].reshape(len(batch), -1)[:, middle.to(x.device)]
        found: np.ndarray = rows.float().cpu().numpy()
        return found

    grey = responses(torch.zeros(1, channels, height, width))[0]
    values = np.full((len(middle), orientations, len(waves)), np.nan, np.float32)
    for start in range(0, len(plan), _BATCH):
        shown = plan[start : start + _BATCH]
        stack = torch.stack(
            [grating(height, width, angles[row], waves[column], 360 / PHASES * phase) for row, column, phase in shown]
        )
        found = responses(contrast * stack.unsqueeze(1).expand(-1, channels, -1, -1))
        for (row, column, _phase), response in zip(shown, found, strict=True):
            values[:, row, column] = np.fmax(values[:, row, column], response)
        yield Tuning(layer=operation.name, values=values.copy(), grey=grey, orientations=angles, frequencies=waves)
