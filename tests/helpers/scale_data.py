"""Data sets, models and tasks that workers of other processes import."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn


class Small(nn.Module):
    """A network that is built without arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
        self.second, self.head = nn.Conv2d(8, 12, 3, stride=2), nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.second(torch.relu(self.norm(self.first(x)))))
        return self.head(x.amax((2, 3)))


class Sized(nn.Module):
    """A network whose class takes an argument."""

    def __init__(self, width: int):
        super().__init__()
        self.first = nn.Conv2d(3, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.first(x).amax((2, 3))


def sized() -> Sized:
    """The same with its width."""
    return Sized(7)


def other_width() -> Sized:
    """Another one."""
    return Sized(6)


class Letters(nn.Module):
    """A network that reads letters."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.rnn = nn.Embedding(5, 4), nn.LSTM(4, 6, batch_first=True)

    def forward(self, ids: Tensor) -> Tensor:
        return self.rnn(self.embedding(ids))[0]


class Images:
    """Images by index, of numbers that often occur twice; each that is read is noted in a file."""

    def __init__(self, count: int, log: Path | None = None, **faults: int):
        self.count, self.log, self.faults = count, log, faults

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, item: int) -> Tensor:
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(f"{item}\n")
        if item == self.faults.get("broken"):
            raise OSError("a broken file")
        if item == self.faults.get("missing"):
            raise FileNotFoundError("no such file")
        if item == self.faults.get("deadly"):
            os._exit(1)
        if item == self.faults.get("deadly_once") and self.log is not None:
            mark = self.log.with_suffix(".died")
            if not mark.exists():
                mark.touch()
                os._exit(1)
        generator = torch.Generator().manual_seed(item % 50)
        return torch.randn(3, 12, 12, generator=generator).round(decimals=1)

    def read(self) -> list[int]:
        """Which were read, in order."""
        assert self.log is not None
        return list(map(int, self.log.read_text().split())) if self.log.exists() else []


class Locked(Images):
    """A data set that cannot be sent."""

    def __init__(self, count: int):
        super().__init__(count)
        self.lock = threading.Lock()


def squares(model: nn.Module, given: dict[str, int]):
    """A task: the squares of the inputs' numbers; one shard always raises."""
    if given.get("unprepared"):
        raise RuntimeError("nothing can be prepared here")

    def run(shard):
        if shard.number == given.get("raises"):
            raise RuntimeError("this shard always raises")
        yield
        return {"squares": np.arange(shard.start, shard.stop) ** 2}

    return run
