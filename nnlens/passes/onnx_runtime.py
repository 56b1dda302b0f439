"""Whole passes on ONNX Runtime: an optional engine (extra `fast`), often faster than PyTorch on a CPU."""

from __future__ import annotations

import copy
import io
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

        scores = _Scores(model, meaning.output)
        self._meaning, self.device = replace(meaning, output=None), x.device
        self.seconds = float("inf")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        # Threads that wait in a loop would take torch's turn: where both run in turn, torch was 20 times slower.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4  # errors are raised
        try:
            content = _exported(scores, x)
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the exporter may raise anything
            raise ValueError(f"the model does not export to ONNX: {type(error).__name__}: {error}") from error
        self._name = self._session.get_inputs()[0].name
        random = torch.randn(2, *x.shape[1:], generator=torch.Generator().manual_seed(0), dtype=torch.float32).to(x)
        batch = torch.cat([x, x * 0.5 + random * x.std()])
        try:
            with torch.no_grad():
                off = float((self(batch) - self._meaning.read(scores(batch), len(batch))).abs().max())
        except Exception as error:  # such as that of a model whose batch is part of what was exported
            raise ValueError(f"the exported model does not run: {type(error).__name__}: {error}") from error
        if not off <= CLOSE:
            raise ValueError(f"the exported model's scores are {off:.1g} off, more than {CLOSE:g}")

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


def _exported(model: nn.Module, x: Tensor) -> bytes:
    """The model as ONNX: by a trace, which takes a second or two, or where that fails by torch's newer exporter."""
    model.eval()
    batch = torch.cat([x, x])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            file = io.BytesIO()
            axes = {"x": {0: "batch"}, "scores": {0: "batch"}}
            # The annotation of the file knows names alone.
            torch.onnx.export(
                model,
                (batch,),
                file,  # type: ignore[arg-type]
                dynamo=False,
                input_names=["x"],
                output_names=["scores"],
                dynamic_axes=axes,
            )
            return file.getvalue()
        except Exception:
            program = torch.onnx.export(model, (batch,), dynamo=True, dynamic_shapes={"x": {0: "batch"}}, verbose=False)
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content
