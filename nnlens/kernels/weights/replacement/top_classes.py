"""The top classes that a model gives to images."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from nnlens.recording import borrow, device_of
from nnlens.scores.meaning import Output, class_scores

BATCH = 32


def top_classes(model: nn.Module, batch: Tensor, output: Output) -> tuple[np.ndarray, int]:
    """The top class of each image of a batch, and the number of classes."""
    with borrow(model), torch.inference_mode():
        scores = class_scores(model(batch.to(device_of(model))), output, len(batch))
    return scores.argmax(1).cpu().numpy(), scores.shape[1]
