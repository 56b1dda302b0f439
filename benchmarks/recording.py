"""What recording costs, beside plain hooks and torchlens, and what each of the three records.

`python benchmarks/recording.py [rounds]`: each round runs every way once, in turn; ratios are of medians, to the plain
forward. Fresh memory is what costs: "first" keeps all earlier recordings alive, so that every value needs new pages;
"again" is a `Recorder(recycle=True)`, which takes over the memory of its last pass. "kept, again" is the least it
can take: a torch function mode that keeps each result in such memory, and does nothing else. "peak" is the process's
peak resident memory above the plain forward's, over the bytes of what was kept (a process of its own for each).
"""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from networks import build
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nnlens.recording import Recorder, Recording, record

for folder in ("helpers", "recording"):
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / folder))
warnings.simplefilter("ignore")


# Each with a layer to record alone.
LAYERS = {
    "SqueezeNet": "5.expand3x3",
    "EfficientNet-Lite0": "_blocks.7._depthwise_conv",
    "ResNet-18": "7.conv2",
    "ViT-S/16": "blocks.5.mlp.1",
}


PASSES = 8
# Before and the goal, as ratios to the plain forward: one layer alone, and everything in memory that is used again.
RATIOS = {
    "SqueezeNet": ((1.32, 1.05), (1.41, 1.2)),
    "EfficientNet-Lite0": ((1.34, 1.05), (1.99, 1.4)),
    "ResNet-18": ((1.23, 1.05), (1.44, 1.2)),
    "ViT-S/16": ((1.14, 1.05), (1.43, 1.2)),
}


def hooks(model: nn.Module, x: Tensor) -> list[Tensor]:
    """Plain forward hooks on every module, which keep references."""
    kept: list[Tensor] = []

    def keep(module: nn.Module, args: Any, output: Any) -> None:
        kept.append(output)

    handles = [module.register_forward_hook(keep) for module in model.modules()]
    try:
        with torch.no_grad():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return kept


class Keeping(TorchFunctionMode):
    """Keeps what each function of torch returns, as it was then, in memory of the last pass; no more than that."""

    def __init__(self) -> None:
        super().__init__()
        self.before: list[Any] = []
        self.kept: list[Any] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None) -> Any:
        place = len(self.kept)
        if place < len(self.before):
            self.before[place] = None
        if kwargs and kwargs.get("inplace"):
            self.kept[-1] = self.kept[-1].clone()
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.kept.append(result)
        return result

    def again(self, model: nn.Module, x: Tensor) -> None:
        self.before, self.kept = self.kept, []
        with torch.no_grad(), self:
            model(x)


def plain(model: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return model(x)


def bytes_of(recording: Recording) -> int:
    storages = {}
    for name in recording.names:
        if not name.endswith("attention_weights"):
            storage = recording[name].untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())


def overhead(rounds: int) -> None:
    x = torch.randn(1, 3, 224, 224)
    for name, layer in LAYERS.items():
        measure(name, build(name), layer, x, rounds)


def measure(name: str, model: nn.Module, layer: str, x: Tensor, rounds: int) -> None:
    alive: list[Any] = []
    recycling, one, keeping = Recorder(model, recycle=True), Recorder(model, only=layer), Keeping()

    def block() -> None:
        """Several passes of a recorder that has borrowed the model once."""
        with Recorder(model, only=layer) as many:
            for _pass in range(PASSES):
                many(x)

    ways: dict[str, Callable[[], Any]] = {
        "plain": lambda: plain(model, x),
        "nnlens, first": lambda: alive.append(record(model, x)),
        "nnlens, again": lambda: recycling(x),
        "nnlens, one layer": lambda: one(x),
        f"the same, {PASSES} in a block": block,
        "kept, again": lambda: keeping.again(model, x),
        "hooks, first": lambda: alive.append(hooks(model, x)),
    }
    times = timed(ways, rounds, alive, lambda: plain(model, x))
    times[f"the same, {PASSES} in a block"] = [one / PASSES for one in times[f"the same, {PASSES} in a block"]]
    whole = record(model, x)
    base = statistics.median(times["plain"])
    print(f"\n{name}: plain {base:.1f} ms, {len(whole)} operations, {bytes_of(whole) / 1e6:.0f} MB kept")
    one, again = RATIOS[name]
    goals = {"nnlens, again": again, "nnlens, one layer": one, f"the same, {PASSES} in a block": one}
    for way, values in times.items():
        goal = "  before {}, goal {}".format(*goals[way]) if way in goals else ""
        print(f"  {way:23} {statistics.median(values):7.1f} ms  {statistics.median(values) / base:6.2f} ×{goal}")
    torchlens = _torchlens()
    if torchlens is not None:
        # It leaves torch's functions wrapped, which would slow the others: a turn of its own, beside ours.
        once = torchlens.options.CaptureOptions(unwrap_when_done=True)
        peer = {
            "nnlens, first": ways["nnlens, first"],
            "torchlens, all": lambda: torchlens.trace(model, [x], capture=once),
        }
        times = timed(peer, 3, alive, lambda: plain(model, x))
        ours, theirs = (statistics.median(values) for values in times.values())
        print(f"  torchlens, all     {theirs:7.1f} ms  {theirs / base:6.2f} ×; {theirs / ours:.1f} × ours beside it")
    if Path("/proc/self/clear_refs").exists():
        print(f"  peak memory        {peak(name):.2f} × of what is kept")


