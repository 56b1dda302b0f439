"""Heartbeats as an electrocardiogram shows them, drawn by formulas, and a network that finds what is wrong in them.

What is wrong lies at a known place, so that whatever points to it can be checked.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.data import Dataset

RATE = 100  # samples in a second
SECONDS = 10
HEARTBEAT_CLASSES = ["regular", "extra beat", "tremor", "spike"]
# Of the waves P, Q, R, S and T: when (seconds after R), how long (standard deviation), how high in each lead.
_WAVES = (
    (-0.18, 0.025, 0.12, 0.08),
    (-0.035, 0.010, -0.10, -0.04),
    (0.0, 0.012, 1.00, 0.60),
    (0.035, 0.012, -0.22, -0.35),
    (0.24, 0.045, 0.28, 0.20),
)
_WIDE = ((0.0, 0.045, 1.25, -0.80), (0.16, 0.060, -0.35, 0.30))  # an extra beat: wide, without P, T upside down


class Heartbeat(NamedTuple):
    """One recording.

    Attributes
    ----------
    signal : float32 tensor (2, samples)
        Two leads, in millivolts.
    label : int
        See `HEARTBEAT_CLASSES`.
    place : (int, int) or None
        The samples from … up to … in which something is wrong; None where the beats are regular.
    """

    signal: Float[Tensor, "2 samples"]
    label: int
    place: tuple[int, int] | None


class Heartbeats(Dataset[Heartbeat]):
    """Ten seconds of heartbeats each, drawn from a seed: a quarter of them regular, a quarter of each fault."""

    def __init__(self, count: int = 200, seed: int = 0):
        if count < 1:
            raise ValueError(f"count must be at least 1, got {count}")
        self.count, self.seed = count, seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, item: int) -> Heartbeat:
        if not 0 <= item < self.count:
            raise IndexError(f"item must be 0…{self.count - 1}, got {item}")
        return heartbeat(item % len(HEARTBEAT_CLASSES), np.random.default_rng([self.seed, item]))


def heartbeat(label: int, rng: np.random.Generator) -> Heartbeat:
    """Ten seconds of two leads, with one fault or none."""
    if not 0 <= label < len(HEARTBEAT_CLASSES):
        raise ValueError(f"label must be 0…{len(HEARTBEAT_CLASSES) - 1}, got {label}")
    time = np.arange(RATE * SECONDS) / RATE
    every = rng.uniform(0.65, 1.0)
    beats = np.cumsum(every * (1 + 0.03 * rng.standard_normal(int(SECONDS / every) + 3))) - every * rng.random()
    height = rng.uniform(0.8, 1.2)
    signal = sum((_beat(time, beat, _WAVES) for beat in beats), np.zeros((2, len(time)))) * height
    place = None
    if label:
        signal, place = _with_fault(signal, time, beats, HEARTBEAT_CLASSES[label], rng)
    wander = 0.08 * np.sin(2 * np.pi * (rng.uniform(0.1, 0.35) * time + rng.random()))
    signal = signal + wander + 0.03 * rng.standard_normal(signal.shape)
    return Heartbeat(torch.from_numpy(signal.astype(np.float32)), label, place)


def _beat(time: np.ndarray, at: float, waves: tuple[tuple[float, ...], ...]) -> np.ndarray:
    bumps = [np.exp(-0.5 * ((time - at - after) / long) ** 2) for after, long, *_heights in waves]
    heights = np.array([item[2:] for item in waves]).T
    result: np.ndarray = heights @ np.stack(bumps)
    return result


def _with_fault(
    signal: np.ndarray, time: np.ndarray, beats: np.ndarray, fault: str, rng: np.random.Generator
) -> tuple[np.ndarray, tuple[int, int]]:
    # Between two beats, and far enough from both ends to be seen whole.
    between = [k for k in range(len(beats) - 1) if beats[k] > 0.8 and beats[k + 1] < SECONDS - 0.8]
    beat = int(rng.choice(between))
    gap = beats[beat + 1] - beats[beat]
    if fault == "extra beat":
        at = beats[beat] + gap * rng.uniform(0.5, 0.62)
        signal = signal + _beat(time, at, _WIDE) * rng.uniform(0.8, 1.2)
        span = at - 0.12, at + 0.3
    elif fault == "tremor":
        at, long = beats[beat] + gap / 2, rng.uniform(0.12, 0.2)
        wave = np.sin(2 * np.pi * (rng.uniform(14, 22) * time + rng.random()))
        signal = signal + 0.25 * np.exp(-0.5 * ((time - at) / long) ** 2) * wave * np.array([[1.0], [0.7]])
        span = at - 2 * long, at + 2 * long
    else:
        at = beats[beat] + gap * rng.uniform(0.4, 0.65)
        spike = np.exp(-0.5 * ((time - at) / 0.006) ** 2) * rng.choice([-1.0, 1.0]) * rng.uniform(0.7, 1.1)
        signal = signal + spike * np.array([[1.0], [1.0]])
        span = at - 0.04, at + 0.04
    return signal, (max(0, round(span[0] * RATE)), min(len(time), round(span[1] * RATE)))


class HeartNet(nn.Module):
    """Pairs of convolutions over time, each normalised and rectified; a maximum pool after each pair but the last."""

    def __init__(self, leads: int = 2, widths: tuple[int, ...] = (16, 24, 32), classes: int = len(HEARTBEAT_CLASSES)):
        super().__init__()
        layers: list[nn.Module] = []
        before = leads
        for stage, width in enumerate(widths):
            layers += [nn.MaxPool1d(2)] if stage else []
            for _ in range(2):
                layers += [nn.Conv1d(before, width, 7, padding=3, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
                before = width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(before, classes)

    def forward(self, x: Float[Tensor, "n leads samples"]) -> Float[Tensor, "n classes"]:
        """The logits of the classes."""
        result: Tensor = self.classifier(self.features(x).amax(2))
        return result


class SignalNetwork(NamedTuple):
    """A network of signals with the names of its classes and the samples in a second: `Lens` takes all three."""

    model: nn.Module
    labels: list[str]
    rate: float


def heartbeats() -> SignalNetwork:
    """A network that finds the fault in `Heartbeats`; all of 2,000 new ones are right. 22,000 parameters."""
    with torch.random.fork_rng(devices=[]):  # its first weights must not change the user's random numbers
        model = HeartNet()
    with as_file(files("nnlens.zoo").joinpath("heartbeats.pt")) as path:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict({key: item.float() if item.is_floating_point() else item for key, item in weights.items()})
    return SignalNetwork(model.eval(), HEARTBEAT_CLASSES, RATE)
