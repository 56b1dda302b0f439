"""Neural collapse: what the last features of a classifier become late in training (Papyan et al., 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nnlens.utils.language import _, number


@dataclass(frozen=True, kw_only=True)
class NeuralCollapse:
    """How far the features have collapsed. All of the first four go to 0, and `agreement` to 1.

    Attributes
    ----------
    within : float
        NC1: tr(Σ_W Σ_B⁺) ÷ C, the scatter within the classes against that between them.
    lengths : float
        NC2: standard deviation ÷ mean of the lengths of the centred class means.
    angles : float
        NC2: mean distance of the cosines between them from −1 ÷ (C − 1).
    dual : float
        NC3: ‖W/‖W‖ − M/‖M‖‖² of the last layer's weights and the centred class means; NaN without weights.
    agreement : float
        NC4: the share of examples that the last layer and the nearest class mean classify alike; NaN without weights.
    cosines : array (C, C)
        Of the centred class means.
    """

    within: float
    lengths: float
    angles: float
    dual: float
    agreement: float
    cosines: np.ndarray

    def describe(self) -> str:
        """The collapse in words."""
        count = len(self.cosines)
        off = self.cosines[~np.eye(count, dtype=bool)].mean()
        return _(
            "Scatter within the classes {within} of that between them; mean cosine of the class means {cosine}, in "
            "full collapse {limit}.",
            within=number(f"{self.within:.3g}"),
            cosine=number(f"{off:.3f}"),
            limit=number(f"{-1 / (count - 1):.3f}"),
        )


@torch.no_grad()
def neural_collapse(
    features: Tensor, labels: Tensor, *, weight: Tensor | None = None, bias: Tensor | None = None
) -> NeuralCollapse:
    """Measure neural collapse in the features that a classifier's last layer reads.

    Parameters
    ----------
    features : tensor (n, d)
        Of the training set.
    labels : tensor (n,)
        Their classes, 0 to C − 1, each at least once.
    weight, bias : tensor (C, d) and (C,), optional
        Of the last layer.

    Raises
    ------
    ValueError
        For fewer than two classes, a class without examples, and shapes that do not fit.
    """
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        got = f"{tuple(features.shape)} and {tuple(labels.shape)}"
        raise ValueError(f"features must be (n, d) and labels (n,), got {got}")
    count = int(labels.max()) + 1
    if count < 2 or len(labels.unique()) != count:
        raise ValueError(f"labels must have each of the classes 0…{count - 1}, and two at least")
    if weight is not None and weight.shape != (count, features.shape[1]):
        raise ValueError(f"weight must be ({count}, {features.shape[1]}), got {tuple(weight.shape)}")
    rows = features.double()
    means = torch.stack([rows[labels == label].mean(0) for label in range(count)])
    centre = means.mean(0)
    centred = means - centre
    left = rows - means[labels]
    within, between = left.T @ left / len(rows), centred.T @ centred / count
    lengths = centred.norm(dim=1)
    cosines = (centred @ centred.T) / (lengths[:, None] * lengths[None]).clamp_min(1e-300)
    off = cosines[~torch.eye(count, dtype=torch.bool, device=cosines.device)]
    dual = agreement = float("nan")
    if weight is not None:
        layer = weight.double()
        dual = float((layer / layer.norm() - centred / centred.norm()).square().sum())
        scores = rows @ layer.T + (0 if bias is None else bias.double())
        agreement = float((scores.argmax(1) == torch.cdist(rows, means).argmin(1)).double().mean())
    return NeuralCollapse(
        within=float(torch.trace(within @ torch.linalg.pinv(between, rtol=1e-10, hermitian=True)) / count),
        lengths=float(lengths.std(unbiased=False) / lengths.mean()),
        angles=float((off + 1 / (count - 1)).abs().mean()),
        dual=dual,
        agreement=agreement,
        cosines=cosines.cpu().numpy(),
    )
