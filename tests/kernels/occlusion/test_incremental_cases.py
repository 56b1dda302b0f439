"""The incremental engine on odd but sound models, wide networks, other precisions, masks and ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from nets import same_state, state_of
from occluded_networks import (
    Chooses,
    Residual,
    build,
    plainly,
)
from torch import nn

from nnlens.kernels import (
    masked_scores,
    occluded_scores,
    occlusion,
    occlusion_series,
    occlusion_steps,
    prepare_passes,
    size_curve,
)
from nnlens.kernels.occlusion.occluder import occluder
from nnlens.passes.winograd import Winograd, padded
from nnlens.recording import record


class Fn(nn.Module):
    """A forward from parts and a function of them."""

    def __init__(self, function, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.function = function

    def forward(self, x):
        return self.function(self, x)


def conv(inputs=3, outputs=6):
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def mean(y):
    return y.mean((2, 3))


def view_then_relu(net, x):
    y = net.c(x)
    v = y[:, :2]
    y.relu_()
    return torch.cat([mean(v), mean(y)], 1)


def same_object_then_relu(net, x):
    y = net.c(x)
    z = y.float()
    z.relu_()
    return mean(net.d(y)) + z.sum((2, 3))[:, :4]


def written_through_data(net, x):
    y = net.c(x)
    y.data.clamp_(0)
    return mean(net.d(y))


def autocast_inside(net, x):
    with torch.autocast("cpu", torch.bfloat16):
        return mean(net.d(net.c(x).relu())).float()


def batch_norm_of_torch(net, x):
    weights = net.bn.weight, net.bn.bias, net.bn.running_mean, net.bn.running_var
    return mean(torch.batch_norm(net.c(x), *weights, False, 0.1, 1e-5, False))


def both_returned(net, x):
    logits = net.fc(mean(net.c(x).relu()))
    return {"logits": logits, "evidence": F.relu(logits)}


# Sound models on which a first version was wrong or fell back without need; and how they run now.
ODD = {
    "LeNet's view": (
        Fn(lambda s, x: s.fc(F.max_pool2d(s.c(x).relu(), 2).view(x.size(0), -1)), c=conv(), fc=nn.Linear(864, 4)),
        "windows",
    ),
    "contiguous": (
        Fn(lambda s, x: s.fc(s.c(x).contiguous().view(len(x.shape) - 4 + x.shape[0], -1)), c=conv(),
           fc=nn.Linear(3456, 4)),
        "windows",
    ),
    "view, then in place": (Fn(view_then_relu, c=conv()), "whole passes"),
    "the same object": (Fn(same_object_then_relu, c=conv(), d=conv(6, 4)), "windows"),
    "written through data": (Fn(written_through_data, c=conv(), d=conv(6, 4)), "whole passes"),
    "channels padded": (
        Fn(lambda s, x: mean(s.d(F.pad(F.avg_pool2d(s.c(x), 2), (0, 0, 0, 0, 0, 4)))), c=conv(), d=conv(10, 4)),
        "windows",
    ),
    "torch's own batch_norm": (Fn(batch_norm_of_torch, c=conv(), bn=nn.BatchNorm2d(6)), "windows"),
    "a constant map": (
        Fn(lambda s, x: mean(s.d(s.c(x) + F.interpolate(s.p, x.shape[2:]))), c=conv(), d=conv(6, 4),
           p=nn.Parameter(torch.randn(1, 6, 8, 8))),
        "windows",
    ),
    "autocast inside": (Fn(autocast_inside, c=conv(), d=conv(6, 4)), "whole passes of the prepared model"),
    "one image at a time": (
        Fn(lambda s, x: s.fc(s.c(x).reshape(1, -1)), c=conv(), fc=nn.Linear(3456, 4)), "one position at a time"
    ),
    "a number of Python": (Fn(lambda s, x: mean(s.c(x / float(x.max()))), c=conv()), "one position at a time"),
    "two outputs, one read": (Fn(both_returned, c=conv(), fc=nn.Linear(6, 4)), "windows"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:occlusion continues with", "ignore:the model's scores depend on")
@pytest.mark.parametrize("name", ODD)
def test_odd_but_sound_models(name):
    torch.manual_seed(0)
    model, how = ODD[name]
    model.eval()
    if name == "torch's own batch_norm":
        model.bn.running_mean.normal_()
        model.bn.running_var.uniform_(0.5, 2)
        nn.init.normal_(model.bn.weight)
    x = torch.randn(1, 3, 24, 24)
    result = occlusion(model, x, size=5, stride=3, fill=0.3)
    window = occluder(x, size=5, fill=0.3)
    rows, columns = (one.ravel() for one in np.meshgrid(result.tops, result.lefts, indexing="ij"))
    expected = plainly(model, x, window.cover(rows, columns))
    # bfloat16 rounds a batch's sums otherwise.
    far = 2e-2 if name == "autocast inside" else 1e-5
    np.testing.assert_allclose(result.logits.reshape(len(rows), -1), expected, rtol=1e-6, atol=far)
    assert how in result.how


def test_a_model_that_mixes_only_where_the_corners_do_not_see_it():
    model = Fn(lambda s, x: mean(s.c(x / x.max()).relu()), c=conv())
    x = torch.rand(1, 3, 24, 24)
    x[0, 0, 9, 14] = 3
    with pytest.warns(UserWarning, match="depend on what else is in a batch"):
        result = occlusion(model, x, size=4, stride=2)
    window = occluder(x, size=4)
    rows, columns = (one.ravel() for one in np.meshgrid(result.tops, result.lefts, indexing="ij"))
    expected = plainly(model, x, window.cover(rows, columns))
    np.testing.assert_allclose(result.logits.reshape(len(rows), -1), expected, atol=1e-5)


def test_prepared_passes_of_another_image_are_not_used(net):
    x, other = torch.randn(2, 1, 3, 20, 20)
    prepared = prepare_passes(net, x)
    occlusion(net, x, size=5, prepared=prepared)
    found = occlusion(net, other, size=5, prepared=prepared)
    np.testing.assert_allclose(found.logits, occlusion(net, other, size=5).logits, atol=1e-6)
    x.mul_(2)
    found = occlusion(net, x, size=5, prepared=prepared)
    np.testing.assert_allclose(found.logits, occlusion(net, x, size=5).logits, atol=1e-6)


def test_a_model_without_rows_of_scores_is_refused(net):
    with pytest.raises(ValueError, match="the model must give one row of scores for one image"):
        occlusion(Fn(lambda s, x: mean(s.c(x)).repeat(2, 1), c=conv()), torch.randn(1, 3, 9, 9), size=3)


def test_a_unit_asked_for_later_is_noted_everywhere(net):
    x = torch.randn(1, 3, 20, 20)
    known = occlusion(net, x, size=5, stride=3)
    *_, result = occlusion_steps(net, x, size=5, stride=3, unit=("stem", 1), known=known)
    assert np.isfinite(result.activations).all()


def test_weights_that_change_are_noticed(net):
    x = torch.randn(1, 3, 16, 16)
    prepared = prepare_passes(net, x)
    occlusion(net, x, size=4, prepared=prepared)
    with torch.no_grad():
        net.stem.weight.mul_(2)
    again = occlusion(net, x, size=4, prepared=prepared)
    np.testing.assert_allclose(again.logits, occlusion(net, x, size=4).logits, atol=1e-5)


@pytest.mark.parametrize(("channels", "outputs", "height", "width"), [(3, 5, 4, 4), (8, 4, 7, 9), (130, 128, 13, 6)])
def test_winograd_is_the_convolution(channels, outputs, height, width):
    torch.manual_seed(0)
    x = torch.randn(3, channels, height, width, dtype=torch.double)
    conv = nn.Conv2d(channels, outputs, 3, padding=1).double()
    found = Winograd(conv.weight, conv.bias)(padded(x, (1, 1), height, width), height, width)
    torch.testing.assert_close(found.permute(0, 3, 1, 2), conv(x), rtol=1e-9, atol=1e-9)


def test_wide_networks_through_winograd():
    torch.manual_seed(0)
    body = [nn.Conv2d(3, 128, 3, padding=1), nn.ReLU(True), nn.Conv2d(128, 128, 3, padding=1), nn.BatchNorm2d(128)]
    body += [nn.ReLU(True), nn.MaxPool2d(2), nn.Conv2d(128, 256, 3, padding=1), nn.ReLU(True)]
    model = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10)).eval()
    x = torch.randn(1, 3, 40, 40)
    prepared = prepare_passes(model, x)
    result = occlusion(model, x, size=8, stride=4, prepared=prepared)
    assert prepared._transformed, "it was used"
    spare = prepare_passes(model, x, transforms=False)
    alike = occlusion(model, x, size=8, stride=4, prepared=spare)
    assert not spare._transformed
    np.testing.assert_allclose(alike.logits, result.logits, atol=1e-5)
    window = occluder(x, size=8)
    rows, columns = (one.ravel() for one in np.meshgrid(result.tops, result.lefts, indexing="ij"))
    expected = plainly(model.double(), x.double(), window.cover(rows, columns).double())
    np.testing.assert_allclose(result.logits.reshape(len(rows), -1), expected, atol=1e-5)


@pytest.mark.parametrize("layer", ["0", "3", "4.inner.0", "5"])
def test_a_units_activation_is_noted_too(layer):
    """In the local part, in the rest, and where a normalisation is folded over it."""
    torch.manual_seed(0)
    layers = [nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2), Residual(nn.Conv2d(4, 4, 3, padding=1))]
    model = build([*layers, nn.AvgPool2d(4)], "flatten", (24, 24)).float()
    x = torch.randn(1, 2, 24, 24)
    whole = record(model, x)
    for unit in ((layer, 1), (layer, 2, (1, 0))):
        result = occlusion(model, x, size=6, stride=5, unit=unit)
        window = occluder(x, size=6)
        for row, top in enumerate(result.tops):
            for column, left in enumerate(result.lefts):
                value = record(model, window.cover(np.array([top]), np.array([left])))[layer][0, unit[1]]
                expected = value.max() if len(unit) == 2 else value[unit[2]]
                assert result.activations[row, column] == pytest.approx(float(expected), abs=1e-5)
        clean = whole[layer][0, unit[1]]
        assert result.clean_activation == pytest.approx(float(clean.max() if len(unit) == 2 else clean[unit[2]]))
    with pytest.raises(ValueError, match=r"unit must be 0…3 in layer '3', got 4"):
        occlusion(model, x, size=6, unit=("3", 4))
    with pytest.raises(ValueError, match=r"unit's position must be inside its 12 × 12 map, got \(12, 0\)"):
        occlusion(model, x, size=6, unit=("3", 1, (12, 0)))


def test_a_series_of_images_and_sizes_shares_what_it_can(net):
    images = [torch.randn(1, 3, 20, 20) for _ in range(2)]
    found = occlusion_series(net, images, sizes=[4, 7], stride=5, fill="mean")
    for x, row in zip(images, found, strict=True):
        for size, result in zip((4, 7), row, strict=True):
            alone = occlusion(net, x, size=size, stride=5, fill="mean")
            np.testing.assert_allclose(result.logits, alone.logits, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(net, dtype):
    x = torch.randn(1, 3, 24, 24).to(dtype)
    result = occlusion(net.to(dtype), x, size=6, stride=6)
    window = occluder(x, size=6)
    rows, columns = (one.ravel() for one in np.meshgrid(result.tops, result.lefts, indexing="ij"))
    expected = plainly(net, x, window.cover(rows, columns))
    scale = float(expected.abs().max()) * torch.finfo(dtype).eps
    np.testing.assert_allclose(result.logits.reshape(len(rows), -1), expected, atol=16 * scale)


def test_masks_and_sizes_at_one_place(net):
    x = torch.randn(1, 3, 20, 20)
    masks = np.random.default_rng(0).random((5, 20, 20)) > 0.5
    covered = torch.where(torch.from_numpy(masks)[:, None], torch.tensor(0.5), x)
    np.testing.assert_allclose(masked_scores(net, x, masks, fill=0.5), plainly(net, x, covered), atol=1e-5)
    curve = size_curve(net, x, (10, 8), [2, 5, 12], fill=0.0, shape="circle")
    for scores, size in zip(curve, (2, 5, 12), strict=True):
        position = [(round(10 - size / 2), round(8 - size / 2))]
        one = occluded_scores(net, x, position, size=size, fill=0.0, shape="circle")
        np.testing.assert_allclose(scores, one[0], atol=1e-5)
    with pytest.raises(ValueError, match=r"masks must be \(n, 20, 20\) as the input, got \(1, 3, 3\)"):
        masked_scores(net, x, np.ones((1, 3, 3)), fill=0.0)
    with pytest.raises(ValueError, match='fill must not be "surround" for masks'):
        masked_scores(net, x, masks, fill="surround")


def test_passes_on_onnx_runtime(net):
    pytest.importorskip("onnxruntime")
    x = torch.randn(1, 3, 24, 24)
    before = state_of(net)
    prepared = prepare_passes(net, x, engine="onnx")
    plain = occlusion(net, x, size=6, stride=2).logits
    for _map in range(3):  # all ways are tried
        result = occlusion(net, x, size=6, stride=2, prepared=prepared)
        np.testing.assert_allclose(result.logits, plain, atol=1e-4)
    assert prepared.onnx.parts
    assert all(prepared.pace(("tail" if part else "windows", (6, 6), True)) for part in prepared.onnx.parts.values())
    assert same_state(before, state_of(net))
    masks = np.random.default_rng(0).random((5, 24, 24)) > 0.5
    ours = masked_scores(net, x, masks, fill=0.5, prepared=prepared)
    np.testing.assert_allclose(ours, masked_scores(net, x, masks, fill=0.5), atol=1e-4)
    with pytest.raises(ValueError, match='engine must be "auto", "torch" or "onnx", got \'tpu\''):
        prepare_passes(net, x, engine="tpu")


def test_a_model_that_does_not_export_is_told():
    pytest.importorskip("onnxruntime")
    with pytest.raises(ValueError, match="the model does not export to ONNX: "):
        prepare_passes(Chooses(), torch.rand(1, 3, 12, 12), engine="onnx")


def test_a_scripted_model_runs_whole():
    torch.manual_seed(0)
    model = torch.jit.script(nn.Sequential(conv(), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())).eval()
    x = torch.randn(1, 3, 12, 12)
    result = occlusion(model, x, size=4)
    assert result.how == "whole passes"
    window = occluder(x, size=4)
    rows, columns = (one.ravel() for one in np.meshgrid(result.tops, result.lefts, indexing="ij"))
    expected = plainly(model, x, window.cover(rows, columns))
    np.testing.assert_allclose(result.logits.reshape(len(rows), -1), expected, atol=1e-5)
