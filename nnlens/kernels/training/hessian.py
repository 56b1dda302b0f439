"""The largest eigenvalues of the Hessian of the loss, by Lanczos' method."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from .loss import Loss, separate


def hessian_eigenvalues(
    model: nn.Module, loss: Loss, *, count: int = 3, tolerance: float = 1e-7, most: int = 100, seed: int = 0
) -> np.ndarray:
    """The eigenvalues of the loss's second derivatives by the weights that are largest in absolute value.

    The Hessian is never formed: it is multiplied with vectors (Pearlmutter, 1994), each at about the cost of two
    gradients. The basis of Lanczos' method is made orthogonal anew after each step, so that no eigenvalue appears
    twice. The model is copied, and stands in eval mode.

    Parameters
    ----------
    loss : callable
        From a model to its loss; see `mean_loss`.
    count : int
        How many eigenvalues.
    tolerance : float
        The relative change of the eigenvalues at which the iteration ends.
    most : int
        The largest number of products.
    seed : int
        Of the first vector.

    Returns
    -------
    array (count,)
        From the largest to the smallest absolute value.

    Raises
    ------
    ValueError
        If the loss does not depend on the weights, or is not finite.
    """
    return sharpest(separate(model), loss, count=count, tolerance=tolerance, most=most, seed=seed)


def hessian_steps(
    model: nn.Module, loss: Loss, *, count: int = 3, tolerance: float = 1e-7, most: int = 100, seed: int = 0
) -> Iterator[np.ndarray]:
    """`hessian_eigenvalues` as they are computed: after each product the estimate so far, at most `count` numbers."""
    return _steps(separate(model), loss, count=count, tolerance=tolerance, most=most, seed=seed)


def sharpest(
    model: nn.Module, loss: Loss, *, count: int = 1, tolerance: float = 1e-7, most: int = 100, seed: int = 0
) -> np.ndarray:
    """`hessian_eigenvalues` of a model that may be used as it is: nothing of it is changed."""
    found = list(_steps(model, loss, count=count, tolerance=tolerance, most=most, seed=seed))[-1]
    return np.concatenate([found, np.zeros(count - len(found))])  # fewer where the Hessian has no others but 0


def _steps(model: nn.Module, loss: Loss, *, count: int, tolerance: float, most: int, seed: int) -> Iterator[np.ndarray]:
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    size = sum(weight.numel() for weight in weights)
    if not 1 <= count <= size:
        raise ValueError(f"count must be 1…{size}, the number of weights, got {count}")
    with _differentiable():
        value = loss(model)
        if not bool(torch.isfinite(value)):
            raise ValueError(f"the loss must be finite, got {float(value)}")
        slopes = torch.autograd.grad(value, weights, create_graph=True, allow_unused=True)
        if not any(slope is not None and slope.requires_grad for slope in slopes):
            raise ValueError("the loss must depend on the weights in a way that is not linear: its Hessian is 0")
        joined = torch.cat(
            [
                (torch.zeros_like(weight) if slope is None else slope).reshape(-1)
                for weight, slope in zip(weights, slopes, strict=True)
            ]
        )

    def product(vector: Tensor) -> Tensor:
        with _differentiable():
            parts = torch.autograd.grad(joined, weights, vector, retain_graph=True, allow_unused=True)
        return torch.cat(
            [
                (torch.zeros_like(weight) if part is None else part).reshape(-1)
                for weight, part in zip(weights, parts, strict=True)
            ]
        )

    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(size, generator=generator, dtype=torch.float64).to(joined)
    yield from _lanczos(product, start, count, tolerance, min(most, size))


@contextmanager
def _differentiable() -> Iterator[None]:
    # The fused kernels of attention have no second derivative.
    with torch.inference_mode(False), torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        yield


def _lanczos(
    product: Callable[[Tensor], Tensor], start: Tensor, count: int, tolerance: float, most: int
) -> Iterator[np.ndarray]:
    basis = [start / start.norm()]
    diagonal, beside = list[float](), list[float]()
    before = np.zeros(0)
    while True:
        image = product(basis[-1]).detach()
        diagonal.append(float(image @ basis[-1]))
        vectors = torch.stack(basis)
        for _repeat in range(2):  # once leaves too much of what is there already
            image = image - vectors.T @ (vectors @ image)
        matrix = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
        values = np.linalg.eigvalsh(matrix)
        found = values[np.argsort(-np.abs(values))][:count]
        length = float(image.norm())
        scale = float(np.abs(values).max())
        yield found
        settled = len(found) == len(before) == count and np.abs(found - before).max() <= tolerance * max(scale, 1e-30)
        if settled or len(diagonal) >= most or length <= 1e-10 * max(scale, 1e-30):
            return
        before = found
        beside.append(length)
        basis.append(image / length)
