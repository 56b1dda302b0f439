"""Occlusion beside captum and beside dense passes: `python benchmarks/occlusion.py [network …] [options]`.

Everything runs in one process, in turn, and the ratios are of medians. captum runs as it comes (one position per
pass) and at the best of several `perturbations_per_eval`; "dense" is the prepared model (normalisation folded,
channels last) on whole images in its best batch. Ours runs on torch alone, and with ONNX Runtime (extra `fast`), where
the fastest way is chosen by itself. Per position, milliseconds. The bound is what the counted multiplications of the
windows would allow against dense passes at the same speed. Beside the ratios stand those of an earlier version, and the
goals.

Options: --threads N, --pixels N (the image's side), --first (time to the first pictures and of a live position),
--small (networks for images of 32 × 32, beside a plain loop), --memory (peak of a stride-8 run over that of a dense run
in batches of 16), --inputs (a signal of 5,000 samples and a volume of 64³ instead of images), --quick (fewer rounds).
"""

from __future__ import annotations

import argparse
import functools
import itertools
import math
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import captum.attr
import numpy as np
import torch
from networks import NETS, build, resnet_of_signals, resnet_of_volumes
from torch import Tensor, nn

from nnlens.kernels import (
    Incremental,
    Prepared,
    occluded_scores,
    occlusion,
    occlusion_steps,
    prepare_passes,
    summary,
    volume_occlusion,
)
from nnlens.kernels.occlusion.laid_out import as_image
from nnlens.kernels.occlusion.occluder import occluder
from nnlens.passes.fast import has_fast_engine
from nnlens.recording import borrow

warnings.simplefilter("ignore")

# Network → size → the ratio to captum at its best, before the tail ran on ONNX Runtime, and the goal.
GOALS = {
    "SqueezeNet": {16: (6.7, 8.5), 32: (6.1, 8.0), 64: (4.5, 6.0)},
    "EfficientNet-Lite0": {16: (3.9, 6.5), 32: (4.2, 6.5), 64: (3.1, 5.0)},
    "ResNet-18": {16: (3.8, 4.8), 32: (3.9, 4.8), 64: (3.2, 3.8)},
    "VGG-16": {16: (13.6, 15.0), 32: (10.0, 11.0), 64: (6.4, 7.0)},
    "ViT-S/16": {16: ("–", 2), 32: ("–", 2), 64: ("–", 2)},
    "ViT-Ti/16": {16: ("–", 2), 32: ("–", 2), 64: ("–", 2)},
}


def median(runs: list[float]) -> float:
    return statistics.median(runs)


def seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def captum_run(model: nn.Module, x: Tensor, size: int, at_once: int, rows: int) -> Callable[[], float]:
    """Milliseconds per position of captum over the first `rows` rows of stride 16: it is the same for every place."""
    part = x[:, :, : size + 16 * (rows - 1)]
    method = captum.attr.Occlusion(lambda given: model(torch.cat([given, x[:, :, part.shape[2] :].expand(
        len(given), -1, -1, -1)], 2)))  # fmt: skip
    places = rows * (-(-(x.shape[3] - size) // 16) + 1)

    def run() -> float:
        return (
            1e3
            / (places + 1)
            * seconds(
                lambda: method.attribute(
                    part,
                    sliding_window_shapes=(3, size, size),
                    strides=(3, 16, 16),
                    target=0,
                    perturbations_per_eval=at_once,
                )
            )
        )

    return run


def dense_run(prepared: Prepared, x: Tensor, size: int, at_once: int) -> Callable[[], float]:
    window = occluder(x, size=size)
    places = np.arange(at_once) * 3

    def run() -> float:
        with borrow(prepared.model):
            batch = window.cover(places, places).contiguous(memory_format=torch.channels_last)
            return 1e3 / at_once * seconds(lambda: prepared(batch))

    return run


def ours_run(model: nn.Module, x: Tensor, size: int, stride: int, prepared: Prepared) -> Callable[[], float]:
    def run() -> float:
        count = 0

        def whole() -> None:
            nonlocal count
            count = occlusion(model, x, size=size, stride=stride, prepared=prepared).computed.size

        took = seconds(whole)
        return 1e3 * took / count

    return run


def bound(model: nn.Module, x: Tensor, plan: Incremental) -> float:
    """All multiplications over those on the windows."""
    flops = {cost.name: cost.flops or 0 for cost in summary(model, x, passes=1).lines() if not cost.children}
    share = {one.name: one.area if one.local else 1.0 for one in plan.plan}
    return sum(flops.values()) / max(1, sum(count * share.get(name, 1.0) for name, count in flops.items()))


def compare(name: str, pixels: int, rounds: int) -> None:
    model = build(name)
    torch.manual_seed(1)
    x = torch.randn(1, 3, pixels, pixels)
    prepared = Prepared(model, x)
    prepared.patient = True
    print(f"\n{name}, {pixels} pixels, {torch.get_num_threads()} thread(s); milliseconds per position")
    fast = prepare_passes(model, x, engine="onnx") if has_fast_engine() else prepared
    assert fast is not None
    fast.patient = True
    print(
        "size  captum, 1  captum, best     dense   ours: torch, fastest    × captum best (before, goal)"
        "  × dense   bound"
    )
    rows = 1 if name == "VGG-16" or pixels > 300 else 2
    for size in (16, 32, 64):
        batches = (1, 2, 4, 8, 16)
        trial = {n: captum_run(model, x, size, n, 1)() for n in batches if name != "VGG-16" or n <= 4}
        best = min(trial, key=lambda n: trial[n])
        tried = {n: min(dense_run(prepared, x, size, n)() for _ in range(2)) for n in (2, 4, 8)}
        ways = {
            "one": captum_run(model, x, size, 1, rows),
            "best": captum_run(model, x, size, best, rows),
            "dense": dense_run(prepared, x, size, min(tried, key=lambda n: tried[n])),
            "torch": ours_run(model, x, size, 16, prepared),
            "fast": ours_run(model, x, size, 16, fast),
        }
        for _ in range(3):  # plans, transformed kernels, the library's own code, and which way is the fastest
            ways["torch"](), ways["fast"]()
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, run in ways.items():
                times[way].append(run())
        t = {way: median(runs) for way, runs in times.items()}
        if t["one"] < t["best"]:  # the trial was short
            best, t["best"] = 1, t["one"]
        places = np.arange(-(-(pixels - size) // 16) + 1) * 16
        most = bound(model, x, Incremental(prepared, (size, size), places, places))
        before, goal = GOALS.get(name, {}).get(size, ("–", "–"))
        print(
            f"{size:4} {t['one']:10.1f} {t['best']:9.1f} (n={best:2}) {t['dense']:9.1f} {t['torch']:11.2f}"
            f" {t['fast']:9.2f} {t['best'] / t['torch']:9.1f} {t['best'] / t['fast']:5.1f} ({before}, {goal})"
            f" {t['dense'] / t['fast']:12.1f} {most:7.1f}"
        )
    error = [max(pair) for pair in zip(*(exactness(model, x, one) for one in (prepared, fast)), strict=True)]
    print(f"largest difference from plain passes: logits {error[0]:.1e}, probabilities {error[1]:.1e}")


def exactness(model: nn.Module, x: Tensor, prepared: Prepared) -> tuple[float, float]:
    """Over the positions of one map of stride 32."""
    result = occlusion(model, x, size=32, stride=32, prepared=prepared)
    window = occluder(x, size=32)
    tops, lefts = np.array(list(itertools.product(result.tops, result.lefts))).T
    with torch.no_grad():
        plain = torch.cat([model(image[None]) for image in window.cover(tops, lefts)])
    ours = torch.from_numpy(result.logits).view(len(tops), -1)
    return float((plain - ours).abs().max()), float((plain.softmax(1) - ours.softmax(1)).abs().max())


def first_pictures(name: str, pixels: int) -> None:
    """A size seen for the first time, on a model that has shown another one; then a hand that moves the occluder."""
    model = build(name)
    x = torch.randn(1, 3, pixels, pixels)
    preparing = seconds(lambda: Prepared(model, x))
    runs: list[list[float]] = []
    prepared = Prepared(model, x)
    occlusion(model, x, size=50, stride=16, prepared=prepared)
    for size in (30, 34, 42, 46, 58):
        began, marks = time.perf_counter(), {}
        for step in occlusion_steps(model, x, size=size, stride=16, prepared=prepared):
            done = int(step.computed.sum())
            for mark in (16, 49, step.computed.size):
                if done >= mark:
                    marks.setdefault(mark, time.perf_counter() - began)
        runs.append([1e3 * one for one in marks.values()])
    sketch, seven, full = (median(list(one)) for one in zip(*runs, strict=True))
    random = np.random.default_rng(0)
    live = []
    for _ in range(60):
        top, left = (int(one) for one in random.integers(0, pixels - 32, 2))
        args = {"size": 32, "fill": 0.0, "prepared": prepared}
        live.append(1e3 * seconds(lambda: occluded_scores(model, x, [(top, left)], **args)))  # noqa: B023
    ordered = sorted(live[5:])
    print(
        f"{name:20} preparing {1e3 * preparing:5.0f} ms; 16 positions {sketch:5.0f}, 49 {seven:5.0f}, stride 16 "
        f"{full:6.0f} ms; live {median(ordered):5.1f}, 95 % {ordered[math.ceil(0.95 * len(ordered)) - 1]:5.1f} ms"
    )


def peak_of(name: str, way: str) -> int:
    command = [sys.executable, __file__, name, "--peak", way]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def measure_peak(name: str, way: str) -> None:
    """The process's peak resident memory above that of the idle model, in bytes."""
    model, x = build(name), torch.randn(1, 3, 224, 224)
    before = _status("VmRSS")
    if way != "dense":
        prepared = Prepared(model, x, transforms=way == "ours")
        occlusion(model, x, size=32, stride=8, prepared=prepared)
    else:
        window = occluder(x, size=32)
        with torch.no_grad():
            for start in range(0, 64, 16):
                model(window.cover(np.arange(start, start + 16), np.arange(start, start + 16)))
    print(_status("VmHWM") - before)


def small_images(rounds: int) -> None:
    """Networks for images of 32 × 32, stride 2, beside the plain model on whole images in the batch that is fastest."""
    print(
        f"{torch.get_num_threads()} thread(s); milliseconds per position; × plain loop (before 0.5–0.8, goal 1.5) "
        "and × prepared dense"
    )
    for name, size in itertools.product(("ResNet-20", "ResNet-56"), (4, 8, 16)):
        model, x = build(name), torch.randn(1, 3, 32, 32)
        prepared, window = Prepared(model, x), occluder(x, size=size)
        fast = prepare_passes(model, x, engine="onnx") if has_fast_engine() else prepared
        assert fast is not None
        prepared.patient = fast.patient = True
        places = np.array(list(itertools.product(range(0, 33 - size, 2), repeat=2))).T

        def loop(run: Callable[[Tensor], Tensor], at_once: int, window=window, places=places) -> float:
            def whole() -> None:
                for start in range(0, places.shape[1], at_once):
                    run(window.cover(*places[:, start : start + at_once]))

            with torch.no_grad():
                return 1e3 * seconds(whole) / places.shape[1]

        runs = {"plain": model, "dense": prepared}
        best = {way: min((16, 32, 64), key=lambda n, run=run: loop(run, n)) for way, run in runs.items()}
        ways = {way: functools.partial(loop, run, best[way]) for way, run in runs.items()}
        ways |= {way: ours_run(model, x, size, 2, one) for way, one in (("torch", prepared), ("fast", fast))}
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds + 3):
            for way, run in ways.items():
                times[way].append(run())
        t = {way: median(taken[3:]) for way, taken in times.items()}
        ratios = [t[way] / t[one] for way in ("plain", "dense") for one in ("torch", "fast")]
        print(
            f"{name} size {size:2}: plain {t['plain']:.2f} (n={best['plain']}), dense {t['dense']:.2f}, ours: torch "
            f"{t['torch']:.2f}, fastest {t['fast']:.2f}: {ratios[0]:.2f} and {ratios[1]:.2f}, "
            f"{ratios[2]:.2f} and {ratios[3]:.2f} ×"
        )


def other_inputs(rounds: int) -> None:
    """A signal and a volume: ours, and captum with the batch of perturbations that is fastest."""
    torch.manual_seed(0)
    signal, model = torch.randn(1, 12, 5000), resnet_of_signals().eval()
    volume, deep = torch.randn(1, 1, 64, 64, 64), resnet_of_volumes().eval()
    prepared = Prepared(*as_image(model, signal))
    cases: list[tuple[str, nn.Module, Tensor, tuple[int, ...], tuple[int, ...], Callable[[], object]]] = [
        ("signal of 5,000, size 250, stride 40", model, signal, (12, 250), (12, 40),
         lambda: occlusion(model, signal, size=250, stride=40)),
        ("the same, prepared as in a view", model, signal, (12, 250), (12, 40),
         lambda: occlusion(prepared.model, prepared.x, size=250, stride=40, prepared=prepared)),
        ("volume of 64³, size 16, stride 8", deep, volume, (1, 16, 16, 16), (1, 8, 8, 8),
         lambda: volume_occlusion(deep, volume, size=16, stride=8)),
    ]  # fmt: skip
    for name, network, x, window, step, ours in cases:
        method = captum.attr.Occlusion(network)

        def theirs(at_once: int, x=x, window=window, step=step, method=method) -> float:
            def run() -> object:
                with torch.no_grad():
                    return method.attribute(
                        x, sliding_window_shapes=window, strides=step, target=0, perturbations_per_eval=at_once
                    )

            return seconds(run)

        trial = {n: theirs(n) for n in (1, 2, 4, 8, 16)}
        best = min(trial, key=lambda n: trial[n])
        ours()
        times = [(seconds(ours), theirs(best)) for _ in range(rounds)]
        own, captums = (median(list(one)) for one in zip(*times, strict=True))
        print(f"{name}: ours {own:.2f} s, captum {captums:.2f} s (n={best}): {captums / own:.1f} ×, goal 3")
    live = []
    for place in np.random.default_rng(0).integers(0, 4750, 40):
        args = {"size": 250, "fill": 0.0, "prepared": prepared}
        run = functools.partial(occluded_scores, prepared.model, prepared.x, [(0, int(place))], **args)
        live.append(1e3 * seconds(run))
    ordered = sorted(live[5:])
    late = ordered[math.ceil(0.95 * len(ordered)) - 1]
    print(f"live position of the signal {median(ordered):.1f} ms, 95 % {late:.1f} ms")


def _status(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("networks", nargs="*", default=["SqueezeNet", "EfficientNet-Lite0", "ResNet-18", "VGG-16"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--pixels", type=int, default=224)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--first", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--inputs", action="store_true")
    parser.add_argument("--peak", choices=["ours", "spare", "dense"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.inputs:
        other_inputs(3 if given.quick else 7)
        return
    if given.small:
        small_images(3 if given.quick else 7)
        return
    for name in given.networks:
        assert name in NETS, f"one of {', '.join(NETS)}"
        if given.peak:
            measure_peak(name, given.peak)
        elif given.first:
            first_pictures(name, given.pixels)
        elif given.memory:
            ours, spare, dense = (peak_of(name, way) for way in ("ours", "spare", "dense"))
            print(
                f"{name:20} peak {ours / 1e6:5.0f} MB, without transformed kernels {spare / 1e6:5.0f} MB, dense in "
                f"batches of 16 {dense / 1e6:5.0f} MB: {ours / dense:.2f} and {spare / dense:.2f} ×; "
                "before 2.5 for ResNet-18, goal 1.2"
            )
        else:
            compare(name, given.pixels, 3 if given.quick else 7)


if __name__ == "__main__":
    main()
