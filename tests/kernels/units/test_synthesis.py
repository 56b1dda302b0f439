"""Synthesised images: what they are for, on trained networks; and that the objective is followed, whatever it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from nets import same_state, state_of
from torch import nn

import nnlens
from nnlens import record
from nnlens.kernels import synthesis, synthesis_steps

DIGITS = {"mean": 0.5, "std": 0.25}
X = torch.zeros(1, 3, 16, 16)


@pytest.fixture(scope="module")
def digits() -> tuple[nn.Module, torch.Tensor]:
    model, preprocess, _ = nnlens.zoo.digits()
    return model, torch.stack([preprocess(image) for image, _ in nnlens.zoo.DigitImages()])


@pytest.fixture(scope="module")
def small() -> nn.Module:
    torch.manual_seed(0)
    body = [nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)).eval()


def test_channels_answer_more_than_to_any_of_a_thousand_digits(digits):
    """Twice as much behind the second pool; before, black paper is the most that some units can get."""
    model, images = digits
    generator = np.random.default_rng(0)
    layers = [f"features.{number}" for number in (5, 9, 12, 16, 19)]
    recording = record(model, images, only=layers)
    for _ in range(20):
        layer = layers[generator.integers(len(layers))]
        maps = recording[layer]
        unit = int(generator.integers(maps.shape[1]))
        best = float(maps[:, unit].mean((1, 2)).max())
        found = synthesis(model, images[:1], (layer, unit), **DIGITS)
        again = record(model, torch.from_numpy(found.inputs), only=layer)[layer][0, unit]
        assert found.values[0] == pytest.approx(float(again.mean()), rel=1e-3, abs=1e-4)
        assert found.peaks[0] == pytest.approx(float(again.max()), rel=1e-3, abs=1e-4)
        assert 0 <= found.pixels.min() <= found.pixels.max() <= 1
        assert found.values[0] >= (2 if layer in ("features.16", "features.19") else 1) * best


@pytest.mark.parametrize("recipe", ["fourier", "yosinski"])
def test_a_class_image_is_of_that_class(digits, recipe):
    model, images = digits
    for digit in range(10):
        found = synthesis(model, images[:1], digit, recipe=recipe, steps=96, **DIGITS)
        with torch.no_grad():
            scores = model(torch.from_numpy(found.inputs))[0]
        assert int(scores.argmax()) == digit
        assert found.values[0] == pytest.approx(float(scores[digit]), rel=1e-3)


@pytest.mark.parametrize("recipe", ["fourier", "yosinski"])
def test_the_same_seed_gives_the_same_image_and_nothing_else_changes(small, recipe):
    before = state_of(small)

    def made(seed: int) -> np.ndarray:
        torch.manual_seed(seed + 1)
        return synthesis(small, X, ("4", 3), recipe=recipe, steps=12, seed=seed, count=2).pixels

    first = made(0)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    np.testing.assert_array_equal(first, synthesis(small, X, ("4", 3), recipe=recipe, steps=12, seed=0, count=2).pixels)
    assert torch.equal(state, torch.get_rng_state())
    assert np.abs(first - made(1)).max() > 0.01
    assert np.abs(first[0] - first[1]).max() > 0.01
    torch.set_rng_state(before["rng"])
    assert same_state(before, state_of(small))


def test_frames_are_the_way_to_the_same_end(small):
    frames = list(synthesis_steps(small, X, ("3", 1), steps=20, every=6))
    assert [frame.step for frame in frames] == [6, 12, 18, 20]
    assert frames[-1].values[0] > frames[0].values[0]
    np.testing.assert_array_equal(frames[-1].pixels, synthesis(small, X, ("3", 1), steps=20).pixels)
    assert frames[-1].describe().startswith("the most of 3 · 1, fourier, seed 0, step 20 of 20: ")


def test_the_objective_is_what_was_asked_for(small):
    def values(of, layer: str, **options) -> torch.Tensor:
        found = synthesis(small, X, of, steps=60, **options)
        return record(small, torch.from_numpy(found.inputs))[layer][0]

    unit = values(("3", 2), "3")
    assert unit[2].mean() > values(("3", 2), "3", negative=True)[2].mean()
    position = values(("3", 2, (1, 6)), "3")
    assert position[2, 1, 6] > unit[2, 1, 6]
    # A direction along one unit is that unit.
    along = np.eye(8)[2]
    assert synthesis(small, X, ("3", along), steps=30).values[0] == pytest.approx(
        synthesis(small, X, ("3", 2), steps=30).values[0], rel=1e-4
    )
    both = values(("3", along - np.eye(8)[5]), "3")
    assert (both[2] - both[5]).mean() > (unit[2] - unit[5]).mean()
    brightest = synthesis(small, X, ("3", lambda value: value[:, 4].flatten(1).amax(1)), steps=60)
    assert brightest.values[0] > float(unit[4].max())
    for sign in (1, -1):
        frames = [*synthesis_steps(small, X, lambda scores, sign=sign: sign * (scores[:, 0] - scores[:, 1]), steps=60)]
        assert frames[-1].values[0] > frames[0].values[0]


@pytest.mark.parametrize(("recipe", "likeness"), [("fourier", 0.6), ("yosinski", 0.3)])  # the latter is blurred
def test_of_a_linear_model_it_is_the_pattern_of_its_weights(recipe, likeness):
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2))
    found = synthesis(model, torch.zeros(1, 3, 8, 8), 1, recipe=recipe, steps=200)
    weights = model[1].weight[1].detach().numpy()
    assert np.corrcoef(found.pixels.ravel() - 0.5, weights)[0, 1] > likeness


def test_a_rectifier_that_is_0_everywhere_is_followed_too():
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1))
    with torch.no_grad():
        model[0].bias[:] = -1
        model[0].weight[:] = 0.2
    start = next(iter(synthesis_steps(model, X, ("1", 0), every=1, steps=1)))
    assert synthesis(model, X, ("1", 0), steps=80).values[0] > start.values[0]


@pytest.mark.parametrize("recipe", ["fourier", "yosinski"])
@pytest.mark.parametrize("shape", [(1, 40), (2, 7), (1, 9, 31), (4, 32, 10), (3, 3, 3)])
def test_any_size_and_number_of_channels(recipe, shape):
    torch.manual_seed(0)
    convolution = nn.Conv1d if len(shape) == 2 else nn.Conv2d
    model = nn.Sequential(convolution(shape[0], 4, 3, padding=1), nn.ReLU())
    frames = list(synthesis_steps(model, torch.zeros(1, *shape), ("0", 1), recipe=recipe, steps=24, every=8, count=2))
    assert frames[-1].pixels.shape == (2, *shape)
    assert np.isfinite(frames[-1].pixels).all()
    assert (frames[-1].values > frames[0].values).all()


def test_diverse_images_differ_more_than_others(digits):
    model, images = digits

    def likeness(found) -> float:
        maps = record(model, torch.from_numpy(found.inputs), only="features.11")["features.11"].flatten(2)
        grams = torch.nn.functional.normalize((maps @ maps.transpose(1, 2)).flatten(1), dim=1)
        return float(grams[0] @ grams[1])

    together = synthesis(model, images[:1], ("features.12", 7), count=2, steps=64, **DIGITS)
    alone = [synthesis(model, images[:1], ("features.12", 7), seed=seed, steps=64, **DIGITS) for seed in (0, 1)]
    pair = type(together)(**{**vars(together), "inputs": np.concatenate([one.inputs for one in alone])})
    assert likeness(together) < likeness(pair)


def test_bad_arguments(small):
    for wrong, message in (
        (lambda: synthesis(small, X, ("3", 8)), r"unit 0…7 in layer '3', got 8"),
        (lambda: synthesis(small, X, 5), r"class index 0…4, got 5"),
        (lambda: synthesis(small, X, "3"), "of must be a class index"),
        (lambda: synthesis(small, X, ("3", 1, (9, 0))), r"inside the 8 × 8 map, got \(9, 0\)"),
        (lambda: synthesis(small, X, ("3", [1.0, 2])), "direction of 8 numbers, one for each unit, got 2"),
        (lambda: synthesis(small, X, ("3", np.zeros(8))), "not 0 everywhere"),
        (lambda: synthesis(small, X, 0, recipe="dream"), "recipe must be one of fourier, yosinski, got 'dream'"),
        (lambda: synthesis(small, X, 0, steps=0), "steps must be a whole number of at least 1, got 0"),
        (lambda: synthesis(small, X, 0, count=1.5), "count must be a whole number"),
        (lambda: synthesis(small, X, 0, mean=(1.0, 2.0)), "one for each of 3 channels, got 2"),
        (lambda: synthesis(small, X, 0, std=0), "std not 0, got 0.0 and 0"),
        (lambda: synthesis(small, X, 0, seed=1.5), "seed must be a whole number, got 1.5"),
        (lambda: synthesis(small, torch.zeros(2, 3, 16, 16), 0), r"x must be one signal .* got \(2, 3, 16, 16\)"),
        (lambda: synthesis(small, X, lambda scores: 1.0), "gives a tensor, got float"),
        (lambda: synthesis(nn.Flatten(), X, lambda scores: scores.detach().sum(1)), "has no gradient"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            wrong()


@pytest.mark.parametrize("rectifier", [nn.ReLU, nn.LeakyReLU, nn.ELU, nn.SiLU])
def test_several_images_of_a_class_with_rectifiers_in_place(rectifier):
    torch.manual_seed(0)
    body = [nn.Conv2d(3, 8, 3), rectifier(inplace=True), nn.Conv2d(8, 8, 3), rectifier(inplace=True)]
    model = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
    frames = list(synthesis_steps(model, X, 2, count=3, steps=24, every=8))
    assert (frames[-1].values > frames[0].values).all()


@pytest.mark.parametrize("recipe", ["fourier", "yosinski"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions(recipe, dtype):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()).to(dtype)
    frames = list(synthesis_steps(model, X.to(dtype), ("0", 1), recipe=recipe, steps=24, every=8))
    assert np.isfinite(frames[-1].pixels).all()
    assert frames[-1].values[0] > frames[0].values[0]


def test_weights_that_change_meanwhile_end_it(small):
    frames = synthesis_steps(small, X, ("3", 2), steps=16, every=8)
    next(frames)
    with torch.no_grad():
        small[0].weight += 0.01
    with pytest.raises(ValueError, match="weights have changed during the synthesis"):
        next(frames)


def test_ways_that_are_shut_are_opened():
    """Rectifiers that are off on all noise: a unit behind them has no gradient at first."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU6(inplace=True), nn.Conv2d(4, 4, 3, groups=4), nn.ReLU())
    with torch.no_grad():
        model[0].weight[:] = model[0].weight.abs()
        model[0].bias[:] = -float(model[0].weight.sum((1, 2, 3)).max()) * 0.8
        model[2].weight[:] = model[2].weight.abs()
        model[2].bias[:] = -0.01
    frames = list(synthesis_steps(model, X, ("3", 2), steps=96, every=1))
    assert frames[0].values[0] == 0
    assert frames[-1].values[0] > 0
