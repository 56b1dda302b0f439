from __future__ import annotations

import captum.attr
import numpy as np
import pytest
import torch
from captum.testing.helpers.basic_models import BasicModel_MultiLayer
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import Net, same_state, state_of
from torch import nn

from nnlens.kernels import Occlusion, occluded_scores, occlusion, occlusion_steps


def brute_force(model: nn.Module, x: torch.Tensor, size, stride, fill: torch.Tensor) -> np.ndarray:
    """One forward pass per position, batch of one, in the plainest way."""
    height, width = x.shape[2:]
    rows = range(0, height - size[0] + stride[0], stride[0])
    columns = range(0, width - size[1] + stride[1], stride[1])
    result = []
    with torch.no_grad():
        for top in rows:
            for left in columns:
                image = x.clone()
                image[0, :, top : top + size[0], left : left + size[1]] = fill[
                    :, top : top + size[0], left : left + size[1]
                ]
                result.append(model(image)[0].numpy())
    return np.array(result).reshape(len(rows), len(columns), -1)


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(6, 17),
    width=st.integers(6, 17),
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    stride=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    batch_size=st.integers(1, 9),
)
def test_every_position_equals_brute_force(height, width, size, stride, batch_size):
    torch.manual_seed(2)
    model, x = Net().eval(), torch.randn(1, 3, height, width)
    result = occlusion(model, x, size=size, stride=stride, fill=0.25, batch_size=batch_size)
    expected = brute_force(model, x, size, stride, torch.full((3, height, width), 0.25))
    np.testing.assert_allclose(result.logits, expected, atol=1e-5)
    assert result.complete
    assert result.forwards == 1 + expected.shape[0] * expected.shape[1]