def timed(
    ways: dict[str, Callable[[], Any]], rounds: int, alive: list[Any], settle: Callable[[], Any]
) -> dict[str, list[float]]:
    """Milliseconds of each way, in turn, over the rounds behind two to warm up."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    for round_ in range(rounds + 2):
        for way, run in ways.items():
            settle()  # what ran before must not decide how warm the caches are
            began = time.perf_counter()
            result = run()
            if round_ > 1:
                times[way].append((time.perf_counter() - began) * 1e3)
            del result
        if round_ % 4 == 3:
            alive.clear()
            gc.collect()
    alive.clear()
    return times


def peak(name: str) -> float:
    """Peak resident memory of a recording above that of a plain forward, over the bytes that it keeps."""
    command = [sys.executable, __file__, "--peak", name]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(lines[-1])


def measure_peak(name: str) -> None:
    model, x = build(name), torch.randn(1, 3, 224, 224)
    # Not this model: what an earlier recording has freed would be at hand, and the peak stay hidden.
    record(nn.Linear(1, 1), torch.zeros(1, 1))
    for _ in range(3):
        plain(model, x)

    def above(run: Callable[[], Any]) -> tuple[Any, int]:
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = _status("VmRSS")
        return run(), _status("VmHWM") - before

    _, of_plain = above(lambda: plain(model, x))
    recording, of_record = above(lambda: record(model, x))
    print((of_record - of_plain) / bytes_of(recording))


def _status(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def coverage() -> None:
    """How many of the operations that each specimen of the tests' zoo has, counted by hand, are recorded by each."""
    from test_zoo import built, hooked, tensors
    from zoo import ZOO

    torchlens = _torchlens()
    print(f"\n{'specimen':16}{'operations':>11}{'nnlens':>8}{'torchlens':>11}{'hooks':>7}")
    for name, specimen in ZOO.items():
        model, inputs, keywords = built(specimen)
        recording = record(model, *inputs, **keywords)
        wanted = specimen.names.split()
        ours = [recording[one] for one in wanted if one in recording]
        seen = [value for values in hooked(model, inputs, keywords).values() for value in values]
        theirs: list[Tensor] | None = None
        if torchlens is not None:
            try:
                trace = torchlens.trace(built(specimen)[0], list(inputs), input_kwargs=keywords or None)
                theirs = [value for op in trace.layer_list for value in tensors(op.out)]
            except Exception as error:
                theirs, reason = None, type(error).__name__

        def count(values: list[Tensor], ours: list[Tensor] = ours) -> int:
            return sum(any(_alike(value, other) for other in values) for value in ours)

        shown = str(count(theirs)) if theirs is not None else reason[:9] if torchlens else "–"
        print(f"{name:16}{len(wanted):11}{len(ours):8}{shown:>11}{count(seen):7}")


def _alike(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return torch.allclose(one, other, rtol=1e-4, atol=1e-5, equal_nan=True)


def _torchlens() -> Any:
    try:
        import torchlens
    except ImportError:
        return None
    return torchlens


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peak"]:
        measure_peak(sys.argv[2])
    else:
        overhead(int(sys.argv[1]) if len(sys.argv) > 1 else 12)
        coverage()
