"""Another way to predict a network near an input: simple models that are fitted to it, and where they fail."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from nnlens.recording import borrow
from nnlens.scores.meaning import Pick, pick_output
from nnlens.utils.language import _, number

SurrogateKind = Literal["linear", "tree", "symbolic"]
_NEEDS: dict[str, str] = {"tree": "sklearn", "symbolic": "gplearn"}
_BATCH = 16

Predict = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class SurrogateFits:
    """How well simple models predict a network in balls of growing radius around an input.

    Attributes
    ----------
    kinds : tuple of "linear", "tree", "symbolic"
    radii : float64 array (radii,)
        Of the balls, in the units of the input.
    scores : float64 array (kinds, radii)
        R², the share of the variance that is predicted, on points that were not fitted; below 0 for predictions that
        are worse than the mean.
    limit : float
        The R² below which a model counts as failed.
    failures : float64 array (kinds,)
        The radius at which each first falls below `limit`; infinite where none does.
    formula : str
        What the symbolic regression found at the largest radius where it holds; "" without.
    """

    kinds: tuple[SurrogateKind, ...]
    radii: Float[np.ndarray, " radii"]
    scores: Float[np.ndarray, "kinds radii"]
    limit: float
    failures: Float[np.ndarray, " kinds"]
    formula: str

    def describe(self) -> str:
        """In words: "linear: fails at 0.8; tree: fails at 0.2"."""
        parts = []
        for kind, radius in zip(self.kinds, self.failures, strict=True):
            words = {"linear": _("linear"), "tree": _("tree"), "symbolic": _("symbolic regression")}[kind]
            if math.isinf(radius):
                parts.append(_("{kind}: never fails here", kind=words))
            else:
                parts.append(_("{kind}: fails at {radius}", kind=words, radius=number(f"{radius:.2g}")))
        return "; ".join(parts)

    def __repr__(self) -> str:
        return f"SurrogateFits({self.describe()})"


def installed_surrogates() -> tuple[SurrogateKind, ...]:
    """The kinds that can be fitted here: a tree needs scikit-learn, symbolic regression gplearn."""
    return tuple(kind for kind in get_args(SurrogateKind) if kind not in _NEEDS or find_spec(_NEEDS[kind]) is not None)


def surrogate_steps(
    model: nn.Module,
    x: Shaped[Tensor, "1 ..."],
    directions: Shaped[Tensor, "k ..."],
    radii: Float[np.ndarray, " radii"],
    *,
    outputs: tuple[int, int | None],
    kinds: tuple[SurrogateKind, ...] = ("linear",),
    samples: int = 96,
    limit: float = 0.9,
    seed: int = 0,
    output: Pick = None,
) -> Generator[float, None, SurrogateFits]:
    """Fit simple models to a network in the space of some directions, and test them on other points.

    Points x + Σ cᵢ · directionᵢ are drawn with c uniform in a ball; two thirds are fitted, one third is predicted. What
    is predicted is one output, or the difference of two. A generator: it yields the share that is done.

    Parameters
    ----------
    directions : tensor (k, …)
        They are made orthogonal and of length 1.
    outputs : (int, int or None)
        The output, and the one that is taken off.
    kinds : tuple of "linear", "tree" (of depth 4, scikit-learn), "symbolic" (genetic programming, gplearn)
    samples : int
        Points for each radius.

    Raises
    ------
    ValueError
        For directions of another shape, an unknown kind or one that is not installed, and too few samples.
    """
    point = x.detach()
    if directions.ndim != point.ndim or directions.shape[1:] != point.shape[1:]:
        raise ValueError(f"directions must be (k, …) like x, {tuple(point.shape)}, got {tuple(directions.shape)}")
    for kind in kinds:
        if kind not in get_args(SurrogateKind):
            raise ValueError(f"kinds must be of {', '.join(get_args(SurrogateKind))}, got {kind!r}")
        if kind not in installed_surrogates():
            raise ValueError(f"kinds: {kind!r} needs the package {_NEEDS[kind]}, which is not installed")
    count = len(directions)
    if samples < 3 * (count + 1):
        raise ValueError(f"samples must be at least {3 * (count + 1)} for {count} directions, got {samples}")
    basis = torch.linalg.qr(directions.to(point).flatten(1).double().T)[0].T.to(point).view(-1, *point.shape[1:])
    rng = np.random.default_rng(seed)
    scores = np.full((len(kinds), len(radii)), np.nan)
    held = (samples + 2) // 3
    formula = ""
    for column, radius in enumerate(radii):
        places = rng.standard_normal((samples, len(basis)))
        places *= (rng.random((samples, 1)) ** (1 / len(basis))) / np.linalg.norm(places, axis=1, keepdims=True)
        values: list[np.ndarray] = []
        for start in range(0, samples, _BATCH):
            part = torch.from_numpy(radius * places[start : start + _BATCH]).to(point)
            values.append(_values(model, point, basis, part, outputs, output))
            yield (column + (start + len(part)) / samples) / len(radii)
        y = np.concatenate(values)
        spread = float(((y[:held] - y[:held].mean()) ** 2).sum())
        for row, kind in enumerate(kinds):
            predict, words = _fitted(kind, places[held:], y[held:], seed)
            error = float(((predict(places[:held]) - y[:held]) ** 2).sum())
            scores[row, column] = 1 - error / spread if spread > 0 else 1.0
            if kind == "symbolic" and scores[row, column] >= limit:
                formula = words
    failures = np.array([_failure(np.asarray(radii), row, limit) for row in scores])
    return SurrogateFits(
        kinds=tuple(kinds), radii=np.asarray(radii), scores=scores, limit=limit, failures=failures, formula=formula
    )


def _values(
    model: nn.Module,
    point: Tensor,
    basis: Tensor,
    places: Tensor,
    outputs: tuple[int, int | None],
    output: Pick,
) -> np.ndarray:
    first, second = outputs
    with torch.inference_mode(False), torch.no_grad(), borrow(model):
        scores = pick_output(model(point + torch.tensordot(places, basis, 1)), output).flatten(1).double()
    value = scores[:, first] - (0 if second is None else scores[:, second])
    return value.cpu().numpy()


def _fitted(kind: SurrogateKind, places: np.ndarray, y: np.ndarray, seed: int) -> tuple[Predict, str]:
    if kind == "linear":
        design = np.c_[places, np.ones(len(places))]
        weights = np.linalg.lstsq(design, y, rcond=None)[0]
        return (lambda at: np.c_[at, np.ones(len(at))] @ weights), ""
    # Values of a mean and variance that genetic programming and trees are made for.
    middle, scale = float(y.mean()), float(y.std()) or 1.0
    if kind == "tree":
        from sklearn.tree import DecisionTreeRegressor

        fitted: Any = DecisionTreeRegressor(max_depth=4, random_state=seed)
    else:
        from gplearn.genetic import SymbolicRegressor

        functions = ("add", "sub", "mul", "max")
        fitted = SymbolicRegressor(
            population_size=500, generations=12, function_set=functions, parsimony_coefficient=0.002, random_state=seed
        )
    fitted.fit(places, (y - middle) / scale)
    words = str(getattr(fitted, "_program", "")) if kind == "symbolic" else ""
    return (lambda at: middle + scale * fitted.predict(at)), words


def _failure(radii: np.ndarray, scores: np.ndarray, limit: float) -> float:
    """Where R² first falls below the limit, on a straight line over the logarithm of the radius."""
    below = np.flatnonzero(scores < limit)
    if not len(below):
        return math.inf
    at = int(below[0])
    if at == 0:
        return float(radii[0])
    share = (scores[at - 1] - limit) / (scores[at - 1] - scores[at])
    return float(np.exp(np.log(radii[at - 1]) + share * (np.log(radii[at]) - np.log(radii[at - 1]))))
