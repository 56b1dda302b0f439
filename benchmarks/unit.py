"""The unit card's kernels: `python benchmarks/unit.py [back] [examples] [synthesis] [--threads N] [--quick]`.

Everything runs in one process, in turn, and the ratios are of medians.

back: one back-projection of a unit in the middle of the network, and of a class, against one plain forward pass.
examples: the best of all units of five layers over 10,000 images of 32 × 32, against plain forward passes over them.
synthesis: a step of the "fourier" recipe, the network seeing 224 pixels, against the same step as lucent takes it, in
plain torch: a picture of 128 pixels, one transform after the other, enlarged to 224; the whole forward; weights that
collect gradients. Ours shows every eighth step, for which it runs once more without the warp.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from networks import build
from torch import Tensor, nn

import nnlens
from nnlens.kernels import Prepared, back_projection, examples, synthesis_steps

warnings.simplefilter("ignore")


def timed(*runs: Callable[[], object], rounds: int) -> list[float]:
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


def plain(model: nn.Module, x: Tensor) -> Callable[[], object]:
    @torch.no_grad()
    def run() -> object:
        return model(x)

    return run


def back(rounds: int) -> None:
    for name in ("SqueezeNet", "EfficientNet-Lite0", "ResNet-18"):
        model, x = build(name), torch.randn(1, 3, 224, 224)
        recording = nnlens.record(model, x)
        prepared = Prepared(model, x, recording=recording)
        rectifiers = [one.name for one in recording if one.op in ("relu", "relu6", "hardtanh")]
        layer = rectifiers[len(rectifiers) // 2]
        for rule in ("gradient", "guided backprop", "deconvnet"):
            for of in ((layer, 3), 7):
                options = {"rule": rule, "recording": recording, "prepared": prepared}
                forward, took = timed(plain(model, x), partial(back_projection, model, x, of, **options), rounds=rounds)
                what = f"class {of}" if isinstance(of, int) else of[0]
                print(f"{name:19} {rule:16} of {what:16} {took * 1e3:6.1f} ms = {took / forward:.2f} × a forward")


def best(rounds: int) -> None:
    model, _, _ = nnlens.zoo.objects()
    x = torch.randn(10_000, 3, 32, 32)
    layers = [f"features.{number}" for number in (2, 5, 9, 12, 16)]
    prepared = Prepared(model, x[:1])

    @torch.no_grad()
    def passes() -> None:
        for batch in x.split(64):
            model(batch)

    forward, ours = timed(passes, lambda: examples(model, x, layers, prepared=prepared), rounds=max(1, rounds // 8))
    print(f"examples: {forward:.2f} s of plain passes, {ours:.2f} s = {ours / forward:.2f} ×")


class Lucents:
    """A step as lucent takes it: hooks, `backward`, pad, jitter, size, turn, jitter."""

    def __init__(self, model: nn.Module, layer: int, channel: int, side: int):
        self.model, self.channel, self.side = model, channel, side
        self.value: Tensor | None = None
        model[layer].register_forward_hook(self.keep)  # type: ignore[index, operator]
        frequency = (torch.fft.fftfreq(side)[:, None] ** 2 + torch.fft.rfftfreq(side)[None] ** 2).sqrt()
        self.scale = (1 / frequency.clamp(min=1 / side))[..., None]
        self.spectrum = (torch.randn(1, 3, *frequency.shape, 2) * 0.01).requires_grad_()
        self.optimiser = torch.optim.Adam([self.spectrum], lr=0.05)
        self.colours = torch.randn(3, 3) * 0.2

    def keep(self, module: nn.Module, args: object, output: Tensor) -> None:
        self.value = output

    def jitter(self, x: Tensor, by: int) -> Tensor:
        top, left = torch.randint(0, by, (2,)).tolist()
        return x[:, :, top : top + x.shape[2] - by, left : left + x.shape[3] - by]

    def __call__(self) -> None:
        self.optimiser.zero_grad()
        spectrum = torch.view_as_complex(self.spectrum * self.scale)
        x = torch.fft.irfft2(spectrum, s=(self.side, self.side), norm="ortho") / 4
        x = torch.einsum("ij,njhw->nihw", self.colours, x).sigmoid()
        x = self.jitter(F.pad(x, (12,) * 4, value=0.5), 8)
        x = F.interpolate(x, scale_factor=0.9 + 0.2 * float(torch.rand(())), mode="bilinear")
        turn = (torch.rand(()) - 0.5) * 0.35
        theta = torch.stack([turn.cos(), -turn.sin(), turn * 0, turn.sin(), turn.cos(), turn * 0]).view(1, 2, 3)
        x = F.grid_sample(x, F.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False)
        x = self.jitter(x, 4)
        mean, std = (torch.tensor(one).view(3, 1, 1) for one in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        x = F.interpolate((x - mean) / std, size=(224, 224), mode="bilinear")
        self.model(x)
        assert self.value is not None
        (-self.value[:, self.channel].mean()).backward()
        self.optimiser.step()


def grown(rounds: int) -> None:
    for number, before, goal in ((5, 2.33, 2.4), (7, 2.19, 2.3), (9, 1.97, 2.1), (11, 1.57, 1.8)):
        model, x = build("ResNet-18"), torch.zeros(1, 3, 224, 224)
        theirs = Lucents(build("ResNet-18"), number, 3, 128)
        every = 8
        steps = synthesis_steps(model, x, (str(number), 3), steps=100_000, every=every)
        peer, ours = timed(theirs, lambda steps=steps: next(steps), rounds=max(3, rounds // 2))
        ours /= every
        print(
            f"synthesis, layer {(number - 3) // 2}: {peer * 1e3:.0f} ms a step as lucent takes it, "
            f"ours {ours * 1e3:.0f} ms ({peer / ours:.2f} × faster; before {before}, goal {goal})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=["back", "examples", "synthesis", []], default=[])
    parser.add_argument("--threads", type=int)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    rounds = 8 if options.quick else 24
    parts = {"back": back, "examples": best, "synthesis": grown}
    for name in options.what or parts:
        parts[name](rounds)


if __name__ == "__main__":
    main()
