"""Do activations become sparser and more localised during training? `python benchmarks/sparsity.py [FOLDER]`

The package's small networks, trained anew from three seeds while a `Watch` measures the held-out images: the share of
zeros, and the share of its positions over which a unit's map is spread (see `ActivationFigures`). Printed are the
means at the first and the last step with the 95 % interval of the change over the seeds (Student's t, two degrees of
freedom). Digits: 800 of the package's; objects: 1,000 of FOLDER/datasets/cifar10_test1200.npz. Ten minutes.
"""

from __future__ import annotations

import math
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from trained import digits, objects

import nnlens
from nnlens.zoo.small import digits_net, objects_net

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
    table("digits", digits_net, *digits(), count=800)
    if len(sys.argv) > 1:
        table("objects", objects_net, *objects(Path(sys.argv[1])), count=1000)


if __name__ == "__main__":
    main()