@pytest.mark.parametrize(("size", "stride"), [((4, 4), (2, 2)), ((5, 3), (2, 3)), ((7, 7), (4, 4))])
def test_per_pixel_is_captums(net, size, stride):
    x = torch.randn(1, 3, 15, 14)
    ours = occlusion(net, x, target=2, size=size, stride=stride, fill=0.1).per_pixel(kind="logit")
    theirs = captum.attr.Occlusion(net).attribute(
        x, sliding_window_shapes=(3, *size), strides=(3, *stride), baselines=0.1, target=2
    )
    np.testing.assert_allclose(ours, theirs[0, 0].detach().numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("window", "stride", "baseline", "expected"),
    [(1, 1, 0.0, [80, 200, 120]), (2, 1, 10.0, [200, 220, 240]), (2, 2, 0.0, [280, 280, 120])],
)
def test_captums_published_fixtures(window, stride, baseline, expected):
    class AsImage(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = BasicModel_MultiLayer()

        def forward(self, x):
            return self.model(x.flatten(1))

    x = torch.tensor([20.0, 50.0, 30.0]).view(1, 1, 1, 3)
    result = occlusion(AsImage(), x, target=0, size=(1, window), stride=(1, stride), fill=baseline)
    np.testing.assert_allclose(result.per_pixel(kind="logit")[0], expected, atol=1e-4)


def test_a_linear_model_loses_exactly_the_hidden_sum():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    x = torch.randn(1, 1, 8, 8)
    result = occlusion(model, x, target=1, size=3, stride=1, fill=0.5)
    weights = model[1].weight[1].detach().view(8, 8) * (0.5 - x[0, 0])
    expected = weights.unfold(0, 3, 1).unfold(1, 3, 1).sum((2, 3))
    np.testing.assert_allclose(result.change(kind="logit"), expected.numpy(), atol=1e-5)


def test_hiding_the_image_behind_itself_changes_nothing(net):
    x = torch.randn(1, 3, 12, 12)
    assert np.abs(occlusion(net, x, size=4, fill=x[0]).change(kind="logit")).max() < 1e-6


def test_the_batch_size_changes_nothing(net):
    x = torch.randn(1, 3, 16, 16)
    one, many = (occlusion(net, x, size=5, stride=3, batch_size=batch) for batch in (1, 64))
    np.testing.assert_allclose(one.logits, many.logits, atol=1e-5)


def test_steps_are_exact_where_they_are_computed_and_coarse_first(net):
    x = torch.randn(1, 3, 32, 32)
    steps = [step.snapshot() for step in occlusion_steps(net, x, size=8, stride=2, batch_size=4)]
    whole = steps[-1]
    done = [int(step.computed.sum()) for step in steps]
    assert done == sorted(done)
    assert whole.complete
    assert not steps[0].complete
    for step in steps:
        np.testing.assert_array_equal(step.logits[step.computed], whole.logits[step.computed])
    rows, columns = np.nonzero(steps[3].computed)
    assert {0, 12} <= set(rows)
    assert {0, 12} <= set(columns), "the first positions reach from border to border"


def test_a_stopped_experiment_goes_on_where_it_was(net):
    x = torch.randn(1, 3, 32, 32)
    part = next(iter(occlusion_steps(net, x, size=8, stride=4, batch_size=5))).snapshot()
    rest = list(occlusion_steps(net, x, size=8, stride=4, batch_size=5, known=part))
    np.testing.assert_allclose(rest[-1].logits, occlusion(net, x, size=8, stride=4).logits, atol=1e-5)
    assert rest[-1].forwards == 1 + 49


def test_scores_are_probabilities_or_logits(net):
    result = occlusion(net, torch.randn(1, 3, 16, 16), target=3, size=8)
    softmax = torch.from_numpy(result.logits).softmax(-1)[..., 3].numpy()
    np.testing.assert_allclose(result.score(), softmax, atol=1e-6)
    np.testing.assert_array_equal(result.score(kind="logit"), result.logits[..., 3])
    np.testing.assert_array_equal(result.top_class(), result.logits.argmax(-1))
    np.testing.assert_allclose(result.change(), result.score() - result.clean_score(), atol=1e-7)


def test_fills(net):
    x = torch.randn(1, 3, 16, 16)
    means = x[0].mean((1, 2), keepdim=True).expand(3, 16, 16)
    for fill, expected in (("mean", means), (torch.tensor([1.0, 2, 3]).view(3, 1, 1), None), (0.5, None)):
        standing = expected if expected is not None else torch.as_tensor(fill).expand(3, 16, 16)
        result = occlusion(net, x, size=6, stride=5, fill=fill)
        np.testing.assert_allclose(result.logits, brute_force(net, x, (6, 6), (5, 5), standing), atol=1e-5)
    constant = torch.full((1, 3, 16, 16), 0.7)
    assert np.abs(occlusion(net, constant, size=6, fill="blur").change()).max() < 1e-5, "a blurred constant is itself"


def test_single_places_equal_the_map(net):
    x = torch.randn(1, 3, 16, 16)
    result = occlusion(net, x, size=6, stride=5, fill="blur")
    places = [(int(top), int(left)) for top in result.tops for left in result.lefts]
    scores = occluded_scores(net, x, places, size=6, fill="blur")
    np.testing.assert_allclose(scores.reshape(result.logits.shape), result.logits, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size must be 1…16 high and 1…16 wide"),
        ({"size": -3}, "size must be 1…16 high"),
        ({"size": 17}, "size must be 1…16 high and 1…16 wide .the input's size., got 17"),
        ({"size": 2.5}, "size must be a whole number of pixels"),
        ({"size": True}, "size must be a whole number"),
        ({"size": (3, 3, 3)}, "size must be a whole number of pixels or a pair"),
        ({"stride": 0}, "stride must be at least 1 pixel, got 0"),
        ({"stride": -8}, "stride must be at least 1 pixel, got -8"),
        (
            {"fill": "pink"},
            'fill must be a number, a tensor, "background", "grey", .* or "surround", got \'pink\'',
        ),
        ({"fill": float("nan")}, "fill must be finite, got nan"),
        (
            {"fill": torch.zeros(2, 16, 16)},
            r"fill must broadcast to one input's shape \(3, 16, 16\), got \(2, 16, 16\)",
        ),
        ({"target": 5}, "target must be a class index 0…4, got 5"),
        ({"target": -1}, "target must be a class index 0…4, got -1"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1"),
    ],
)
def test_bad_input_names_the_argument_and_leaves_the_model(net, options, message):
    x = torch.randn(1, 3, 16, 16)
    before = state_of(net)
    with pytest.raises((ValueError, TypeError), match=message):
        occlusion(net, x, **options)
    assert same_state(before, state_of(net))


@pytest.mark.parametrize("x", [torch.zeros(2, 3, 8, 8), torch.zeros(3, 8, 8), torch.full((1, 3, 8, 8), torch.nan)])
def test_bad_images(net, x):
    with pytest.raises(ValueError, match="x must be"):
        occlusion(net, x, size=2)


def test_a_model_that_returns_nan_is_named():
    class Broken(nn.Module):
        def forward(self, x):
            return x.mean((2, 3)) * torch.nan

    with pytest.raises(ValueError, match=r"the model returned NaN for x \(3 of 3 scores\)"):
        occlusion(Broken(), torch.ones(1, 3, 8, 8), size=2)


def test_memory_that_does_not_suffice_halves_the_batch(net):
    class Small(nn.Module):
        largest = 0

        def forward(self, x):
            if len(x) > 3:
                raise torch.OutOfMemoryError("too much")
            Small.largest = max(Small.largest, len(x))  # the model itself goes back as it came
            return net(x)

    model, x = Small(), torch.randn(1, 3, 16, 16)
    result = occlusion(model, x, size=4, batch_size=16)
    np.testing.assert_allclose(result.logits, occlusion(net, x, size=4).logits, atol=1e-5)
    assert model.largest in (2, 3)


def test_snapshots_do_not_change_afterwards(net):
    steps = occlusion_steps(net, torch.randn(1, 3, 16, 16), size=4, batch_size=3)
    first = next(steps).snapshot()
    copy = first.logits.copy()
    list(steps)
    assert isinstance(first, Occlusion)
    np.testing.assert_array_equal(first.logits, copy)
    with pytest.raises(AttributeError):
        first.size = (1, 1)


def test_a_forward_that_writes_into_its_input_changes_nothing():
    class Writes(nn.Module):
        def forward(self, x):
            x -= 0.5
            return x.mean((2, 3))

    x = torch.randn(1, 3, 8, 8)
    before = x.clone()
    result = occlusion(Writes(), x, size=2)
    assert torch.equal(x, before)
    np.testing.assert_allclose(result.clean, (before - 0.5).mean((2, 3))[0], atol=1e-6)


def test_nan_under_the_occluder_is_computed_and_says_so():
    class NanWhenDark(nn.Module):
        def forward(self, x):
            scores = x.mean((2, 3)) * torch.tensor([1.0, 2.0, 3.0])
            return torch.where(x[:, :1, 0, 0] < 0, torch.nan, scores)

    result = occlusion(NanWhenDark(), torch.ones(1, 3, 8, 8), size=4, stride=4, fill=-1.0)
    assert result.complete
    assert np.isnan(result.score()[0, 0])
    assert not np.isnan(result.score()[1:]).any()
    assert "changes the probability the most" in result.describe()
    assert "4 of 4 positions, 1 of them NaN" in result.describe()


def test_half_precision_softmax_is_not_softmaxed_again():
    class Half(nn.Module):
        def forward(self, x):
            return (x.flatten(1) @ torch.linspace(-1, 1, 192 * 50).view(192, 50)).softmax(1).bfloat16()

    x = torch.randn(1, 3, 8, 8)
    result = occlusion(Half(), x, size=4)
    np.testing.assert_array_equal(result.score(), result.logits[..., result.target])
    assert result.clean_score() == result.clean[result.target]


def test_refinement_begins_where_the_map_varies():
    """A model that looks at one corner only: there the second level of positions is computed first."""

    class Corner(nn.Module):
        def forward(self, x):
            return torch.stack([x[:, 0, :10, :10].mean((1, 2)), x[:, 0, :1, :1].mean((1, 2)) * 0], 1)

    x = torch.rand(1, 1, 64, 64) + 1
    steps = [one.snapshot() for one in occlusion_steps(Corner(), x, size=4, stride=4, target=0, batch_size=4)]
    assert steps[3].computed.sum() == 16
    new = np.argwhere(steps[4].computed & ~steps[3].computed)
    assert {(0, 2), (2, 0), (2, 2)} <= set(map(tuple, new.tolist())), "between the corner and the rest"
    assert steps[-1].complete
