"""The view of a recurrent network as a chaotic system."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import nnlens
from nnlens.kernels import chaos


class Reader(nn.Module):
    """Characters through a recurrent layer with known weights."""

    def __init__(self, kind="RNN_TANH"):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(4, 6)
        self.first = nn.RNN(6, 8, nonlinearity=kind[4:].lower(), batch_first=True)
        self.second = nn.GRU(8, 5, batch_first=True)
        self.head = nn.Linear(5, 4)

    def forward(self, ids):
        return self.head(self.second(self.first(self.embedding(ids))[0])[0])


def lens(kind="RNN_TANH"):
    return nnlens.Lens(Reader(kind).eval(), alphabet="abcd")


def test_the_exponents_are_those_of_the_kernel():
    view = lens().exponents("abcdabca" * 10)
    assert view.wait(60)
    assert view.error is None
    ids = torch.tensor([["abcd".index(letter) for letter in "abcdabca" * 10]])
    expected = chaos.recurrent_exponents(view.session.model, ids, directions=8)
    np.testing.assert_allclose(view.exponents["values"], expected.values, rtol=1e-4)
    assert view.exponents["steps"] == 72
    assert view.exponents["about"] == expected.describe() in view.describe()
    assert view.recurrent_layers == ["first", "second"]


def test_another_layer_and_another_text():
    view = lens().exponents("abcd" * 15)
    assert view.wait(60)
    first = view.exponents
    view.recurrent_layer = "second"
    assert view.wait(60)
    assert len(view.exponents["values"]) == 5
    view.typed = {"text": "aaaa" * 15}
    assert view.wait(60)
    assert view.error is None
    assert view.exponents["values"] != first["values"]


def test_units_that_are_off_are_counted():
    view = lens("RNN_RELU").exponents("abcd" * 15)
    assert view.wait(60)
    assert view.exponents["collapsed"] == sum(value is None for value in view.exponents["values"]) > 0


def test_bad_input():
    with pytest.raises(ValueError, match="recurrent_layer must be one of first, second, got 'third'"):
        lens().exponents("abcd", recurrent_layer="third")
    plain = nnlens.Lens(nn.Sequential(nn.Embedding(4, 6), nn.Linear(6, 4)), alphabet="abcd")
    with pytest.raises(ValueError, match="must have a recurrent layer"):
        plain.exponents("abcd")


def test_the_page_has_the_exponents(tmp_path):
    view = lens().exponents("abcd" * 15)
    assert view.save(tmp_path / "page.html").stat().st_size < 200_000
    assert view.exponents is not None
    assert view.picture().size[0] > 200
