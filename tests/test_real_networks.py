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
from nnlens.kernels import class_scores, occluded_scores, occlusion
from nnlens.kernels.occluder import occluder

DATA = Path(os.environ.get("NNLENS_DATA", Path(__file__).parents[2] / "shared" / "data"))
pytestmark = pytest.mark.skipif(not (DATA / "networks.py").is_file(), reason="no trained networks beside the checkout")
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
    sample = squeezenet.look(DATA / "photos" / "dog_and_cat.jpg")
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
    found = squeezenet.look(path).input.x
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
        plain = torch.cat([class_scores(model(window.cover(tops[[at]], lefts[[at]]))) for at in range(len(tops))])
    ours = torch.from_numpy(result.logits).view(len(tops), -1)
    assert float((ours - plain).abs().max()) <= 1e-4
    assert float((ours.softmax(1) - plain.softmax(1)).abs().max()) <= 1e-5
