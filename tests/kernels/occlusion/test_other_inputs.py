"""Occlusion of signals, volumes and one of several inputs equals plain passes, on windows where something is local."""

from __future__ import annotations

import captum.attr
import numpy as np
import pytest
import torch
from input_networks import Residual1d, TimeFirst, Volume, cases
from torch import nn

import nnlens
from nnlens.inputs.as_image import AsImage
from nnlens.inputs.varied import Around, Varied
from nnlens.kernels import (
    ScoreMeaning,
    channel_scores,
    occluded_scores,
    occlusion,
    volume_occlusion,
    volume_occlusion_steps,
)

SCORES = ScoreMeaning(task="multiclass")


def dense(model, x, result, fill=0.0):
    """One plain pass for each position."""
    expected = np.empty_like(result.logits)
    for row, top in enumerate(result.tops):
        for column, left in enumerate(result.lefts):
            hidden = x.clone()
            hidden[..., top : top + result.size[0], left : left + result.size[1]] = fill
            with torch.no_grad():
                expected[row, column] = model(hidden)[0]
    return expected


def laid_out(model, x, axes, **slices):
    layout = AsImage.of(axes, tuple(x.shape)).at(tuple(x.shape), **slices)
    around = Around(args=(x,), keywords={}, path=(0,), as_image=layout, names={})
    return Varied(model, around), layout.image(x)


def settled(model):
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
    return model.eval()


@pytest.mark.parametrize(
    ("make", "shape", "axes", "on_windows"),
    [(Residual1d, (1, 2, 200), "nct", 15), (TimeFirst, (1, 100, 2), "ntc", 7)],
)
def test_a_signal_is_computed_on_windows_of_time(make, shape, axes, on_windows):
    model, x = laid_out(settled(make()), torch.randn(shape), axes)
    result = occlusion(model, x, size=16, stride=8, output=SCORES)
    assert result.size == (1, 16)
    assert sum(share.local for share in result.plan) >= on_windows, result.plan
    assert np.abs(result.logits - dense(model, x, result)).max() < 1e-5


@pytest.mark.parametrize("along", "dhw")
@pytest.mark.parametrize("count", [1, 3])
def test_slices_of_a_volume_are_computed_on_windows(along, count):
    model, x = laid_out(settled(Volume(2)), torch.randn(1, 2, 24, 26, 28), "ncdhw", along=along, count=count)
    result = occlusion(model, x, size=8, stride=6, output=SCORES)
    local = {share.label for share in result.plan if share.local}
    assert {"Conv3d", "MaxPool3d", "AvgPool3d", "BatchNorm3d", "cat"} <= local
    assert np.abs(result.logits - dense(model, x, result)).max() < 1e-5


def test_a_signal_is_given_to_the_kernel_as_it_is():
    model, x = settled(Residual1d()), torch.randn(1, 2, 160)
    result = occlusion(model, x, size=20, stride=10, fill=0.5)
    assert result.logits.shape[:2] == (1, 15)
    assert "on windows" in result.how
    for place, left in enumerate(result.lefts):
        hidden = x.clone()
        hidden[..., left : left + 20] = 0.5
        with torch.no_grad():
            assert np.allclose(result.logits[0, place], model(hidden)[0], atol=1e-5)
    live = occluded_scores(model, x, [(0, 30)], size=20, fill=0.5)
    assert np.allclose(live[0], result.logits[0, 3], atol=1e-5)
    # Numbers count as a signal too: one after the other is replaced.
    numbers = cases()["numbers"]
    each = occlusion(numbers.model(), numbers.given, size=1, stride=1)
    assert each.logits.shape[:2] == (1, 6)


def test_a_box_in_a_volume_equals_plain_passes_and_captum():
    torch.manual_seed(3)
    model, x = settled(Volume()), torch.randn(1, 1, 12, 14, 16)
    result = volume_occlusion(model, x, size=(4, 5, 6), stride=(4, 3, 4), target=1)
    assert result.complete
    assert result.score().shape == result.computed.shape
    for depth, front in enumerate(result.fronts):
        one = result.maps[depth]
        for row, column in [(0, 0), (1, 1), (len(one.tops) - 1, len(one.lefts) - 1)]:
            hidden = x.clone()
            top, left = one.tops[row], one.lefts[column]
            hidden[..., front : front + 4, top : top + 5, left : left + 6] = 0
            with torch.no_grad():
                assert np.allclose(result.logits[depth, row, column], model(hidden)[0], atol=1e-5)
    theirs = captum.attr.Occlusion(lambda given: model(given).softmax(1)).attribute(
        x, sliding_window_shapes=(1, 4, 5, 6), strides=(1, 4, 3, 4), target=1
    )
    assert np.abs(np.nan_to_num(result.per_voxel(1)) - theirs[0, 0].numpy()).max() < 1e-5
    grown = list(volume_occlusion_steps(model, x, size=4, stride=4))
    assert [len(step.maps) for step in grown] == list(range(1, len(grown[-1].maps) + 1))
    assert "slices" in result.describe()
    assert "on windows" in result.how


