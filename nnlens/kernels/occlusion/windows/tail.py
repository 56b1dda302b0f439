"""What follows the windows, on ONNX Runtime: one graph from the values that are handed over to the scores."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from nnlens.passes.fast import beside
from nnlens.passes.onnx_runtime import OnnxModule, OnnxPasses
from nnlens.recording import borrow, substituting
from nnlens.recording.record import copy_of
from nnlens.scores.meaning import pick_output

from .incremental import Incremental


class Tail(nn.Module):
    """The model from the values on that a plan hands over; `model` is the plan's own, or a copy of it."""

    def __init__(self, plan: Incremental, model: nn.Module):
        super().__init__()
        self.plan, self.model = plan, model

    def forward(self, *values: Tensor) -> Tensor:
        """The output for the handed-over values, in the plan's order."""
        plan = self.plan
        batch, instead = plan.given(dict(zip(plan.handed, values, strict=True)), returned=True)
        with substituting(self.model, plan.prepared.recording.calls, instead):
            return pick_output(self.model(batch), plan.prepared.meaning.output)


def onnx_tail(plan: Incremental) -> OnnxModule | None:
    """The rest of a plan's passes on ONNX Runtime; None where it does not run there, or is not exported yet.

    It is exported when first asked for, in a thread of its own where nobody is to wait for it. The model must be
    borrowed.
    """
    passes = plan.prepared.onnx
    if passes is None:
        return None
    key = "tail", *plan.handed
    if key not in passes.parts:
        if not passes.beside:
            _export(plan, plan.prepared.model, passes)
        elif not beside(lambda: partial(_export, plan, copy_of(plan.prepared.model), passes)):
            return None
    return passes.parts.get(key)


def _export(plan: Incremental, model: nn.Module, passes: OnnxPasses) -> None:
    key, tail = ("tail", *plan.handed), None
    # For three positions of the occluder.
    rows, columns = (np.array([0, len(starts) // 2, len(starts) - 1]) for starts in (plan.tops, plan.lefts))
    try:
        with borrow(plan.prepared.model):
            handed = plan.local(rows, columns, torch.zeros_like(plan.prepared.x[0]))
            probe = [handed[name].clone() for name in plan.handed]
            own = plan.finish(handed)  # which may write into what is handed over
        # In eval mode itself: the exporter leaves a module, with all it holds, in the mode in which it was.
        tail = OnnxModule(
            Tail(plan, model).eval(),
            probe,
            lambda result: float((passes.read(result) - own).abs().max().nan_to_num(nan=torch.inf)),
            patient=False,
        )
    except Exception:  # the exporter and the engine have errors of their own kinds; torch is there
        pass
    passes.parts[key] = tail
