"""Methods that follow the gradient, of the input itself or of many variations of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nnlens.kernels.attribution.result import Attribution
from nnlens.kernels.attribution.subject import Subject, given_count
from nnlens.kernels.occlusion.occluder import Fill, mask_filling
from nnlens.kernels.units.back_projection import Rule, rule_replacements, rule_words


def gradient(subject: Subject) -> Iterator[Attribution]:
    """∂f/∂x: how the score would change with each input value (Simonyan et al. 2013, arXiv:1312.6034)."""
    yield _one_pass(subject, "gradient", "gradient")


def input_x_gradient(subject: Subject) -> Iterator[Attribution]:
    """X · ∂f/∂x (Shrikumar et al. 2016, arXiv:1605.01713): the contribution of each value in a linear network.

    The values add up to f(x) − f(0) if f is linear, and are 0 where x is 0.
    """
    result, _ = subject.gradients(subject.x)
    values = (result * subject.x)[0]
    yield subject.result("input_x_gradient", values, contribution=True)


def deconvnet(subject: Subject) -> Iterator[Attribution]:
    """The deconvnet's signal, which ignores where rectifiers were off (Zeiler & Fergus 2013, arXiv:1311.2901)."""
    yield _one_pass(subject, "deconvnet", "deconvnet")


def guided_backprop(subject: Subject) -> Iterator[Attribution]:
    """Gradients of which only the positive ones pass a rectifier (Springenberg et al. 2014, arXiv:1412.6806)."""
    yield _one_pass(subject, "guided_backprop", "guided backprop")


def _one_pass(subject: Subject, method: str, rule: Rule) -> Attribution:
    notes: tuple[str, ...] = ()
    if rule != "gradient":
        _, rectifiers, pools, obstacles = rule_replacements(subject.recording, rule, None, None)
        notes = (rule_words(rectifiers, pools, obstacles),)
    result, _ = subject.gradients(subject.x, rule)
    return subject.result(method, result[0], contribution=False, notes=notes)


def smoothgrad(
    subject: Subject, *, samples: int = 50, noise: float = 0.15, seed: int = 0, noises: Tensor | None = None
) -> Iterator[Attribution]:
    """The mean gradient of noisy copies of the input (Smilkov et al. 2017, arXiv:1706.03825).

    Parameters
    ----------
    samples : int
    noise : float
        The noise's standard deviation as a share of the input's range (max − min); the paper takes 0.1 to 0.2.
    noises : tensor (samples, …), optional
        The noise itself, in input units, instead.

    The mean of the gradients with their signs, as in the paper; not their squares or magnitudes. One sample without
    noise gives the gradient.
    """
    given_count(samples, "samples")
    if not noise >= 0:
        raise ValueError(f"noise must be at least 0 (a share of the input's range), got {noise}")
    x = subject.x
    if noises is not None and noises.shape[1:] != x.shape[1:]:
        raise ValueError(f"noises must have the shape (samples, {_sizes(x)}), got {tuple(noises.shape)}")
    samples = samples if noises is None else len(noises)
    deviation = noise * float(x.max() - x.min())
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros_like(x[0], dtype=torch.float32)
    parameters: dict[str, Any] = {"samples": samples, "noise": noise, "seed": seed}
    stop = 0
    while stop < samples:
        start, stop = stop, min(samples, stop + subject.passes.chunk)
        if noises is None:
            # One by one: the random numbers must not depend on the size of a batch.
            drawn = [torch.randn(x.shape[1:], generator=generator, dtype=torch.float32) for _ in range(start, stop)]
            some = (torch.stack(drawn) * deviation).to(x)
        else:
            some = noises[start:stop].to(x)
        total += subject.gradients(x + some)[0].float().sum(0)
        yield subject.result("smoothgrad", total / stop, contribution=False, parameters=parameters, done=stop / samples)


def integrated_gradients(
    subject: Subject, *, steps: int = 50, baseline: Fill = 0.0, seed: int = 0
) -> Iterator[Attribution]:
    """(x − b) · ∫ ∂f/∂x (b + α (x − b)) dα (Sundararajan et al. 2017, arXiv:1703.01365, equation 1).

    By Gauss–Legendre quadrature with `steps` nodes. The values add up to f(x) − f(b), up to `delta`.

    Parameters
    ----------
    baseline : as `fill` of `occlusion`
        What the path starts from; "surround" has no meaning here.
    """
    given_count(steps, "steps")
    x = subject.x
    start, words = mask_filling(x, baseline, seed, name="baseline")
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    at = torch.tensor((nodes + 1) / 2, dtype=x.dtype, device=x.device).view(-1, *(1,) * (x.ndim - 1))
    share = torch.tensor(weights / 2, dtype=torch.float32, device=x.device)
    expected = subject.value - float(subject.values(start[None])[0])
    total = torch.zeros(x.shape[1:], dtype=torch.float64)
    parameters: dict[str, Any] = {"steps": steps, "baseline": words}
    last = 0
    while last < steps:
        first, last = last, min(steps, last + subject.passes.chunk)
        some = torch.lerp(start[None], x, at[first:last])
        # A row times a matrix: many times as fast as multiplying and summing.
        total += torch.tensordot(share[first:last], subject.gradients(some)[0].float(), 1).cpu()
        values = total * (x[0] - start).cpu()
        yield subject.result(
            "integrated_gradients",
            values,
            contribution=True,
            parameters=parameters,
            expected=expected if last == steps else None,
            done=last / steps,
        )


def _sizes(x: Tensor) -> str:
    return ", ".join(map(str, x.shape[1:]))