def test_wrong_volumes_and_boxes_are_named():
    model, x = Volume(), torch.randn(1, 1, 8, 8, 8)
    with pytest.raises(ValueError, match=r"x must be one volume as a tensor \(1, channels, depth, height, width\)"):
        volume_occlusion(model, x[0])
    with pytest.raises(ValueError, match=r"size must be at least 1 and at most the volume's \(8, 8, 8\), got"):
        volume_occlusion(model, x, size=(2, 9, 2))
    with pytest.raises(TypeError, match="stride must be a whole number of voxels"):
        volume_occlusion(model, x, size=2, stride=1.5)
    with pytest.raises(ValueError, match="fill must be a number or a tensor of 1 channels"):
        volume_occlusion(model, x, fill=torch.zeros(2))


def test_what_is_wrong_in_a_heartbeat_is_found():
    """Planted faults: hiding them costs the class the most, and the gradient is the largest there."""
    net = nnlens.zoo.heartbeats()
    data = nnlens.zoo.Heartbeats(80, seed=7)
    hidden = gradients = right = faults = 0
    for item in range(len(data)):
        signal, label, place = data[item]
        with torch.no_grad():
            right += int(net.model(signal[None]).argmax()) == label
        if place is None:
            continue
        faults += 1
        first, last = place
        found = occlusion(net.model, signal[None], target=label, size=40, stride=10, fill=float(signal.mean()))
        lowest = found.lefts[int(found.change(label).argmin())]
        hidden += lowest < last and lowest + 40 > first
        map_ = nnlens.kernels.integrated_gradients(net.model, signal[None], target=label, steps=32).importance()
        share = np.convolve(map_.clip(0), np.ones(30), "same")
        gradients += first - 20 <= int(share.argmax()) < last + 20
    assert right / len(data) >= 0.98
    assert "values from" in found.describe(label)
    assert hidden / faults >= 0.95, hidden / faults
    assert gradients / faults >= 0.95, gradients / faults


def lesions(count, seed):
    """Noise of 12 × 14 × 16 voxels; in every second one a bright ball at a known place."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 1, 12, 14, 16, generator=generator)
    grid = torch.stack(torch.meshgrid(*(torch.arange(size) for size in x.shape[2:]), indexing="ij"))
    places = torch.stack([torch.randint(2, size - 2, (count,), generator=generator) for size in x.shape[2:]], 1)
    balls = (-((grid[None] - places.view(count, 3, 1, 1, 1)) ** 2).sum(1) / 3).exp()
    y = torch.arange(count) % 2
    return x + 3 * y.view(-1, 1, 1, 1, 1) * balls[:, None], y, places


def test_a_lesion_in_a_volume_is_found():
    """A network that is trained here in seconds: hiding the ball costs the most, and the gradient is largest there."""
    torch.manual_seed(0)
    parts = nn.Conv3d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv3d(6, 6, 3, padding=1), nn.ReLU()
    model = nn.Sequential(*parts, nn.AdaptiveMaxPool3d(1), nn.Flatten(), nn.Linear(6, 2))
    x, y, _places = lesions(256, seed=1)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for step in range(120):
        chosen = torch.randint(0, len(x), (32,), generator=torch.Generator().manual_seed(step))
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(x[chosen]), y[chosen]).backward()
        optimiser.step()
    model.eval()
    new, label, places = lesions(32, seed=2)
    with torch.no_grad():
        assert float((model(new).argmax(1) == label).float().mean()) >= 0.95
    hidden = gradients = 0
    ill = [item for item in range(len(new)) if label[item] == 1]
    for item in ill:
        result = volume_occlusion(model, new[item : item + 1], target=1, size=4, stride=2)
        depth, row, column = np.unravel_index(int(result.change(1).argmin()), result.change(1).shape)
        first = np.array([result.fronts[depth], result.maps[depth].tops[row], result.maps[depth].lefts[column]])
        place = places[item].numpy()
        hidden += bool(((place >= first - 1) & (place < first + 5)).all())
        map_ = nnlens.kernels.input_x_gradient(model, new[item : item + 1], target=1).values[0]
        near = np.unravel_index(int(map_.argmax()), map_.shape)
        gradients += bool((np.abs(place - np.array(near)) <= 2).all())
    assert hidden / len(ill) >= 0.95, hidden
    assert gradients / len(ill) >= 0.95, gradients


def test_hiding_a_channel_or_a_group_of_them_equals_plain_passes():
    model, x = settled(Residual1d(channels=4)), torch.randn(1, 4, 80)
    alone = channel_scores(model, x)
    together = channel_scores(model, x, [[0, 2], [3]], fill=0.5)
    with torch.no_grad():
        for channel in range(4):
            hidden = x.clone()
            hidden[:, channel] = hidden[:, channel].mean()
            assert np.allclose(alone[channel], model(hidden)[0], atol=1e-5)
        hidden = x.clone()
        hidden[:, [0, 2]] = 0.5
        assert np.allclose(together[0], model(hidden)[0], atol=1e-5)
    bands = nn.Sequential(nn.Conv2d(6, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert channel_scores(bands, torch.randn(1, 6, 8, 8), fill="grey").shape == (6, 4)
    with pytest.raises(ValueError, match="groups must hold at least one group"):
        channel_scores(model, x, [])
    for wrong in ([[4]], [[]], [[0.5]], [0, 1]):
        with pytest.raises(ValueError, match=r"groups must hold channels 0…3, at least one each"):
            channel_scores(model, x, wrong)
