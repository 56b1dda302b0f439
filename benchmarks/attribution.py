"""Attribution beside its peers: `python benchmarks/attribution.py [lime] [shap] [rise] [gradients] [--quick]`.

On EfficientNet-Lite0 with its ImageNet weights and a photograph of 224 × 224; everything in one process, in turn, and
the ratios are of medians. The peers run the model as it comes, in eval mode.

lime: PyPI's `lime` with the same superpixels and number of samples, its batches those that suit it best here.
shap: captum's KernelShap with the same superpixels and number of samples.
rise: the algorithm as its authors wrote it: all masks at once, batches of masked images through the model.
gradients: captum's IntegratedGradients, and its NoiseTunnel over Saliency.

"outside" is the share of our time that was not spent inside the network.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import nnlens
from nnlens.inputs import model_input
from nnlens.kernels import Prepared, prepare_passes
from nnlens.kernels.attribution.superpixels import switched_off
from nnlens.passes.whole_passes import WholePasses

warnings.simplefilter("ignore")
TARGET = 281
inside = [0.0]


def timed(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median seconds of each, taken in turn."""
    took: dict[str, list[float]] = {name: [] for name in runs}
    shares: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            inside[0] = 0.0
            begin = time.perf_counter()
            run()
            took[name].append(time.perf_counter() - begin)
            shares[name].append(1 - inside[0] / took[name][-1])
    medians = {name: statistics.median(times) for name, times in took.items()}
    peer = next(iter(medians))
    for name, seconds in medians.items():
        words = f"{medians[peer] / seconds:.2f} × as fast, {statistics.median(shares[name]):.1%} outside"
        print(f"  {name:32} {seconds:7.2f} s   {words if name != peer else ''}", flush=True)
    return medians


def watch() -> None:
    """Add up the time that whole passes and their gradients spend inside the network."""
    for name in ("_plain", "_differentiable"):
        plain = getattr(WholePasses, name)

        def run(self: WholePasses, *given: object, plain: Callable[..., Tensor] = plain) -> Tensor:
            begin = time.perf_counter()
            try:
                return plain(self, *given)
            finally:
                inside[0] += time.perf_counter() - begin

        setattr(WholePasses, name, run)
    backward = torch.autograd.grad

    def grad(*given: object, **options: object) -> object:
        begin = time.perf_counter()
        try:
            return backward(*given, **options)  # type: ignore[arg-type]
        finally:
            inside[0] += time.perf_counter() - begin

    torch.autograd.grad = grad  # type: ignore[assignment]


class Setting:
    def __init__(self) -> None:
        self.model, preprocess, _ = nnlens.zoo.efficientnet_lite0()
        self.x = model_input(nnlens.zoo.photo("cat"), preprocess)
        self.labels = nnlens.kernels.superpixels(self.x, "slic", 50)
        self.torch = Prepared(self.model, self.x)
        self.torch.may_switch = False
        try:
            self.onnx = prepare_passes(self.model, self.x, engine="onnx")
        except ImportError:
            self.onnx = None

    def engines(self, run: Callable[[Prepared], object]) -> dict[str, Callable[[], object]]:
        found = {"nnlens, torch": lambda: run(self.torch)}
        if self.onnx is not None:
            found["nnlens, ONNX Runtime"] = lambda: run(self.onnx)  # type: ignore[arg-type]
        return found


def probabilities(model: nn.Module, batch: Tensor) -> Tensor:
    with torch.no_grad():
        return model(batch).softmax(-1)


