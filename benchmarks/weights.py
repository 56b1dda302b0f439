"""Spectra of all layers against WeightWatcher, and how long a layer's filters take: `python benchmarks/weights.py`

Both compute the singular values and the power law's exponent of the layers of EfficientNet-Lite0 that both analyse, in
one process, in turn. Their exponents cannot be compared: WeightWatcher pools the eigenvalues of the slices of a
convolution's kernel and rescales them, nnlens takes the filters as one matrix. WeightWatcher is not among the project's
dependencies: `pip install weightwatcher -c constraints.txt` in an environment of its own.
"""

from __future__ import annotations

import contextlib
import io
import logging
import statistics
import time
import warnings

import nnlens
from nnlens.kernels import weights
from nnlens.render.weights import bank_payload, detail_payload

ROUNDS = 5


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


def main() -> None:
    model = nnlens.zoo.efficientnet_lite0().model
    filters(model)
    against_weightwatcher(model)


if __name__ == "__main__":
    main()
