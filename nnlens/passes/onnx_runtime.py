"""Whole passes on ONNX Runtime: an optional engine (extra `fast`), often faster than PyTorch on a CPU."""

from __future__ import annotations

import copy
import io
import logging
import time
import warnings
from dataclasses import replace

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


class OnnxPasses:
    """A model exported to ONNX for batches of inputs like `x`, and run by ONNX Runtime with torch's threads.

    The model must be in eval mode, and nobody else may use it meanwhile: it is borrowed, or a copy.

    Attributes
    ----------
    seconds : float
        How long a pass on one input took, as far as it was measured; infinite before.

    Raises
    ------
    ImportError
        Without the extra `fast`.
    ValueError
        If the model cannot be exported, or gives other scores there (more than 1e-4 off).
    """

    def __init__(self, model: nn.Module, x: Tensor, meaning: ScoreMeaning):
        import onnxruntime

        scores = _Scores(model, meaning.output).eval()
        self._meaning, self.device = replace(meaning, output=None), x.device
        self.seconds = float("inf")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        # Threads that wait in a loop would take torch's turn: where both run in turn, torch was 20 times slower.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4  # errors are raised
        problems = []
        # A trace takes a second or two, but has a batch of two in it where the model asks Python for its length.
        for export in (_traced, _exported):
            try:
                content = export(scores, torch.cat([x, x]))
                self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
                self._name = self._session.get_inputs()[0].name
                off = self._difference(scores, x)
            except Exception as error:  # the exporters and the engine have errors of their own kinds
                problems.append(f"{type(error).__name__}: {error}")
                continue
            if off <= CLOSE:
                return
            problems.append(f"the exported model's scores are {off:.1g} off, more than {CLOSE:g}")
        raise ValueError(f"the model does not export to ONNX: {problems[-1]}")

    def _difference(self, model: nn.Module, x: Tensor) -> float:
        """The largest difference of the scores from the model's own, for a batch of three."""
        random = torch.randn(2, *x.shape[1:], generator=torch.Generator().manual_seed(0), dtype=torch.float32).to(x)
        batch = torch.cat([x, x * 0.5 + random * x.std()])
        with torch.no_grad():
            off = self(batch) - self._meaning.read(model(batch), len(batch))
        return float(off.abs().max().nan_to_num(nan=torch.inf))

    def reading(self, meaning: ScoreMeaning) -> OnnxPasses:
        """The same, but its scores are read in another way."""
        twin = copy.copy(self)
        twin._meaning = replace(meaning, output=None)
        return twin

    def __call__(self, batch: Tensor) -> Tensor:
        """The scores (n, classes) of a batch (n, channels, height, width)."""
        began = time.perf_counter()
        (scores,) = self._session.run(None, {self._name: batch.detach().cpu().contiguous().numpy()})
        if len(batch) == 1:
            self.seconds = min(self.seconds, time.perf_counter() - began)
        return self._meaning.read(torch.from_numpy(scores), len(batch)).to(self.device)


def _traced(model: nn.Module, batch: Tensor) -> bytes:
    """The model as ONNX by torch's older exporter, which traces one pass."""
    file, axes = io.BytesIO(), {"x": {0: "batch"}, "scores": {0: "batch"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (batch,),
            file,  # type: ignore[arg-type]  # of which the annotation does not know
            dynamo=False,
            input_names=["x"],
            output_names=["scores"],
            dynamic_axes=axes,
        )
    return file.getvalue()


def _exported(model: nn.Module, batch: Tensor) -> bytes:
    """The model as ONNX by torch's newer exporter, which takes several times as long."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(model, (batch,), dynamo=True, dynamic_shapes={"x": {0: "batch"}}, verbose=False)
    finally:
        logger.setLevel(level)
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content
