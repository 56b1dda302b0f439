"""Trained networks and photographs that are kept beside the checkout, where they are (`NNLENS_DATA` says where)."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from nets import same_state, state_of

import nnlens
from nnlens.kernels import (
    METHODS,
    Prepared,
    attribution,
    back_projection,
    examples,
    examples_steps,
    mass_inside,
    occluded_scores,
    occlusion,
    prepare_passes,
    synthesis,
)
from nnlens.kernels.occlusion.occluder import occluder

DATA = Path(os.environ.get("NNLENS_DATA", Path(__file__).parents[2] / "shared" / "data"))
pytestmark = pytest.mark.skipif(not (DATA / "networks.py").is_file(), reason="no trained networks beside the checkout")
QUANTILES = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99]
IMAGENET = {"size": 224, "crop_pct": 224 / 256, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@pytest.fixture(scope="module")
def networks():
    spec = importlib.util.spec_from_file_location("networks", DATA / "networks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def squeezenet(networks):
    names = [name for _, name in json.loads((DATA / "imagenet_classes.json").read_text())]
    return nnlens.Lens(networks.load("squeezenet1_0_imagenet"), preprocess=IMAGENET, labels=names)


def test_hiding_the_dog_leaves_the_cat(squeezenet):
    sample = squeezenet.sample(DATA / "photos" / "dog_and_cat.jpg")
    assert sample.names[sample.top(1)[0]] == "bull_mastiff"

    def says(top: int, height: int) -> str:
        size = (height, 224)
        scores = occluded_scores(squeezenet.model, sample.input.x, [(top, 0)], size=size, fill=sample.input.grey)
        return sample.names[int(scores[0].argmax())]

    assert says(0, 112) == "tabby"
    assert says(112, 112) in ("bull_mastiff", "boxer"), "the dog is still there"


def test_our_preprocessing_is_the_networks_own(squeezenet, networks):
    path = DATA / "photos" / "zebra.jpg"
    expected = networks.image(path)
    found = squeezenet.sample(path).input.x
    assert found.shape == expected.shape
    assert float((found - expected).abs().mean()) < 0.02


@pytest.mark.parametrize("name", ["squeezenet1_0_imagenet", "cifar10_resnet20", "alexnet_features_imagenet"])
def test_every_module_is_recorded_as_its_own_hook_sees_it(networks, name):
    model = networks.load(name)
    x = torch.randn(1, 3, *((32, 32) if "cifar" in name else (224, 224)))
    seen = {}
    hooks = [
        module.register_forward_hook(lambda m, i, o, path=path: seen.setdefault(path, o.clone()))
        for path, module in model.named_modules()
        if path
    ]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    before = state_of(model)
    recording = nnlens.record(model, x)
    assert same_state(before, state_of(model))
    assert seen
    for path, value in seen.items():
        np.testing.assert_allclose(recording[path].numpy(), value.numpy(), atol=1e-5, err_msg=path)
    assert any(operation.kind == "activation" for operation in recording)


@pytest.mark.parametrize("name", ["cifar10_resnet20", "alexnet_features_imagenet"])
def test_the_explorer_opens_on_any_of_them(networks, name):
    size = 32 if "cifar" in name else 224
    lens = nnlens.Lens(networks.load(name), preprocess={**IMAGENET, "size": size})
    view = lens.explore(DATA / "photos" / "tiger.jpg", stride=size // 2)
    assert view.result.occlusion.complete
    assert view.picture().width > 500


@pytest.mark.parametrize(
    ("name", "size", "stride"),
    [
        ("squeezenet1_0_imagenet", 48, 16),
        ("efficientnet_lite0", 32, 24),
        ("cifar10_resnet20", 6, 2),
        ("alexnet_features_imagenet", 40, 24),
    ],
)
def test_occlusion_is_exact_at_every_position(networks, name, size, stride):
    """1e-4 in the logits and 1e-5 in the probabilities, against one plain pass per position."""
    model = nnlens.zoo.efficientnet_lite0()[0] if name == "efficientnet_lite0" else networks.load(name)
    x = networks.image(DATA / "photos" / "dog_and_cat.jpg")
    if name.startswith("cifar10"):
        x = torch.nn.functional.interpolate(x, (32, 32), mode="area")
    before = state_of(model)
    result = occlusion(model, x, size=size, stride=stride, fill="mean")
    assert same_state(before, state_of(model))
    assert "on windows" in result.how
    window = occluder(x, size=size, fill="mean")
    tops, lefts = (one.ravel() for one in np.meshgrid(result.tops, result.lefts, indexing="ij"))
    with torch.no_grad():
        model.eval()
        outputs = (model(window.cover(tops[[at]], lefts[[at]])) for at in range(len(tops)))
        plain = torch.cat([result.meaning.read(output, 1) for output in outputs])
    ours = torch.from_numpy(result.logits).view(len(tops), -1)
    assert float((ours - plain).abs().max()) <= 1e-4
    shares = result.meaning.probabilities
    assert float((shares(ours) - shares(plain)).abs().max()) <= 1e-5


@pytest.mark.parametrize("name", ["squeezenet1_0_imagenet", "cifar10_resnet20", "efficientnet_lite0"])
def test_the_rules_reach_every_rectifier(networks, name):
    """Functional ReLUs, ReLU6 modules: each a rectifier, none left on the plain gradient."""
    model = nnlens.zoo.efficientnet_lite0()[0] if name == "efficientnet_lite0" else networks.load(name)
    x = torch.randn(1, 3, *((32, 32) if "cifar" in name else (224, 224)))
    recording = nnlens.record(model, x)
    there = sum(operation.op in ("relu", "relu6", "hardtanh") for operation in recording)
    assert there == {"squeezenet1_0_imagenet": 26, "cifar10_resnet20": 19, "efficientnet_lite0": 33}[name]
    for rule in ("deconvnet", "guided backprop"):
        found = back_projection(model, x, 3, rule=rule, recording=recording)
        assert found.rectifiers == (there, there)
        assert not found.obstacles
        assert found.pools == (3 if name.startswith("squeezenet") else 0)
        prepared = Prepared(model, x, recording=recording)
        fast = back_projection(model, x, 3, rule=rule, recording=recording, prepared=prepared)
        largest = np.abs(found.values).max()
        np.testing.assert_allclose(fast.values, found.values, atol=1e-3 * largest)


def data_set(name: str) -> tuple[torch.Tensor, np.ndarray]:
    with np.load(DATA / "datasets" / f"{name}.npz") as file:
        images, labels = file["x"], file["y"]
    if images.ndim == 3:
        return (torch.from_numpy(images)[:, None].float() / 255 - 0.5) / 0.25, labels
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    return (x - torch.tensor(IMAGENET["mean"]).view(3, 1, 1)) / torch.tensor(IMAGENET["std"]).view(3, 1, 1), labels


@pytest.mark.parametrize("name", ["cifar10_test1200", "mnist_t10k"])
def test_the_best_images_of_a_test_set_are_those_of_a_full_sort(networks, name, tmp_path):
    """Batches of 1 and of 64, cancelled and taken up again: the same images; quantiles within 0.5 % of the ranks."""
    x, _ = data_set(name)
    model = networks.load("cifar10_resnet20") if name.startswith("cifar") else nnlens.zoo.digits()[0]
    layers = ["layer1.2", "layer3.0"] if name.startswith("cifar") else ["features.5", "features.19"]
    steps = examples_steps(model, x, layers, batch_size=64, store=tmp_path)
    for step in steps:
        if step.done > len(x) // 3:
            break
    steps.close()
    found = examples(model, x, layers, batch_size=64, store=tmp_path)
    few = x[:700]
    single = examples(model, few, layers, batch_size=1)
    for layer, index in found.items():
        with torch.no_grad():
            parts = [nnlens.record(model, part, only=[layer])[layer] for part in x.split(64)]
        maxima = torch.cat([part.flatten(2).amax(2) for part in parts]).numpy()
        for unit in range(index.units):
            values = maxima[:, unit]
            for kind, sign in (("top", -1), ("bottom", 1)):
                order = np.argsort(sign * values, kind="stable")[:9]
                assert [one.item for one in index.examples(unit, kind)] == order.tolist(), (layer, unit, kind)
            ordered = np.sort(values)
            for share, value in zip(QUANTILES, index.quantiles(unit, QUANTILES), strict=True):
                low, high = (np.searchsorted(ordered, value, side) / len(x) for side in ("left", "right"))
                assert low - 0.005 <= share <= high + 0.005, (layer, unit, share)
            best = np.sort(values[:700])[::-1][:9]
            np.testing.assert_allclose([one.value for one in single[layer].examples(unit)], best, rtol=1e-5, atol=1e-5)


def test_synthesised_images_answer_at_least_twice_as_much(networks):
    """Twenty random channels behind the first stage against the best of 1,000 test images; ten classes are themselves.

    Not every channel can: in the first stage (and of `layer2.0`, unit 1) an image hardly holds twice as much of what is
    looked for, and even pixels without any rule stop before.
    """
    x, _ = data_set("cifar10_test1200")
    model = networks.load("cifar10_resnet20")
    options = {"mean": IMAGENET["mean"], "std": IMAGENET["std"]}
    layers = ["layer2.0", "layer2.1", "layer2.2", "layer3.0", "layer3.1", "layer3.2"]
    recording = nnlens.record(model, x[:1000], only=layers)
    generator = np.random.default_rng(0)
    for _ in range(20):
        layer = layers[generator.integers(len(layers))]
        maps = recording[layer]
        unit = int(generator.integers(maps.shape[1]))
        best = float(maps[:, unit].mean((1, 2)).max())
        found = synthesis(model, x[:1], (layer, unit), **options)
        assert found.values[0] >= 2 * best, (layer, unit, found.values[0] / best)
    for target in range(10):
        found = synthesis(model, x[:1], target, **options)
        assert int(model(torch.from_numpy(found.inputs))[0].argmax()) == target


def test_methods_put_their_mass_on_the_animal_that_they_are_asked_about(squeezenet, capsys):
    """The dog is in the upper half, the cat in the lower one."""
    sample = squeezenet.sample(DATA / "photos" / "dog_and_cat.jpg")
    prepared = prepare_passes(squeezenet.model, sample.input.x, engine="onnx")
    upper = np.zeros((224, 224), bool)
    upper[:112] = True
    shares: dict[str, tuple[float, ...]] = {}
    options = {name: {"samples": 500} for name in ("lime", "kernel_shap", "rise")} | {
        "occlusion": {"size": 48, "stride": 16}
    }
    for name in METHODS:
        if name == "attention_rollout":
            continue
        found = []
        for label, half in (("bull_mastiff", upper), ("tabby", ~upper)):
            target = sample.names.index(label)
            given = {"target": target, "score": "logit", "prepared": prepared, **options.get(name, {})}
            importance = attribution(squeezenet.model, sample.input.x, name, **given).importance()
            # Above its mean: what RISE gives is all above 0, and only its differences mean something.
            found.append(mass_inside(importance - importance.mean(), half))
        shares[name] = tuple(found)
    with capsys.disabled():
        print("\nmass on the dog when asked about the dog, on the cat when asked about the cat")
        for name, pair in shares.items():
            words = "" if min(pair) > 0.6 else "   not both"
            print(f"  {name:22} {pair[0]:.2f}  {pair[1]:.2f}{words}")
    right = {name for name, pair in shares.items() if min(pair) > 0.6}
    assert {"grad_cam", "guided_grad_cam", "occlusion", "lime", "kernel_shap", "rise", "extremal_perturbation"} <= right
    assert {"gradient", "input_x_gradient", "integrated_gradients"} <= right
    # The deconvnet's signal dies on its way here, whatever the class.
    assert "deconvnet" not in right
