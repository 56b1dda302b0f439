"""Lyapunov exponents: how fast small differences grow or shrink along the states of a system."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nnlens.utils.language import _, number

_BLOCKS = 10  # for the standard errors
Step = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Exponents:
    """The first Lyapunov exponents along the states that were passed.

    Attributes
    ----------
    values : float64 array (directions,)
        In units of 1 / step (natural logarithm), the largest first; −∞ for a direction that collapsed.
    errors : float64 array (directions,)
        Standard errors of the mean from ten blocks of steps; NaN for fewer than twenty steps, and where it collapsed.
    steps : int
        How many steps the mean is over.
    collapsed : int
        How many of the directions the system sets to exactly 0, as units of a ReLU that are off do.
    """

    values: Float[np.ndarray, " directions"]
    errors: Float[np.ndarray, " directions"]
    steps: int
    collapsed: int

    @property
    def dimension(self) -> float:
        """Of the attractor by Kaplan & Yorke (1979): as many directions as together do not shrink, and a fraction.

        A lower bound where all directions together still grow.
        """
        sums = np.cumsum(self.values)
        held = int((sums >= 0).sum())
        if held == 0 or held == len(self.values):
            return float(held)
        return float(held + sums[held - 1] / -self.values[held])

    def describe(self) -> str:
        """In words: "the largest exponent is 0.69 ± 0.01 per step: small differences grow; 2 of 8 collapsed"."""
        largest, error = self.values[0], self.errors[0]
        words = {
            "largest": number(f"{largest:.3g}"),
            "error": number(f"{error:.1g}"),
            "steps": self.steps,
        }
        uncertain = 2 * error if math.isfinite(error) else 0.0
        if largest > uncertain:
            said = _("the largest exponent is {largest} ± {error} per step: small differences grow", **words)
        elif largest < -uncertain:
            said = _("the largest exponent is {largest} ± {error} per step: small differences fade", **words)
        else:
            said = _("the largest exponent is {largest} ± {error} per step: not different from 0", **words)
        if self.collapsed:
            said += _("; {count} of {all} directions collapsed", count=self.collapsed, all=len(self.values))
        return said

    def __repr__(self) -> str:
        return f"Exponents({self.describe()})"


def lyapunov(
    step: Step,
    state: Float[Tensor, " n"],
    *,
    steps: int,
    transient: int = 0,
    directions: int | None = None,
) -> Exponents:
    """The Lyapunov exponents of a system by QR decomposition (Benettin et al. 1980; Geist et al. 1990).

    At each step the tangents Q are sent through the step's Jacobian (`torch.func.jvp`) and made orthogonal again:
    J Q = Q′ R; an exponent is the mean of ln |R_kk|. In double precision.

    Parameters
    ----------
    step : callable (state, number of the step) → the next state
        Of tensors (n,), in operations of torch. With inputs that depend on the number the exponents are those of the
        system as these inputs drive it.
    state : tensor (n,)
    steps, transient : int
        How many steps the means are over, and how many come before them, so that the state reaches its attractor and
        the tangents their directions.
    directions : int, optional
        How many exponents; all n by default.

    Raises
    ------
    ValueError
        For numbers out of range, and where the state becomes infinite or NaN.
    """
    if state.ndim != 1 or not state.is_floating_point():
        raise ValueError(f"state must be a floating-point tensor (n,), got {state.dtype} {tuple(state.shape)}")
    count = len(state) if directions is None else directions
    if not 1 <= count <= len(state):
        raise ValueError(f"directions must be 1…{len(state)}, got {directions}")
    if steps < 1 or transient < 0:
        raise ValueError(f"steps must be at least 1 and transient at least 0, got {steps} and {transient}")
    now = state.detach().double()
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(len(now), count, generator=generator, dtype=torch.float64)
    tangents = torch.linalg.qr(start)[0].to(now)
    lost = torch.zeros(count, dtype=torch.bool, device=now.device)
    logs = []
    with torch.inference_mode(False), torch.no_grad():
        for place in range(-transient, steps):
            now, tangents = _advanced(step, place + transient, now, tangents)
            if not bool(torch.isfinite(now).all()):
                raise ValueError(f"step must keep the state finite: it was infinite or NaN after {place + transient}")
            tangents, upper = torch.linalg.qr(tangents)
            sizes = upper.diagonal().abs()
            # What was set to 0 stays 0; the directions that QR puts in its place are any.
            lost |= sizes == 0
            if place >= 0:
                logs.append(torch.where(lost, -torch.inf, sizes.log()))
    return exponents_from(torch.stack(logs).cpu().numpy())


def exponents_from(logs: Float[np.ndarray, "steps directions"]) -> Exponents:
    """The means of ln |R_kk| over the steps, and their standard errors from blocks of steps."""
    steps, count = logs.shape
    values = logs.mean(0)
    errors = np.full(count, np.nan)
    if steps >= 2 * _BLOCKS:
        blocks = np.stack([block.mean(0) for block in np.array_split(logs, _BLOCKS)])
        steady = np.isfinite(values)
        errors[steady] = blocks[:, steady].std(0, ddof=1) / math.sqrt(_BLOCKS)
    order = np.argsort(-values, kind="stable")
    return Exponents(values=values[order], errors=errors[order], steps=steps, collapsed=int(np.isneginf(values).sum()))


def _advanced(step: Step, place: int, now: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor]:
    """The next state, and the tangents (n, directions) sent through the Jacobian."""
    many = torch.func.vmap(lambda state: step(state, place))
    rows = now.expand(tangents.shape[1], -1).clone()
    sent: tuple[Tensor, ...] = torch.func.jvp(many, (rows,), (tangents.T.contiguous(),))
    return sent[0][0], sent[1].T
