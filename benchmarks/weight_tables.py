"""The weights of trained networks against their initialisation: `python benchmarks/weight_tables.py [FOLDER]`

What FOLDER may hold is said in `trained.py`; without it the networks of the package are shown. Ten draws of each
layer's initialisation, whose mean stands in brackets; a star says that the number is far from all of them, as
`kernels.weights.Compared.differs` says. The output is `docs/guide/weight-tables.md`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from trained import networks

from nnlens.kernels import weights

COLUMNS = ("kurtosis", "norm spread", "stable rank", "energy above random", "axes", "frequency", "dead", "redundant")


def cell(comparison: weights.Comparison, name: str) -> str:
    item = comparison.numbers.get(name)
    if item is None:
        return "–"
    return f"{item.value:.2g}{'*' if item.differs else ''} ({item.mean:.2g})"


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    for title, model in networks(folder):
        print(f"\n### {title}\n")
        print(f"| layer | {' | '.join(COLUMNS)} | α (D; tail) | Gabor R² above noise |")
        print(f"| --- |{' --- |' * (len(COLUMNS) + 2)}")
        fitting = short = layers = 0
        for weight in weights.find(model):
            comparison = weights.compare_with_initial(weight, draws=10)
            statistics, tail = comparison.statistics, comparison.statistics.spectrum.tail
            layers += 1
            words = "–"
            if tail is not None:
                bad = tail.distance > tail.critical
                fitting += tail.follows
                short += tail.count < 50
                words = f"{tail.alpha:.2f} ({tail.distance:.3f}{', bad' if bad else ''}; {tail.count} of {tail.of})"
            gabor = "–"
            if statistics.gabor is not None and statistics.gabor_of_noise is not None:
                above = (statistics.gabor.r_squared > statistics.gabor_of_noise.r_squared.max()).sum()
                gabor = f"{above} of {len(weight)}"
            cells = " | ".join(cell(comparison, name) for name in COLUMNS)
            print(f"| {weight.name} ({weight.label}) | {cells} | {words} | {gabor} |", flush=True)
        print(f"\npower law possible (D within chance, 50 values): {fitting} of {layers}; tails under 50: {short}")


if __name__ == "__main__":
    main()
