"""How far it is from an input to the nearest decision border: DeepFool, and straight lines."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nnlens.recording import borrow
from nnlens.scores.meaning import Pick
from nnlens.utils.language import _, number

from .passes import checked_input, classes_of

_AT_ONCE = 16


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Adversarial:
    """The nearest input of another class that was found.

    Attributes
    ----------
    x : tensor (1, …)
        The changed input.
    distance, relative : float
        ‖x − original‖, and that as a share of ‖original‖.
    before, after : int
        The classes; equal where no border was found.
    steps : int
    """

    x: Float[Tensor, "1 ..."]
    distance: float
    relative: float
    before: int
    after: int
    steps: int

    @property
    def found(self) -> bool:
        """Whether the class changed."""
        return self.before != self.after

    def describe(self) -> str:
        """In words: "a change of 0.3 % of the input's length makes class 3 of class 5"."""
        if not self.found:
            return _("no border was found in {count} steps", count=self.steps)
        return _(
            "a change of {share} % of the input's length makes class {after} of class {before}",
            share=number(f"{100 * self.relative:.2g}"),
            before=self.before,
            after=self.after,
        )

    def __repr__(self) -> str:
        return f"Adversarial({self.describe()})"


def deepfool(
    model: nn.Module,
    x: Float[Tensor, "1 ..."],
    *,
    candidates: int = 10,
    overshoot: float = 0.02,
    steps: int = 50,
    output: Pick = None,
    tell: Callable[[int], None] | None = None,
) -> Adversarial:
    """A near input of another class (Moosavi-Dezfooli et al. 2016, arXiv:1511.04599, algorithm 2, Euclidean length).

    At each step the classifier is taken for linear; the step goes to the nearest border with one of the candidates:
    min over k of |f_k − f_c| ÷ ‖∇f_k − ∇f_c‖. For a linear classifier the first step is the shortest change there is;
    else the distance is an upper bound of it.

    Parameters
    ----------
    candidates : int
        How many of the classes with the largest scores may become the answer.
    overshoot : float
        By what share the change is made longer, so that it is beyond the border.
    steps : int
        At most.
    tell : callable, optional
        Called with the number of the step; may raise, to cancel.

    Raises
    ------
    ValueError
        For what is not one input, a model without scores of classes, and numbers out of range.
    """
    point = checked_input(x)
    if candidates < 2 or steps < 1 or not 0 <= overshoot < math.inf:
        got = f"{candidates}, {steps} and {overshoot}"
        raise ValueError(
            f"candidates must be at least 2, steps at least 1 and overshoot at least 0 and finite, got {got}"
        )
    total = torch.zeros_like(point)
    taken = 0
    with torch.inference_mode(False), borrow(model), torch.enable_grad():
        start = classes_of(model, point, output).detach()[0]
        order = start.argsort(descending=True)[:candidates]
        before = after = int(order[0])
        while taken < steps and after == before:
            if tell is not None:
                tell(taken)
            change = _linear_step(model, point + (1 + overshoot) * total, order, output)
            if change is None:
                break
            total += change
            taken += 1
            after = int(classes_of(model, point + (1 + overshoot) * total, output).detach()[0].argmax())
    made = point + (1 + overshoot) * total
    distance = float((made - point).norm())
    relative = distance / max(float(point.norm()), 1e-300)
    return Adversarial(x=made, distance=distance, relative=relative, before=before, after=after, steps=taken)


def _linear_step(model: nn.Module, at: Tensor, order: Tensor, output: Pick) -> Tensor | None:
    """The shortest change that takes the linearised classifier to a border; None where no score changes."""
    given = at.detach().clone().requires_grad_()
    scores = classes_of(model, given, output)[0]
    best, distance = None, math.inf
    own = scores[order[0]]
    for other in order[1:].tolist():
        lead = scores[other] - own
        (gradient,) = torch.autograd.grad(lead, given, retain_graph=True)
        length = float(gradient.norm())
        if length == 0:
            continue
        # A little more than the lead, so that rounding does not leave the point just before the border.
        way = (abs(float(lead.detach())) + 1e-4) / length
        if way < distance:
            best, distance = gradient * (way / length), way
    return None if best is None else best.detach()


def decision_distance(
    model: nn.Module,
    x: Float[Tensor, "1 ..."],
    direction: Float[Tensor, "1 ..."],
    *,
    most: float | None = None,
    output: Pick = None,
) -> float:
    """How far it is along a direction until the answer changes; infinite where it does not on the way.

    16 places on the way, closer together near x, are tried, and the part before the first other answer again, until
    it is known to 1e-3 of the distance. A strip of another class thinner than the places are apart may be missed.

    Parameters
    ----------
    direction : tensor like x
        Its length does not count.
    most : float, optional
        How far is tried; ten times the length of x by default.

    Raises
    ------
    ValueError
        For what is not one input, and a direction of another shape or of length 0.
    """
    point = checked_input(x)
    if direction.shape != point.shape or not bool(direction.any()):
        raise ValueError(f"direction must be a tensor like x, {tuple(point.shape)}, that is not 0")
    along = direction.to(point) / direction.to(point).norm()
    far = 10 * (float(point.norm()) or 1.0) if most is None else most
    if not 0 < far < math.inf:
        raise ValueError(f"most must be above 0 and finite, got {most}")
    low, high = 0.0, far
    places = torch.logspace(-4, 0, _AT_ONCE, dtype=torch.float64) * far
    shape = (-1, *[1] * (point.ndim - 1))
    with torch.inference_mode(False), torch.no_grad(), borrow(model):
        own = int(classes_of(model, point, output)[0].argmax())
        for _round in range(5):
            answers = classes_of(model, point + places.to(point).view(shape) * along, output).argmax(1)
            other = (answers != own).nonzero()
            if not len(other):
                return math.inf
            first = int(other[0])
            low, high = float(places[first - 1]) if first else low, float(places[first])
            if high - low <= 1e-3 * high:
                break
            places = torch.linspace(low, high, _AT_ONCE + 1, dtype=torch.float64)[1:]
    return high
