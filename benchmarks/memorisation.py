"""Do the weights tell a network that learned from one that memorised? `python benchmarks/memorisation.py`

Small networks learn 1,000 handwritten digits with true labels, or with shuffled ones (Zhang et al. 2017,
arXiv:1611.03530), until the training loss is the same. As memorising takes more steps, a third group learns the true
labels for as many steps as its partner with the same seed took to memorise. For each layer and each statistic of
`kernels.weights.measures` the difference to the shuffled group is printed with its 95 % interval (Welch), and with how
often a random assignment of the networks to the groups gives as large a difference in any statistic of any layer
(permutations, maximum over all: a p-value for the whole table). About eight minutes on two cores.
"""

from __future__ import annotations

import itertools
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import nnlens
from nnlens.kernels import weights

SEEDS = 6
GOAL = 0.02  # mean training loss
MOST_EPOCHS = 400


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 24, 5, padding=2), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(24 * 49, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip


def digits() -> tuple[Tensor, Tensor]:
    data = nnlens.zoo.DigitImages()
    pixels = np.stack([np.asarray(data[item][0]) for item in range(len(data))])
    labels = torch.tensor([data[item][1] for item in range(len(data))])
    return torch.from_numpy(pixels).float().unsqueeze(1) / 127.5 - 1, labels


def train(images: Tensor, labels: Tensor, seed: int, epochs: int | None = None) -> tuple[nn.Module, int, float]:
    """A network trained until the loss is reached, or for a number of epochs."""
    torch.manual_seed(seed)
    model = network()
    optimiser = torch.optim.Adam(model.parameters(), 2e-3)
    done, total = 0, 0.0
    while done < (epochs or MOST_EPOCHS):
        done, total = done + 1, 0.0
        for batch in torch.randperm(len(images)).split(50):
            optimiser.zero_grad()
            loss = F.cross_entropy(model(images[batch]), labels[batch])
            loss.backward()
            optimiser.step()
            total += float(loss.detach()) * len(batch)
        if epochs is None and total / len(images) <= GOAL:
            break
    with torch.no_grad():
        final = float(F.cross_entropy(model(images), labels))
    return model.eval(), done, final


def numbers(model: nn.Module) -> dict[tuple[str, str], float]:
    """Each statistic of each layer."""
    known = weights.measures()
    found = {}
    for weight in weights.find(model):
        statistics = weights.FilterStatistics(weight)
        for name, measure in known.items():
            value = measure.value(statistics)
            if np.isfinite(value):
                found[weight.name, name] = value
    return found


def t_values(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Welch's t of each column; 0 where nothing varies."""
    spread = np.sqrt(one.var(0, ddof=1) / len(one) + other.var(0, ddof=1) / len(other))
    return np.where(spread > 0, (one.mean(0) - other.mean(0)) / np.where(spread > 0, spread, 1), 0)


def compared(title: str, one: np.ndarray, other: np.ndarray, columns: list[tuple[str, str]]) -> None:
    """Print how two groups differ, the clearest first."""
    own = t_values(one, other)
    everything = np.concatenate([one, other])
    largest = []
    for chosen in itertools.combinations(range(len(everything)), len(one)):
        rest = [index for index in range(len(everything)) if index not in chosen]
        largest.append(np.abs(t_values(everything[list(chosen)], everything[rest])).max())
    p = np.array([(np.array(largest) >= abs(value) - 1e-9).mean() for value in own])
    print(f"\n{title}: {(p < 0.05).sum()} of {len(columns)} statistics differ (p < 0.05 over the whole table)")
    print(f"{'layer':8} {'statistic':22} {'first':>9} {'second':>9} {'difference':>11} {'95 % interval':>22} {'p':>7}")
    for index in np.argsort(-np.abs(own))[:12]:
        spread = np.sqrt(one[:, index].var(ddof=1) / len(one) + other[:, index].var(ddof=1) / len(other))
        difference = one[:, index].mean() - other[:, index].mean()
        reach = 2.3 * spread  # Student's t for about 8 degrees of freedom
        layer, name = columns[index]
        print(
            f"{layer:8} {name:22} {one[:, index].mean():9.4f} {other[:, index].mean():9.4f} {difference:+11.4f} "
            f"{difference - reach:+10.4f} … {difference + reach:+9.4f} {p[index]:7.3f}"
        )


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS
    images, labels = digits()
    began, groups = time.time(), {"true": [], "shuffled": [], "true, as long": []}
    for seed in range(seeds):
        shuffled = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]
        memorised, epochs, loss = train(images, shuffled, seed)
        learned, fewer, other_loss = train(images, labels, seed)
        longer, _, third_loss = train(images, labels, seed, epochs)
        for name, model in zip(groups, (learned, memorised, longer), strict=True):
            groups[name].append(numbers(model))
        print(
            f"seed {seed}: true labels {fewer} epochs, loss {other_loss:.3f}; shuffled {epochs}, loss {loss:.3f}; "
            f"true as long {third_loss:.5f}; {time.time() - began:.0f} s",
            flush=True,
        )
    columns = sorted(set.intersection(*(set(row) for rows in groups.values() for row in rows)))
    tables = {name: np.array([[row[key] for key in columns] for row in rows]) for name, rows in groups.items()}
    compared("true (first) and shuffled labels (second) at equal loss", tables["true"], tables["shuffled"], columns)
    compared(
        "true (first) and shuffled labels (second) for as long", tables["true, as long"], tables["shuffled"], columns
    )


if __name__ == "__main__":
    main()
