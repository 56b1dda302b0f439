"""The network as a function: `python benchmarks/functions.py [folder] [--threads N]`.

local map: the map of one class of a network of SqueezeNet's size, against a forward and backward pass in double
precision; the nearest facet and a border beside it.
regions: all pieces of a 2-16-16-1 network in a box; one drawing of the live training.
sensitivity: the first answer of the view on EfficientNet-Lite0 (extra `demo`), from the call to the numbers.
DeepFool: the mean relative distance on a network of digits, and on ResNet-20 where the folder (see trained.py) has it,
beside foolbox's L2DeepFoolAttack where foolbox is installed: `pip install foolbox`. It keeps pixels within the range of
the images, ours does not, which matters for digits on black.

Everything runs in one process, in turn, and the ratios are of medians.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from networks import ResNet20, build
from torch import Tensor, nn
from trained import objects

import nnlens
from nnlens.kernels import chaos, functions
from nnlens.kernels.functions.local_map import doubled

warnings.simplefilter("ignore")


def timed(*runs: Callable[[], object], rounds: int = 7) -> list[float]:
    """The median seconds of each, taken in turn."""
    for run in runs:
        run()
    took: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for run, times in zip(runs, took, strict=True):
            begin = time.perf_counter()
            run()
            times.append(time.perf_counter() - begin)
    return [statistics.median(times) for times in took]


def local_maps() -> None:
    model, x = build("SqueezeNet").eval(), torch.randn(1, 3, 224, 224)
    exact = doubled(model)

    def backward() -> None:
        point = x.double().requires_grad_()
        scores = exact(point)
        torch.autograd.grad(scores[0, 0], point)

    ours, one = timed(lambda: functions.local_map(model, x, outputs=[0]), backward)
    print(f"local map of one class: {1000 * ours:.0f} ms, {ours / one:.1f} forward and backward passes")
    several, _one = timed(lambda: functions.local_map(model, x, outputs=range(10)), backward)
    more = (several - ours) / 9
    print(f"  each further class: {1000 * more:.0f} ms, {more / one:.1f} of them")
    facet, border = timed(
        lambda: functions.nearest_facet(model, x), lambda: functions.border(model, x, torch.ones_like(x)), rounds=3
    )
    print(f"  the nearest facet: {facet:.1f} s; a border along one direction: {border:.2f} s")


def pieces() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))
    origin, across, up = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    box = ((-2.0, 2.0), (-2.0, 2.0))
    (seconds,) = timed(lambda: functions.regions(model, origin, across, up, box=box), rounds=20)
    count = len(functions.regions(model, origin, across, up, box=box))
    print(f"regions of a 2-16-16-1 network: {count} in {1000 * seconds:.0f} ms")
    from nnlens.widgets.regions.training import TrainingPart

    view = nnlens.Lens(model).regions(nnlens.zoo.points("spirals"))
    part = view.part(TrainingPart)
    (seconds,) = timed(lambda: list(part.advance()), rounds=40)
    print(f"live training, five steps and a drawing: {1000 * seconds:.0f} ms, {1 / seconds:.0f} per second")


def sensitivity() -> None:
    try:
        network = nnlens.zoo.efficientnet_lite0()
    except ImportError:
        print("sensitivity: needs the extra `demo`")
        return
    image = nnlens.zoo.photo("coffee")

    def first() -> None:
        lens = nnlens.Lens(network.model, preprocess=network.preprocess, labels=network.labels)
        view = lens.sensitivity(image)
        while view.growth is None:
            view.wait(0.01)
        view.close()

    (seconds,) = timed(first, rounds=3)
    print(f"sensitivity on EfficientNet-Lite0, the first answer: {seconds:.2f} s")


def deepfool(name: str, model: nn.Module, images: Tensor, bounds: tuple[float, float]) -> None:
    """The mean of ‖change‖ ÷ ‖input‖, as Moosavi-Dezfooli et al. report it, over images that are classified."""
    begin = time.perf_counter()
    found = [chaos.deepfool(model, image[None]) for image in images]
    seconds = time.perf_counter() - begin
    ours = np.array([one.relative for one in found])
    fooled = sum(one.found for one in found)
    print(
        f"DeepFool on {name}: mean relative distance {ours.mean():.4f}, {fooled} of {len(ours)} fooled, {seconds:.1f} s"
    )
    try:
        import foolbox
    except ImportError:
        print("  foolbox is not installed")
        return
    wrapped = foolbox.PyTorchModel(model, bounds=bounds, device="cpu")
    with torch.no_grad():
        labels = model(images).argmax(1)
    begin = time.perf_counter()
    attack = foolbox.attacks.L2DeepFoolAttack(steps=50, candidates=10, overshoot=0.02)
    there, _clipped, success = attack(wrapped, images, labels, epsilons=None)
    seconds = time.perf_counter() - begin
    theirs = ((there - images).flatten(1).norm(dim=1) / images.flatten(1).norm(dim=1)).numpy()
    print(
        f"  foolbox: {theirs.mean():.4f}, {int(success.sum())} fooled, {seconds:.1f} s; "
        f"ours ÷ theirs {ours.mean() / theirs.mean():.3f}, median of the ratios {np.median(ours / theirs):.3f}"
    )


def distances(folder: Path | None) -> None:
    network = nnlens.zoo.digits()
    images = torch.stack([network.preprocess(image) for image, _label in list(nnlens.zoo.DigitImages())[:60]])
    deepfool("the network of digits", network.model, images, (float(images.min()), float(images.max())))
    if folder is None or not (folder / "models" / "cifar10_resnet20.safetensors").is_file():
        return
    from safetensors.torch import load_file

    model = ResNet20()
    model.load_state_dict(load_file(folder / "models" / "cifar10_resnet20.safetensors"), strict=False)
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    images = (objects(folder)[0][:60] * 0.25 + 0.5 - mean) / std
    deepfool("ResNet-20", model.eval(), images, (float(images.min()), float(images.max())))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--threads", type=int)
    asked = parser.parse_args()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    local_maps()
    pieces()
    sensitivity()
    distances(asked.folder)


if __name__ == "__main__":
    main()