def lime(setting: Setting, samples: int, rounds: int) -> None:
    from lime import lime_image

    lime_image.tqdm = lambda rows: rows
    image = setting.x[0].permute(1, 2, 0).contiguous().numpy()

    def classify(images: np.ndarray) -> np.ndarray:
        return probabilities(setting.model, torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()

    def theirs(batch: int) -> Callable[[], object]:
        explainer = lime_image.LimeImageExplainer(random_state=0)
        return lambda: explainer.explain_instance(
            image,
            classify,
            labels=(TARGET,),
            top_labels=None,
            num_samples=samples,
            batch_size=batch,
            segmentation_fn=lambda _: setting.labels,
        )

    def ours(prepared: Prepared) -> object:
        return nnlens.kernels.lime(
            setting.model, setting.x, target=TARGET, samples=samples, segments=setting.labels, prepared=prepared
        )

    print(f"LIME, {samples} samples, {setting.labels.max() + 1} superpixels; before 1.25 ×, goal 3.5 ×")
    timed({"lime (batches of 10)": theirs(10), "lime (batches of 4)": theirs(4), **setting.engines(ours)}, rounds)


def shap(setting: Setting, samples: int, rounds: int) -> None:
    from captum.attr import KernelShap

    mask = torch.from_numpy(setting.labels)[None, None]
    means = switched_off(setting.x, setting.labels, "own mean")[0][None]

    def theirs(batch: int) -> Callable[[], object]:
        method = KernelShap(lambda x: probabilities(setting.model, x))
        return lambda: method.attribute(
            setting.x, means, target=TARGET, feature_mask=mask, n_samples=samples, perturbations_per_eval=batch
        )

    def ours(prepared: Prepared) -> object:
        return nnlens.kernels.kernel_shap(
            setting.model, setting.x, target=TARGET, samples=samples, segments=setting.labels, prepared=prepared
        )

    print(f"KernelSHAP, {samples} samples; before 1.21 ×, goal 2.3 ×")
    timed({"captum (4 at once)": theirs(4), "captum (16 at once)": theirs(16), **setting.engines(ours)}, rounds)


def rise(setting: Setting, samples: int, rounds: int) -> None:
    def theirs(batch: int) -> Callable[[], object]:
        def run() -> object:
            grid = (np.random.rand(samples, 7, 7) < 0.5).astype(np.float32)
            masks = torch.empty(samples, 1, 224, 224)
            for position, small in enumerate(torch.from_numpy(grid)):
                top, left = np.random.randint(0, 32, 2)
                large = F.interpolate(small[None, None], size=(256, 256), mode="bilinear")[0, 0]
                masks[position] = large[top : top + 224, left : left + 224]
            scores = [
                probabilities(setting.model, masks[start : start + batch] * setting.x)
                for start in range(0, samples, batch)
            ]
            return torch.cat(scores).T @ masks.view(samples, -1) / samples / 0.5

        return run

    def ours(prepared: Prepared) -> object:
        return nnlens.kernels.rise(setting.model, setting.x, target=TARGET, samples=samples, prepared=prepared)

    print(f"RISE, {samples} masks; before 1.09 ×, goal 2.5 ×")
    timed(
        {
            "as published (batches of 4)": theirs(4),
            "as published (batches of 100)": theirs(100),
            **setting.engines(ours),
        },
        rounds,
    )


def gradients(setting: Setting, samples: int, rounds: int) -> None:
    from captum.attr import IntegratedGradients, NoiseTunnel, Saliency

    x = setting.x.clone().requires_grad_()

    def integrated(batch: int) -> Callable[[], object]:
        method = IntegratedGradients(setting.model)
        return lambda: method.attribute(x, target=TARGET, n_steps=50, internal_batch_size=batch)

    def smooth(batch: int) -> Callable[[], object]:
        method = NoiseTunnel(Saliency(setting.model))
        deviation = 0.15 * float(setting.x.max() - setting.x.min())
        return lambda: method.attribute(
            x,
            nt_type="smoothgrad",
            nt_samples=50,
            nt_samples_batch_size=batch,
            stdevs=deviation,
            target=TARGET,
            abs=False,
        )

    options = {"target": TARGET, "prepared": setting.torch}
    print("integrated gradients, 50 steps")
    timed(
        {
            "captum (4 at once)": integrated(4),
            "captum (50 at once)": integrated(50),
            "nnlens": lambda: nnlens.kernels.integrated_gradients(setting.model, setting.x, **options),
        },
        rounds,
    )
    print("SmoothGrad, 50 samples")
    timed(
        {
            "captum (4 at once)": smooth(4),
            "captum (50 at once)": smooth(50),
            "nnlens": lambda: nnlens.kernels.smoothgrad(setting.model, setting.x, **options),
        },
        rounds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"lime": lime, "shap": shap, "rise": rise, "gradients": gradients}
    parser.add_argument("what", nargs="*", choices=[*parts, []], default=[])
    parser.add_argument("--threads", type=int)
    parser.add_argument("--quick", action="store_true", help="200 samples and 3 rounds instead of 1,000 and 5")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    watch()
    setting = Setting()
    for name in options.what or parts:
        parts[name](setting, 200 if options.quick else 1000, 3 if options.quick else 5)


if __name__ == "__main__":
    main()
