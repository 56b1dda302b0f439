"""Fixtures of the views' tests."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NNLENS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def pictures() -> list[tuple[np.ndarray, int]]:
    generator = np.random.default_rng(0)
    return [(generator.integers(0, 256, (32, 32, 3), dtype=np.uint8), number % 5) for number in range(40)]
