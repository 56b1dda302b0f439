"""Passes on ONNX Runtime: an optional engine (extra `fast`), often faster than PyTorch on a CPU."""

from __future__ import annotations

import copy
import io
import logging
import time
import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor, nn

from nnlens.scores.meaning import Pick, ScoreMeaning, pick_output

CLOSE = 1e-4  # in the scores; what differs more is not used


class _Scores(nn.Module):
    """A model that gives its scores alone."""

    def __init__(self, model: nn.Module, output: Pick):
        super().__init__()
        self.model, self.output = model, output

    def forward(self, x: Tensor) -> Tensor:
        return pick_output(self.model(x), self.output)


class OnnxModule:
    """A module that gives one tensor, exported to ONNX, and run by ONNX Runtime with torch's threads.

    The module must be in eval mode, and nobody else may use it meanwhile: it is borrowed, or a copy.

    Parameters
    ----------
    probe : tensors (n, …)
        Its arguments for at least three inputs; it is exported for any number of them.
    off : callable
        Called with the exported model's result for `probe`: how far the scores are from the right ones, at most.
    patient : bool
        Whether to try torch's newer exporter, too, which takes several seconds.

    Raises
    ------
    ImportError
        Without the extra `fast`.
    ValueError
        If the module cannot be exported, or gives other results there (more than 1e-4 off).
    """

    @torch.no_grad()
    def __init__(
        self,
        module: nn.Module,
        probe: Sequence[Tensor],
        off: Callable[[Tensor], float],
        *,
        patient: bool = True,
    ):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        # Threads that wait in a loop would take torch's turn: where both run in turn, torch was 20 times slower.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4  # errors are raised
        self._is_large = False  # whether it has run a batch of several inputs, for which it keeps memory
        problems = []
        # A trace takes a second or two, but has a batch of two in it where the model asks Python for its length.
        for export in (_traced, _exported) if patient else (_traced,):
            try:
                content = export(module, tuple(argument[:2].clone() for argument in probe))
                self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
                error = off(self(*probe))
            except Exception as raised:  # the exporters and the engine have errors of their own kinds
                problems.append(f"{type(raised).__name__}: {raised}")
                continue
            if error <= CLOSE:
                self._one = [argument[:1].detach().clone() for argument in probe]
                _modules.add(self)
                return
            problems.append(f"the exported model's scores are {error:.1g} off, more than {CLOSE:g}")
        raise ValueError(f"the model does not export to ONNX: {problems[-1]}")

    def __call__(self, *arguments: Tensor, options: Any = None) -> Tensor:
        """The result for a batch, on the CPU; `options` are those of ONNX Runtime."""
        given = {_name(place): argument for place, argument in enumerate(arguments)}
        # Of several arguments the exporter leaves out those that do not matter.
        names = [item.name for item in self._session.get_inputs()]
        feed = {name: given[name].detach().cpu().contiguous().numpy() for name in names}
        (result,) = self._session.run(None, feed, options)
        self._is_large |= len(result) > 1
        return torch.from_numpy(result)

    def shrink(self) -> None:
        """Give back the memory that larger batches took, and that is kept for the next ones."""
        if not self._is_large:
            return
        import onnxruntime

        options = onnxruntime.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self(*self._one, options=options)  # takes place at the end of a pass
        self._is_large = False


def shrink_all() -> None:
    """Give back the memory that ONNX Runtime keeps for large batches, about 10 MB for each image of 224 × 224."""
    for module in list(_modules):
        module.shrink()


_modules: WeakSet[OnnxModule] = WeakSet()


class OnnxPasses:
    """Whole passes of a model on ONNX Runtime, see `OnnxModule`.

    Attributes
    ----------
    seconds : float
        The least time that a pass on one input took.
    parts : dict
        Parts of the model that were exported as well, by name; None for one that did not export.
    beside : bool
        Whether parts are exported in a thread of their own, so that nobody waits.
    """

    def __init__(self, model: nn.Module, x: Tensor, meaning: ScoreMeaning):
        self._meaning, self.device = replace(meaning, output=None), x.device
        self.seconds, self.beside = float("inf"), False
        self.parts: dict[Hashable, OnnxModule | None] = {}
        random = torch.randn(2, *x.shape[1:], generator=torch.Generator().manual_seed(0), dtype=torch.float32).to(x)
        probe = torch.cat([x, x * 0.5 + random * x.std()])
        scores = _Scores(model, meaning.output).eval()
        self._model = OnnxModule(scores, [probe], lambda result: self.off(result, scores(probe.clone())))
        self(x)  # which notes how long it takes

    def off(self, result: Tensor, own: Tensor) -> float:
        """The largest difference between the scores in two outputs."""
        off = self.read(result) - self.read(own)
        return float(off.abs().max().nan_to_num(nan=torch.inf))

    def reading(self, meaning: ScoreMeaning) -> OnnxPasses:
        """The same, but its scores are read in another way."""
        twin = copy.copy(self)
        twin._meaning = replace(meaning, output=None)
        return twin

    def __call__(self, batch: Tensor) -> Tensor:
        """The scores (n, classes) of a batch (n, channels, height, width)."""
        began = time.perf_counter()
        output = self._model(batch)
        if len(batch) == 1:
            self.seconds = min(self.seconds, time.perf_counter() - began)
        return self.read(output)

    def read(self, output: Tensor) -> Tensor:
        """The scores (n, classes) in an output of the model, or of one of its parts."""
        return self._meaning.read(output.to(self.device), len(output))


def _name(place: int) -> str:
    return f"x{place}"


def _traced(model: nn.Module, batch: tuple[Tensor, ...]) -> bytes:
    """The model as ONNX by torch's older exporter, which traces one pass."""
    file, names = io.BytesIO(), [_name(place) for place in range(len(batch))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            batch,
            file,  # type: ignore[arg-type]  # of which the annotation does not know
            dynamo=False,
            input_names=names,
            output_names=["scores"],
            dynamic_axes={name: {0: "batch"} for name in (*names, "scores")},
        )
    return file.getvalue()


def _exported(model: nn.Module, batch: tuple[Tensor, ...]) -> bytes:
    """The model as ONNX by torch's newer exporter, which takes several times as long."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    names = [_name(place) for place in range(len(batch))]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                model,
                batch,
                dynamo=True,
                input_names=names,
                dynamic_shapes=tuple({0: "batch"} for _argument in batch),
                verbose=False,
            )
    finally:
        logger.setLevel(level)
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content
