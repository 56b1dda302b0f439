"""Neural collapse: what the last features of a classifier become late in training (Papyan et al., 2020)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nnlens.utils.language import _, number

from ..loss import separate


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


def neural_collapse_steps(
    body: nn.Module,
    head: nn.Linear,
    inputs: Tensor,
    labels: Tensor,
    *,
    steps: int = 2000,
    every: int = 100,
    batch: int = 100,
    rate: float = 0.05,
    decay: float = 5e-3,
    seed: int = 0,
) -> Iterator[tuple[int, NeuralCollapse, float]]:
    """Train copies of a network's body and last layer, and measure neural collapse on the way.

    Gradient descent in batches with momentum 0.9 on the cross entropy, with weight decay, at a rate that falls to 0
    along half a cosine. The theory is about training
    that goes on after every example is classified right. Features are measured in eval mode.

    Parameters
    ----------
    body, head : module
        The features (n, d), and the last layer that reads them.
    inputs, labels : tensor (n, ...) and (n,)
        The training set.
    steps, every, batch : int
        How many steps, after how many it is measured, and the examples of each step.
    rate, decay : float
        The learning rate at first, and the weight decay.
    seed : int
        Of the order of the examples.

    Yields
    ------
    tuple
        The step, what was measured, and the share of the examples that are classified right.
    """
    if steps < 1 or every < 1 or batch < 2:
        raise ValueError(f"steps and every must be at least 1, batch at least 2, got {steps}, {every} and {batch}")
    features, last = separate(nn.Sequential(body, head)).children()
    assert isinstance(last, nn.Linear)
    optimiser = torch.optim.SGD([*features.parameters(), *last.parameters()], lr=rate, momentum=0.9, weight_decay=decay)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps + 1):
        if step % every == 0:
            with torch.no_grad():
                found = features.eval()(inputs)
                right = float((last(found).argmax(1) == labels).double().mean())
                yield step, neural_collapse(found, labels, weight=last.weight, bias=last.bias), right
        with torch.inference_mode(False), torch.enable_grad():
            rows = torch.randperm(len(inputs), generator=generator)[:batch].to(inputs.device)
            optimiser.zero_grad()
            F.cross_entropy(last(features.train()(inputs[rows])), labels[rows]).backward()
            optimiser.step()
            falling.step()
