"""Whole passes on ONNX Runtime: an optional engine (extra `onnx`), often faster than PyTorch on a CPU."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
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

    The model must be borrowed while it is exported.

    Raises
    ------
    ImportError
        Without the extra `onnx`.
    ValueError
        If the model cannot be exported, or gives other scores there (more than 1e-4 off).
    """

    def __init__(self, model: nn.Module, x: Tensor, meaning: ScoreMeaning):
        import onnxruntime

        scores = _Scores(model, meaning.output)
        self._meaning, self.device = replace(meaning, output=None), x.device
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        try:
            content = _exported(scores, x)
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the exporter may raise anything
            raise ValueError(f"the model does not export to ONNX: {type(error).__name__}: {error}") from error
        self._name = self._session.get_inputs()[0].name
        random = torch.randn(2, *x.shape[1:], generator=torch.Generator().manual_seed(0), dtype=torch.float32).to(x)
        batch = torch.cat([x, x * 0.5 + random * x.std()])
        off = float((self(batch) - self._meaning.read(scores(batch), len(batch))).abs().max())
        if not off <= CLOSE:
            raise ValueError(f"the exported model's scores are {off:.1g} off, more than {CLOSE:g}")

    def reading(self, meaning: ScoreMeaning) -> OnnxPasses:
        """The same, but its scores are read in another way."""
        twin = copy.copy(self)
        twin._meaning = replace(meaning, output=None)
        return twin

    def __call__(self, batch: Tensor) -> Tensor:
        """The scores (n, classes) of a batch (n, channels, height, width)."""
        (scores,) = self._session.run(None, {self._name: batch.detach().cpu().contiguous().numpy()})
        return self._meaning.read(torch.from_numpy(scores), len(batch)).to(self.device)


def _exported(model: nn.Module, x: Tensor) -> bytes:
    quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), quiet[0], quiet[1]:
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                model.eval(),
                (torch.cat([x, x]),),
                dynamo=True,
                dynamic_shapes={"x": {0: "batch"}},
                verbose=False,
            )
    finally:
        logging.disable(level)
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content
