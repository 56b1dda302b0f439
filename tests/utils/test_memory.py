"""Memory that was freed goes back to the system."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from nnlens.utils import memory


@pytest.mark.skipif(memory._trim() is None, reason="another C library")
def test_what_was_freed_is_given_back(monkeypatch):
    monkeypatch.setattr(memory, "_before", memory.resident())
    assert not memory.give_back_memory()  # nothing was taken since
    # Small pieces, the last of which is kept: the C library would keep all before it.
    pieces = [np.ones(8000) for _ in range(5000)]
    kept = pieces.pop()
    full = memory.resident()
    del pieces
    gc.collect()
    assert memory.give_back_memory()
    assert memory.resident() < full - 200 * 2**20
    assert kept.sum() == 8000


def test_where_the_c_library_cannot_nothing_happens(monkeypatch):
    monkeypatch.setattr(memory, "_trim", lambda: None)
    assert not memory.give_back_memory()
