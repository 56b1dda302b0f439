"""One output has at most 2 MB, and says what was reduced for that."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

import nnlens
from nnlens.export.bundle import BUDGET
from nnlens.render import smaller_occlusion_map, smaller_texture, smaller_unit_map
from nnlens.render.textures import unit_texture
from nnlens.render.units import signed_texture

SIDE = 1000


class Large(nn.Module):
    """One map of 1000 × 1000 that hardly compresses."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)
        self.head = nn.Linear(100, 3)

    def forward(self, x):
        return self.head(nn.functional.adaptive_avg_pool2d(self.conv(x).relu(), 10).flatten(1))


@pytest.fixture(scope="module")
def lens():
    torch.manual_seed(0)
    return nnlens.Lens(Large().eval(), labels=["a", "b", "c"])


@pytest.fixture(scope="module")
def image():
    return torch.rand(1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def size(bundle) -> int:
    return sum(len(value) for kind, value in bundle.items() if kind in ("text/html", "image/png", "text/plain"))


OPTIONS = {
    "explore": {"size": 500, "stride": 250, "card": True},
    "activations": {},
    "occlusion": {"size": 500, "stride": 250},
    "unit": {},
    "attribution": {
        "methods": ["gradient", "guided_backprop", "deconvnet"],
        "target": [0, 1],
        "checks": [],
        "segmentation": "grid",
    },
}


@pytest.mark.parametrize("view", OPTIONS)
def test_a_large_map_fits_into_each_views_output(lens, image, view, monkeypatch):
    shown = getattr(lens, view)(image, **OPTIONS[view])
    monkeypatch.setattr(shown, "_static", True)  # as nbconvert executes it: everything is computed
    bundle, _ = shown._repr_mimebundle_()
    assert size(bundle) <= BUDGET
    # Values that were left out are said to be; the exact ones are Python's.
    if view in ("explore", "activations", "unit"):
        assert shown.unit_map["step"] == 2
        assert shown.result.activations.values.shape == (1, SIDE, SIDE) if view != "activations" else True
    if view in ("attribution", "unit"):
        state = shown.page_state(room=BUDGET // 2)
        assert re.search("reduced to fit into this page: .*map", state["note"])


def test_examples_of_a_large_map_fit(lens):
    images = torch.rand(4, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    view = lens.examples(images, layers=["conv"], store=False)
    assert view.wait(120)
    bundle, _ = view._repr_mimebundle_()
    assert size(bundle) <= BUDGET


def test_a_fine_occlusion_map_fits(lens):
    image = torch.rand(1, 100, 100, generator=torch.Generator().manual_seed(2))
    view = lens.occlusion(image, size=8, stride=2)
    assert view.wait(120)
    assert len(view.occlusion_map["tops"]) == 47
    state = view.page_state(room=30_000)
    kept = state["occlusion_map"]
    assert len(kept["tops"]) < 47
    assert "map" in state["note"]
    row, column = 3, 5
    at = view.occlusion_map["tops"].index(kept["tops"][row]), view.occlusion_map["lefts"].index(kept["lefts"][column])
    whole = np.frombuffer(view.occlusion_map["probability"], np.float32).reshape(-1, 47, 47)
    part = np.frombuffer(kept["probability"], np.float32).reshape(len(kept["targets"]), len(kept["tops"]), -1)
    assert part[0, row, column] == whole[0, at[0], at[1]]


def test_what_is_reduced_keeps_the_largest_values():
    values = torch.randn(1, 1, 70, 90, generator=torch.Generator().manual_seed(3))
    recording = nnlens.record(nn.Identity(), values)
    maps = nnlens.kernels.activations(nnlens.record(nn.ReLU(), values), "output" if "output" in recording else "relu")
    whole, small = unit_texture(maps, 0), smaller_unit_map({**unit_texture(maps, 0), "class_name": ""})
    assert (whole["step"], small["step"], small["rows"], small["columns"]) == (1, 2, 35, 45)
    reduced = unit_texture(maps, 0, most_values=1_000)
    assert reduced["rows"] * reduced["columns"] <= 1_000
    exact = np.frombuffer(whole["data"], np.float32).reshape(70, 90)
    cells = exact.reshape(35, 2, 45, 2).max((1, 3))
    np.testing.assert_array_equal(np.frombuffer(small["data"], np.float32).reshape(35, 45), cells)
    texture = signed_texture(values[0].numpy(), most_side=45)
    assert (texture["rows"], texture["columns"], texture["step"]) == (35, 45, 2)
    assert texture["largest"] == pytest.approx(float(values.abs().max()))
    assert smaller_texture(texture)["step"] == 4
    assert smaller_texture({"error": "no gradient"}) is None
    tiny = {"targets": [0], "tops": [0], "lefts": [0]}
    assert smaller_occlusion_map(tiny) is None
