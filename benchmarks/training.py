"""What watching costs a training: `python benchmarks/training.py`

Each network is trained with and without a `Watch`, in turn, in rounds; printed are the medians of a round and their
ratio. Rounds are long enough for the default of at most 4 % of the time to hold. Two minutes on two cores.
"""

from __future__ import annotations

import copy
import statistics
import tempfile
import time

import torch
import torch.nn.functional as F
from networks import resnet18
from torch import nn

import nnlens

SECONDS = 2.0
ROUNDS = 9


def rounds(name: str, model: nn.Module, x: torch.Tensor, classes: int) -> None:
    plain, watched = copy.deepcopy(model).train(), copy.deepcopy(model).train()
    y = torch.randint(0, classes, (len(x),))
    optimisers = {id(item): torch.optim.SGD(item.parameters(), lr=1e-3, momentum=0.9) for item in (plain, watched)}

    def step(item: nn.Module) -> torch.Tensor:
        loss = F.cross_entropy(item(x), y)
        optimisers[id(item)].zero_grad()
        loss.backward()
        optimisers[id(item)].step()
        return loss

    step(plain)
    begin = time.perf_counter()
    step(plain)
    count = max(3, round(SECONDS / (time.perf_counter() - begin)))
    seconds: dict[str, list[float]] = {"plain": [], "watched": []}
    with nnlens.Watch(nnlens.Lens(watched), x[:8], folder=tempfile.mkdtemp()) as watch:
        for number in range(ROUNDS):
            for kind in ("plain", "watched") if number % 2 else ("watched", "plain"):
                begin = time.perf_counter()
                for _step in range(count):
                    loss = step(plain if kind == "plain" else watched)
                    if kind == "watched":
                        watch.step(loss=loss)
                seconds[kind].append(time.perf_counter() - begin)
        looked, written = len(watch.history.measurements), len(watch.checkpoints)
    one, two = (1000 * statistics.median(seconds[kind]) / count for kind in ("plain", "watched"))
    print(f"| {name} | {one:.1f} | {two:.1f} | {two / one:.3f} | {looked} | {written} |", flush=True)


def main() -> None:
    torch.manual_seed(0)
    print("| network, batch | ms a step | watched | ratio (goal ≤ 1.05) | measurements | checkpoints |")
    print("| --- | --- | --- | --- | --- | --- |")
    rounds("ResNet-18, 8 × 64²", resnet18(), torch.randn(8, 3, 64, 64), 1000)
    for name, size in (("digits", 28), ("objects", 32)):
        zoo = getattr(nnlens.zoo, name)().model
        channels = next(item for item in zoo.modules() if isinstance(item, nn.Conv2d)).in_channels
        rounds(f"zoo.{name}, 64 × {size}²", zoo, torch.randn(64, channels, size, size), 10)


if __name__ == "__main__":
    main()
