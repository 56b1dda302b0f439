"""What watching costs a training: `python benchmarks/training.py [FOLDER]`

Each network is trained with and without a `Watch`, in turn, in rounds; printed are the medians of a round and their
ratio. Rounds are long enough for the default of at most 4 % of the time to hold. Two minutes on two cores.

With FOLDER instead: do activations become sparser and more localised during training? The package's small networks are
trained anew from three seeds while a `Watch` measures held-out images: the share of zeros, and the share of its
positions over which a unit's map is spread (see `ActivationFigures`). Printed are the means at the first and the last
step with the 95 % interval of the change over the seeds (Student's t, two degrees of freedom). Ten minutes.
"""

from __future__ import annotations

import copy
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from networks import resnet18
from torch import Tensor, nn
from trained import digits, objects

import nnlens
from nnlens.zoo.small import digits_net, objects_net

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


SEEDS, STEPS, BATCH = 3, 600, 64
TABLE_T = 4.303  # 97.5 % of Student's t with two degrees of freedom


def trained(make: Callable[[], nn.Module], x: Tensor, y: Tensor, held: Tensor, seed: int) -> nnlens.Watch:
    torch.manual_seed(seed)
    model = make().train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    with nnlens.Watch(nnlens.Lens(model), held, every=STEPS // 20, folder=tempfile.mkdtemp()) as watch:
        for _step in range(STEPS):
            rows = torch.randint(0, len(x), (BATCH,))
            scores = model(x[rows])
            loss = F.cross_entropy(scores, y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            watch.step(loss=loss, accuracy=(scores.argmax(1) == y[rows]).float().mean())
    return watch


def table(title: str, make: Callable[[], nn.Module], images: Tensor, labels: list[int], count: int) -> None:
    x, y, held = images[:count], torch.tensor(labels[:count]), images[count : count + 32]
    runs = [trained(make, x, y, held, seed) for seed in range(SEEDS)]
    right = statistics.mean(run.history.metrics.latest("accuracy") for run in runs)
    print(f"\n### {title}: {STEPS} steps, accuracy of the last batch {right:.2f}\n")
    print("| layer | zeros: first → last | change, 95 % | spread: first → last | change, 95 % |")
    print("| --- | --- | --- | --- | --- |")
    for layer in runs[0].layers:
        cells = []
        for figure in ("zeros", "spread"):
            values = [run.history.figure(figure, layer)[1] for run in runs]
            first, last = (statistics.mean(row[place] for row in values) for place in (0, -1))
            changes = [row[-1] - row[0] for row in values]
            width = TABLE_T * statistics.stdev(changes) / math.sqrt(SEEDS)
            known = not math.isnan(first)
            cells += (
                [f"{first:.3f} → {last:.3f}", f"{statistics.mean(changes):+.3f} ± {width:.3f}"] if known else ["–"] * 2
            )
        print(f"| {layer} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    if len(sys.argv) > 1:
        table("digits", digits_net, *digits(), count=800)
        table("objects", objects_net, *objects(Path(sys.argv[1])), count=1000)
        return
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
