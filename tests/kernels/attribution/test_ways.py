"""Default layers lie on the way to the scores; class maps along any axes; effective weights; what has no plain form."""

from __future__ import annotations

import copy
import threading

import numpy as np
import pytest
import torch
import torch.ao.quantization as quantization
from nets import Net
from torch import nn

import nnlens
from nnlens import kernels
from nnlens.kernels.attribution.evidence.randomisation import randomised_copy, weighted_layers
from nnlens.recording import record


class MapSimilarity(nn.Module):
    """Compares its input with a reference picture, which goes through the same encoder last."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.encoder = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU())
        self.register_buffer("reference", torch.rand(1, 3, 40, 40))

    def forward(self, x):
        one, other = self.encoder(x).flatten(1), self.encoder(self.reference).flatten(1)
        return nn.functional.cosine_similarity(one, other)[:, None]


class Two(nn.Module):
    """Scores, and boxes that are computed last."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(4)
        self.body, self.scores, self.boxes = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 6, 1), nn.Conv2d(8, 4, 1)

    def forward(self, x):
        y = self.body(x).relu()
        return self.scores(y).mean((2, 3)), self.boxes(y)


def test_the_default_layer_belongs_to_the_input():
    model, x = MapSimilarity().eval(), torch.rand(1, 3, 40, 40)
    view = nnlens.Lens(model).explore(x, size=20, stride=20)
    np.testing.assert_allclose(view.result.activations.values, model.encoder(x)[0].detach(), atol=1e-6)
    found = kernels.grad_cam(model, x, upsample="none")
    maps = model.encoder(x).detach().requires_grad_()
    other = model.encoder(model.reference).flatten(1).detach()
    nn.functional.cosine_similarity(maps.flatten(1), other).sum().backward()
    right = (maps.grad.mean((2, 3), keepdim=True) * maps).sum(1).clamp(min=0)[0].detach()
    np.testing.assert_allclose(found.values[0], right, atol=1e-7)


@pytest.mark.parametrize("output", [0, None])
def test_the_default_layer_belongs_to_the_scores_of_several_outputs(output):
    model, x = Two().eval(), torch.rand(1, 3, 16, 16)
    assert kernels.grad_cam(model, x, output=output).layer in ("relu", "scores")
    assert nnlens.Lens(model, output=output).explore(x, size=8, stride=8).layer != "boxes"


def pooled(convolution, *pool):
    return nn.Sequential(convolution, nn.ReLU(), *pool, nn.Flatten(), nn.Linear(6, 3))


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: pooled(nn.Conv1d(3, 6, 5, padding=2), nn.AdaptiveAvgPool1d(1)), (3, 40)),
        (lambda: pooled(nn.Conv3d(2, 6, 3, padding=1), nn.AdaptiveAvgPool3d(1)), (2, 5, 6, 7)),
        (lambda: pooled(nn.Conv2d(3, 6, (5, 1), padding=(2, 0)), nn.AdaptiveAvgPool2d(1)), (3, 60, 1)),
        (lambda: pooled(nn.Conv2d(3, 6, 9)), (3, 9, 9)),
    ],
    ids=["line", "volume", "column", "one place"],
)
@pytest.mark.parametrize("method", ["grad_cam", "grad_cam_plus_plus"])
def test_class_maps_along_any_axes(make, shape, method):
    torch.manual_seed(0)
    model, x = make().eval(), torch.randn(1, *shape)
    found = kernels.attribution(model, x, method, target=1, layer="1")
    assert found.values.shape == (1, *shape[1:])
    maps = model[:2](x).detach().requires_grad_()
    (g,) = torch.autograd.grad(model[2:](maps)[0, 1], maps)
    axes = tuple(range(2, maps.ndim))
    if method == "grad_cam":
        weights = g.mean(axes, keepdim=True)
    else:
        below = 2 * g**2 + maps.sum(axes, keepdim=True) * g**3
        weights = (torch.where(below != 0, g**2 / below, 0) * g.clamp(min=0)).sum(axes, keepdim=True)
    right = (weights * maps).sum(1).clamp(min=0).detach()
    coarse = kernels.attribution(model, x, method, target=1, layer="1", upsample="none")
    np.testing.assert_allclose(coarse.values, right.numpy(), atol=1e-6)
    near = kernels.attribution(model, x, method, target=1, layer="1", upsample="nearest")
    np.testing.assert_allclose(np.unique(near.values.round(5)), np.unique(right.numpy().round(5)), atol=1e-4)
    if len(shape) != 3 or shape[1] > 9:
        assert kernels.attribution(model, x, method, target=1).layer == "1"


