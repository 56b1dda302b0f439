"""Inputs of one row, tokens or a signal, have no edges to look like."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from nnlens import kernels


def test_a_row_of_values_is_not_compared_with_edges():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 3)).eval()
    x = torch.randn(1, 3, 1, 12)
    result = kernels.attribution(model, x, "gradient", target=1)
    subject = kernels.Subject(model, x, target=1)
    *_, evidence = kernels.evidence_steps(subject, result, {}, checks=("faithfulness",))
    assert np.isnan(evidence.edges)
    assert "edges" not in {finding.check for finding in evidence.findings()}
