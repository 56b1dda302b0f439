"""Spectra of all layers against WeightWatcher, and how long a layer's filters take: `python benchmarks/weights.py`

Both compute the singular values and the power law's exponent of the layers of EfficientNet-Lite0 that both analyse, in
one process, in turn. Their exponents cannot be compared: WeightWatcher pools the eigenvalues of the slices of a
convolution's kernel and rescales them, nnlens takes the filters as one matrix. WeightWatcher is not among the project's
dependencies: `pip install weightwatcher -c constraints.txt` in an environment of its own.

`python benchmarks/weights.py tables [FOLDER]` prints the weights of trained networks against their initialisation: that
is `docs/guide/weight-tables.md`; `trained.py` says what FOLDER may hold, without it the networks of the package are
shown. Ten draws of each layer's initialisation, whose mean stands in brackets; a star says that the number is far from
all of them, as `kernels.weights.Compared.differs` says.
"""

from __future__ import annotations

import contextlib
import io
import logging
import statistics
import sys
import time
import warnings
from pathlib import Path

from trained import networks

import nnlens
from nnlens.kernels import weights
from nnlens.render.weights import bank_payload, detail_payload

ROUNDS = 5
COLUMNS = ("kurtosis", "norm spread", "stable rank", "energy above random", "axes", "frequency", "dead", "redundant")


def against_weightwatcher(model) -> None:
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            import weightwatcher
    except ImportError:
        print("weightwatcher is not installed: nothing to compare with")
        return
    logging.getLogger("weightwatcher").setLevel(logging.ERROR)
    watcher = weightwatcher.WeightWatcher(model=model)
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        details = watcher.analyze(min_evals=1)
    names = [name for name in details["longname"] if name in weights.find(model)]

    def theirs() -> None:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            watcher.analyze(min_evals=1)

    def ours() -> None:
        found = weights.find(model)
        for name in names:
            _ = weights.spectrum(found[name].matrix()).tail

    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _round in range(ROUNDS):
        for name, run in (("ours", ours), ("theirs", theirs)):
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    own, other = (statistics.median(seconds[name]) for name in ("ours", "theirs"))
    print(f"spectra and exponents of {len(names)} of {len(details)} layers: {own:.2f} s, WeightWatcher {other:.2f} s")
    print(f"ratio of medians {other / own:.1f}")


def filters(model) -> None:
    """From the choice of a layer to what the browser is sent."""
    found = weights.find(model)
    times = []
    for weight in found:
        began = time.perf_counter()
        own = weights.FilterStatistics(weight)
        bank_payload(own)
        detail_payload(own, 0)
        times.append((1000 * (time.perf_counter() - began), weight.name, weight.label))
    times.sort(reverse=True)
    print(f"filters of a layer: median {statistics.median(ms for ms, *_ in times):.0f} ms; the slowest:")
    for ms, name, label in times[:5]:
        print(f"  {ms:5.0f} ms  {name} ({label})")


def cell(comparison: weights.Comparison, name: str) -> str:
    item = comparison.numbers.get(name)
    if item is None:
        return "–"
    return f"{item.value:.2g}{'*' if item.differs else ''} ({item.mean:.2g})"


def tables(folder: Path | None) -> None:
    """The weights of trained networks against ten draws of their initialisation."""
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


def main() -> None:
    if sys.argv[1:2] == ["tables"]:
        tables(Path(sys.argv[2]) if len(sys.argv) > 2 else None)
        return
    model = nnlens.zoo.efficientnet_lite0().model
    filters(model)
    against_weightwatcher(model)


if __name__ == "__main__":
    main()