def test_baselines_and_fills_are_named_and_the_same_everywhere(lens, net, photo):
    grid = lens.attribution(photo, methods=["integrated_gradients", "rise", "grad_cam"], samples=20, checks=[])
    x = grid.selection.sample.input.x
    shown, alone = grid.result["integrated_gradients"], kernels.integrated_gradients(net, x, target=grid.target)
    np.testing.assert_allclose(shown.values, alone.values, atol=1e-6)
    assert shown.parameters["baseline"] == alone.parameters["baseline"] == "0 (input value)"
    assert "fill grey" in grid.result["rise"].describe()
    assert "upsample bilinear" in grid.result["grad_cam"].describe()
    near = lens.attribution(photo, methods=["grad_cam"], upsample="nearest", checks=[]).result["grad_cam"]
    assert len(np.unique(near.values)) < len(np.unique(grid.result["grad_cam"].values))


# Randomised weights


def plain_net():
    torch.manual_seed(5)
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, 4)]
    return nn.Sequential(*layers).eval()


class Adapted(nn.Module):
    """A linear layer with a low-rank adapter that does nothing yet."""

    def __init__(self, base):
        super().__init__()
        self.base, self.down, self.up = base, nn.Linear(base.in_features, 2), nn.Linear(2, base.out_features)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x):
        return self.base(x) + 0.5 * self.up(self.down(x))


WRAPPED = {
    "weight norm": lambda m: nn.utils.parametrizations.weight_norm(m[4]),
    "spectral norm": lambda m: nn.utils.parametrizations.spectral_norm(m[4]),
    "old spectral norm": lambda m: nn.utils.spectral_norm(m[4]),
    "adapter": lambda m: m.__setitem__(4, Adapted(m[4])),
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", WRAPPED)
def test_effective_weights_are_randomised(name):
    model, x = plain_net(), torch.rand(1, 3, 16, 16)
    WRAPPED[name](model)
    model.eval()
    before = copy.deepcopy(model.state_dict())
    with torch.no_grad():
        clean = model(x)
    last = weighted_layers(model, record(model, x))[-1]
    assert last == ("4.*" if name == "adapter" else "4")
    twin = randomised_copy(model, [last])
    with torch.no_grad():
        assert (twin(x) - clean).abs().max() > 0.05
        torch.testing.assert_close(model(x), clean)
    assert before.keys() == model.state_dict().keys()
    assert all(torch.equal(one, model.state_dict()[key]) for key, one in before.items())
    checked = nnlens.Lens(model).attribution(x, methods=["gradient"], checks=["randomisation"], max_passes=None).result
    plain = (
        nnlens.Lens(plain_net()).attribution(x, methods=["gradient"], checks=["randomisation"], max_passes=None).result
    )
    kept = [one.evidence["gradient", 0].randomisation.remaining for one in (checked, plain)]
    assert abs(kept[0] - kept[1]) < 0.5


# What has no plain form


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_quantised_modules_are_recorded_with_the_values_they_stand_for():
    torch.manual_seed(0)
    stub, rest = quantization.QuantStub(), [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)]
    net = nn.Sequential(stub, nn.Conv2d(3, 8, 3), nn.ReLU(), *rest, quantization.DeQuantStub()).eval()
    net.qconfig = quantization.get_default_qconfig(torch.backends.quantized.engine)
    quantization.prepare(net, inplace=True)
    net(torch.rand(8, 3, 24, 24))
    model, x = quantization.convert(net), torch.rand(1, 3, 24, 24)
    recording = record(model, x)
    assert set("0123456") <= set(recording.names)
    value = x
    for position in range(7):
        value = model[position](value)
        right = value.dequantize() if value.is_quantized else value
        assert torch.equal(recording[str(position)], right)
    view = nnlens.Lens(model).explore(x, size=8, stride=8)
    assert view.result.occlusion.complete
    assert kernels.lime(model, x, samples=30, segmentation="grid", segments=4).values.any()
    with pytest.raises(ValueError, match="no gradient"):
        kernels.gradient(model, x)


def test_noise_is_cut_into_a_grid_and_it_is_said():
    x = torch.randn(1, 3, 48, 48) * 50
    pytest.importorskip("skimage")
    with pytest.warns(UserWarning, match=r"SLIC found \d+ of 50 superpixels"):
        labels = kernels.superpixels(x, "slic", 50)
    assert labels.max() + 1 > 30
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    found = kernels.lime(model, x, samples=30)
    assert "a grid of rectangles" in found.parameters["segmentation"]
    view = nnlens.Lens(model).attribution(x, methods=["lime"], samples=30, checks=[])
    assert view.result["lime"].surrogate.labels.max() > 30
    assert "a grid of rectangles" in view.superpixels["words"]


def test_two_threads_use_one_model(photo):
    """A worker that runs beside the user's code, as in marimo: a data set is looked through while others record."""
    nnlens.set_mode("live")
    model = Net().eval()
    lens = nnlens.Lens(model, preprocess={"size": 16})
    lens.sample(photo)
    shown = lens.examples(torch.randn(200, 3, 16, 16), layers=["stem", "block"], store=False)
    failed = []

    def work():
        try:
            for _ in range(4):
                lens.summary(photo, passes=1)
                record(model, torch.randn(1, 3, 16, 16))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert shown.wait(60)
    assert shown.search["error"] == ""
    assert lens.session.search.complete
