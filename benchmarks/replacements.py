"""Would something simpler do? `python benchmarks/replacements.py [FOLDER]`

For each convolution of trained networks the smallest replacement that loses at most 1 % accuracy, alone, without any
training after it. The package's digits are always tried, its objects, SqueezeNet and EfficientNet-Lite0 where FOLDER
has images (see `trained.py`). Then Gabor functions in place of SqueezeNet's first layer. The digits take two minutes
on two cores, the others half an hour.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from networks import squeezenet
from torch import Tensor, nn
from trained import digits, filled, objects, photographs

import nnlens
from nnlens.kernels import weights

SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4)
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
LITE = ((127 / 255,) * 3, (128 / 255,) * 3)


def layers(title: str, model: nn.Module, images: Tensor, labels: list[int], shares: tuple[float, ...] = SHARES) -> None:
    print(f"\n### {title}, {len(images)} images\n")
    print("| layer | smallest within 1 % | numbers | FLOPs of the network | accuracy | pruned within 1 % |")
    print("| --- | --- | --- | --- | --- | --- |")
    began = time.time()
    for weight in weights.find(model):
        if weight.kind != "convolution":
            continue
        found, pruned = [], None
        for method in weights.methods_for(weight):
            settings = None
            if method not in ("prune", "gabor"):
                most = weights.full_rank(weight, method)
                settings = list(dict.fromkeys(max(1, round(share * most)) for share in shares))
            elif method == "prune":
                settings = [0.95, 0.9, 0.8, 0.7, 0.5]
            result = weights.sweep(model, weight.name, images, labels=labels, methods=[method], settings=settings)
            best = result.smallest(0.01)
            if method == "prune":
                pruned = best
            elif best is not None:
                found.append(best)
        best = min(found, key=lambda one: (one.flops[1], one.parameters[1]), default=None)
        few = "–" if pruned is None else f"{100 * pruned.setting:.0f} %"
        if best is None:
            print(f"| {weight.name} ({weight.label}) | none | | | | {few} |", flush=True)
            continue
        before, after = best.parameters
        share, accuracy = best.flops[1] / best.flops[0], best.accuracy
        words = best.describe().partition(":")[0]
        print(
            f"| {weight.name} ({weight.label}) | {words} | {after} of {before} | {100 * share:.1f} % | "
            f"{100 * accuracy[1]:.1f} of {100 * accuracy[0]:.1f} % | {few} |",
            flush=True,
        )
    print(f"\n{time.time() - began:.0f} s")


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    layers("digits", nnlens.zoo.digits().model, *digits())
    if folder is None:
        return
    layers("objects", nnlens.zoo.objects().model, *objects(folder))
    model = filled(squeezenet(), folder / "models" / "squeezenet1_0_imagenet.safetensors")
    images, labels = photographs(folder, *IMAGENET)
    gabor = weights.sweep(model, "0", images, labels=labels, methods=["gabor"]).results[0]
    print(f"\nSqueezeNet's first layer: {gabor.describe()}", flush=True)
    layers("SqueezeNet", model, images, labels)
    images, labels = photographs(folder, *LITE)
    # 49 convolutions: without the mirror images, and with fewer ranks.
    layers("EfficientNet-Lite0", nnlens.zoo.efficientnet_lite0().model, images[::2], labels[::2], (1 / 4, 1 / 2))


if __name__ == "__main__":
    main()
