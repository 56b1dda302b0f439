"""Quantiles of a stream against sorting all of it."""

from __future__ import annotations

import numpy as np
import pytest

from nnlens.kernels import QuantileSketch

SHARES = np.linspace(0, 1, 101)


def rank_error(sketch: QuantileSketch, stream: np.ndarray) -> float:
    """By how much of the stream's length the sketch's quantiles lie beside the ranks that they were asked for."""
    worst = 0.0
    for unit, found in enumerate(sketch.quantiles(SHARES)):
        column = np.sort(stream[:, unit])
        low = np.searchsorted(column, found, "left") / len(column)
        high = np.searchsorted(column, found, "right") / len(column)
        worst = max(worst, float(np.maximum(low - SHARES, SHARES - high).max()))
    return worst


STREAMS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "mostly zeros": lambda rng, n: np.maximum(rng.normal(size=n), 0),
    "rising": lambda rng, n: np.arange(n),
    "falling": lambda rng, n: -np.arange(n),
    "in waves": lambda rng, n: np.sin(np.arange(n) / 700),
    "heavy tail": lambda rng, n: rng.pareto(0.5, size=n),
}


@pytest.mark.parametrize("length", [1, 9, 1024, 5000, 200_000])
def test_ranks_are_right_to_half_a_percent(length):
    rng = np.random.default_rng(0)
    stream = np.stack([make(rng, length) for make in STREAMS.values()], 1).astype(np.float32)
    sketch = QuantileSketch(len(STREAMS))
    for part in np.array_split(stream, max(1, length // 700)):
        sketch.add(part)
    assert sketch.count == length
    assert rank_error(sketch, stream) <= 0.005 + 1 / length
    for unit in range(len(STREAMS)):
        value = float(np.median(stream[:, unit]))
        below = (stream[:, unit] < value).mean() + (stream[:, unit] == value).mean() / 2
        assert sketch.rank(unit, value) == pytest.approx(below, abs=0.005)


def test_how_the_numbers_are_handed_over_does_not_matter():
    stream = np.random.default_rng(1).normal(size=(3000, 2)).astype(np.float32)
    whole, single = QuantileSketch(2), QuantileSketch(2)
    whole.add(stream)
    for row in stream:
        single.add(row[None])
    np.testing.assert_array_equal(whole.quantiles(SHARES), single.quantiles(SHARES))


def test_merged_and_restored_sketches():
    stream = np.random.default_rng(2).normal(size=(30_000, 3)).astype(np.float32)
    parts = []
    for part in np.array_split(stream, 7):
        sketch = QuantileSketch(3)
        sketch.add(part)
        parts.append(QuantileSketch.restored(sketch.state()))
    merged = parts[0]
    for part in parts[1:]:
        merged.merge(part)
    assert merged.count == len(stream)
    assert rank_error(merged, stream) <= 0.005
    with pytest.raises(ValueError, match="sketch of 3 units, got one of 2"):
        merged.merge(QuantileSketch(2))


def test_memory_hardly_grows():
    sketch = QuantileSketch(1)
    sizes = []
    for _ in range(8):
        for _ in range(32):
            sketch.add(np.random.default_rng(0).normal(size=(1024, 1)))
        sizes.append(sum(array.nbytes for array in sketch.state().values()))
    assert max(sizes) <= 4 * 1024 * 11


def test_of_nothing():
    assert np.isnan(QuantileSketch(2).quantiles([0.5])).all()
    assert np.isnan(QuantileSketch(2).rank(0, 1.0))


def test_errors_cancel():
    """Where buffers are merged, one half is kept and then the other: ranks lean to neither side."""
    stream = np.random.default_rng(3).normal(size=(200_000, 8)).astype(np.float32)
    sketch = QuantileSketch(8)
    sketch.add(stream)
    shares = np.linspace(0.02, 0.98, 49)
    errors = [
        np.searchsorted(np.sort(stream[:, unit]), found) / len(stream) - shares
        for unit, found in enumerate(sketch.quantiles(shares))
    ]
    assert abs(np.mean(errors)) < 0.0005


@pytest.mark.parametrize("seed", range(3))
def test_compacted_sketches_are_merged_to_half_a_per_cent(seed):
    random = np.random.default_rng(seed)
    values = random.gamma(1.5, 2, (20_000, 3)).astype(np.float32)
    whole = QuantileSketch(3)
    for part in np.array_split(values, 61):
        sketch = QuantileSketch(3)
        sketch.add(part)
        small = sketch.compacted(128)
        assert small.count == len(part)
        assert sum(buffer.shape[1] for buffer in small._numbers().values()) <= 128
        whole.merge(QuantileSketch.restored(small.state()))
    assert whole.count == len(values)
    shares = np.linspace(0.01, 0.99, 50)
    found = whole.quantiles(list(shares))
    for unit in range(3):
        ordered = np.sort(values[:, unit])
        ranks = np.searchsorted(ordered, found[unit]) / len(ordered)
        assert np.abs(ranks - shares).max() < 0.005
        assert abs(whole.rank(unit, float(np.median(ordered))) - 0.5) < 0.005


def test_merged_in_order_they_are_the_sketch_of_all_numbers():
    values = np.random.default_rng(0).normal(size=(5_000, 2)).astype(np.float32)
    one, merged = QuantileSketch(2), QuantileSketch(2)
    one.add(values)
    for part in np.array_split(values, 20):  # each smaller than a buffer
        sketch = QuantileSketch(2)
        sketch.add(part)
        merged.merge(sketch)
    shares = [0.1, 0.5, 0.9]
    assert np.array_equal(one.quantiles(shares), merged.quantiles(shares))
