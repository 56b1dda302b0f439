"""Small images: windows or whole passes, whichever is the faster one, and the same scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nnlens.kernels import occlusion, prepare_passes
from nnlens.kernels.occlusion import engine
from nnlens.kernels.occlusion.windows import tail
from nnlens.passes.onnx_runtime import OnnxPasses


@pytest.fixture(autouse=True)
def _chooses(_windows_of_small_images, monkeypatch):
    monkeypatch.setattr(engine, "SMALL", 96 * 96)


def random_network(seed):
    torch.manual_seed(seed)
    width = 4 + seed
    parts = [nn.Conv2d(3, width, 3, 1 + seed % 2, seed % 3), nn.BatchNorm2d(width), nn.ReLU()]
    parts += [nn.MaxPool2d(2)] if seed % 2 else [nn.Conv2d(width, width, 3, padding=1, groups=width), nn.ReLU()]
    parts += [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * width, 5)]
    model = nn.Sequential(*parts)
    model(torch.randn(8, 3, 24, 20))
    return model.eval()


def dense(model, x, result):
    """Every position by the model itself."""
    expected = np.empty_like(result.logits)
    for row, top in enumerate(result.tops):
        for column, left in enumerate(result.lefts):
            hidden = x.clone()
            hidden[:, :, top : top + result.size[0], left : left + result.size[1]] = 0.5
            with torch.no_grad():
                expected[row, column] = model(hidden)[0].numpy()
    return expected


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("paces", [{}, {"whole": 1e-6}, {"windows": 1e-6}])
def test_the_scores_are_those_of_the_model_in_either_way(seed, paces):
    model, x = random_network(seed), torch.rand(1, 3, 24, 20)
    prepared = prepare_passes(model, x)
    known = {"whole": "whole", "windows": ("windows", (6, 6), True)}
    for way, seconds in paces.items():
        for name, key in known.items():
            prepared.paces[key] = [seconds if name == way else 1.0] * 2
    result = occlusion(model, x, size=6, stride=2, fill=0.5, prepared=prepared)
    assert result.complete
    np.testing.assert_allclose(result.logits, dense(model, x, result), atol=1e-4)
    if "whole" in paces:
        assert result.how == "whole passes of the prepared model, which are faster here"
    if "windows" in paces:
        assert "on windows" in result.how
    if not paces:  # both are tried, and then the time of each is known
        again = occlusion(model, x, size=6, stride=2, fill=0.5, prepared=prepared)
        np.testing.assert_allclose(again.logits, result.logits, atol=1e-4)
        assert all(prepared.pace(key) > 0 for key in known.values())


def deep_head():
    """A network of which little more than the first convolution is local, as in a transformer."""
    torch.manual_seed(0)
    layers = [layer for _ in range(15) for layer in (nn.Linear(16, 16), nn.Tanh())]
    return nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.AdaptiveAvgPool2d(2), nn.Flatten(), *layers, nn.Linear(16, 5)).eval()


@pytest.mark.parametrize("whole", [1e-6, 10.0])
def test_of_a_network_that_is_hardly_local_both_ways_are_tried(monkeypatch, whole):
    monkeypatch.setattr(engine, "SMALL", 0)
    model, x = deep_head(), torch.rand(1, 3, 40, 40)
    prepared = prepare_passes(model, x)
    # Unknown ways are tried first; then the faster one is used.
    occlusion(model, x, size=8, stride=4, fill=0.5, prepared=prepared)
    assert "whole" in prepared.paces
    prepared.paces["whole"] = [whole] * 6
    prepared.paces["windows", (8, 8), True] = [1e-3] * 6
    result = occlusion(model, x, size=8, stride=4, fill=0.5, prepared=prepared)
    np.testing.assert_allclose(result.logits, dense(model, x, result), atol=1e-4)
    assert ("whole passes" in result.how) == (whole < 1)


class Residual(nn.Module):
    """Joins two branches in place, after which the forward continues with either name."""

    def __init__(self, returned):
        super().__init__()
        self.stem, self.left, self.right = (
            nn.Conv2d(3, 6, 3, padding=1),
            nn.Conv2d(6, 6, 3, 2, 1),
            nn.Conv2d(6, 6, 1, 2),
        )
        self.norm, self.last, self.returned = nn.BatchNorm2d(6), nn.Conv2d(6, 4, 5), returned

    def forward(self, x):
        x = torch.relu(self.stem(x))
        joined = self.norm(self.left(x))
        joined += self.right(x)
        rectified = nn.functional.relu(joined, inplace=True)
        return self.last(rectified if self.returned else joined).amax((2, 3))


@pytest.mark.parametrize("seed", [0, 2, 4, "returned", "written"])
def test_the_tail_on_onnx_runtime_gives_the_scores_of_the_model(seed, monkeypatch):
    """Every position, those at borders and corners included; and the model is returned as it was."""
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(engine, "SMALL", 0)
    torch.manual_seed(5)
    model = Residual(seed == "returned") if isinstance(seed, str) else random_network(seed)
    model.train()
    model(torch.randn(8, 3, 24, 20))
    x = torch.rand(1, 3, 24, 20)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    prepared = prepare_passes(model, x, engine="onnx")
    prepared.paces["whole"] = [1.0] * 4
    for size, stride in [((6, 6), 2), ((3, 9), 5)]:
        prepared.paces["windows", size, True] = [0.5] * 4
        result = occlusion(model, x, size=size, stride=stride, fill=0.5, prepared=prepared)
        # What was written, and not returned, a trace does not see: torch computes it.
        rest = "whole" if seed == "written" else "on ONNX Runtime"
        assert result.how.endswith(f"operations on windows, the rest {rest}")
        assert model.training
        with torch.no_grad():
            expected = dense(model.eval(), x, result)
        model.train()
        np.testing.assert_allclose(result.logits, expected, atol=1e-4)
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_tail_that_does_not_export_stays_with_torch(monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(engine, "SMALL", 0)
    model, x = random_network(2), torch.rand(1, 3, 24, 20)
    prepared = prepare_passes(model, x, engine="onnx")

    def refuse(*_arguments, **_options):
        raise KeyError("an error of the exporter")

    monkeypatch.setattr(tail, "OnnxModule", refuse)
    prepared.paces["whole"] = [1.0] * 4
    result = occlusion(model, x, size=6, stride=2, fill=0.5, prepared=prepared)
    assert result.how.endswith("operations on windows, the rest whole")
    np.testing.assert_allclose(result.logits, dense(model, x, result), atol=1e-4)
    # Whole passes are still an alternative, when it is known how long windows take.
    prepared.paces["whole"] = [1e-9] * 4
    occlusion(model, x, size=6, stride=2, fill=0.5, prepared=prepared)
    assert occlusion(model, x, size=6, stride=2, fill=0.5, prepared=prepared).how == "whole passes on ONNX Runtime"


def test_a_way_that_comes_close_is_tried_again():
    model, x = random_network(2), torch.rand(1, 3, 24, 20)
    prepared = prepare_passes(model, x)
    for seconds, again in [(1.3e-9, True), (1.0, False)]:
        prepared.paces["whole"] = [1e-9] * 4
        prepared.paces["windows", (6, 6), True] = [seconds] * 2
        occlusion(model, x, size=6, stride=2, fill=0.5, prepared=prepared)
        assert (len(prepared.paces["windows", (6, 6), True]) > 2) == again


def test_whole_passes_on_onnx_runtime_where_they_are_faster(monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(engine, "SMALL", 0)
    model, x = random_network(2), torch.rand(1, 3, 24, 20)
    prepared = prepare_passes(model, x)
    prepared.onnx = OnnxPasses(model, x, prepared.meaning)
    for seconds, how in [(1.0, "on windows"), (1e-9, "whole passes on ONNX Runtime")]:
        prepared.paces["whole"] = [seconds] * 4
        for _map in range(2):  # two blocks on windows first
            result = occlusion(model, x, size=6, stride=2, fill=0.5, prepared=prepared)
            np.testing.assert_allclose(result.logits, dense(model, x, result), atol=1e-4)
        assert how in result.how


def test_large_images_and_units_are_not_tried_out():
    model = random_network(1)
    large = torch.rand(1, 3, 100, 97)
    prepared = prepare_passes(model, large)
    assert "on windows" in occlusion(model, large, size=16, stride=32, prepared=prepared).how
    small = torch.rand(1, 3, 24, 20)
    noted = prepare_passes(model, small)
    result = occlusion(model, small, size=6, stride=4, unit=("0", 1), prepared=noted)
    assert result.activations is not None
    assert not noted.paces["whole"]
    assert not prepared.paces["whole"]
