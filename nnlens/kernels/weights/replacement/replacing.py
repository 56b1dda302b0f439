"""A copy of a model in which one layer computes with simpler weights."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from nnlens.kernels.cost.summary import flops
from nnlens.recording import borrow
from nnlens.recording.record import unwrapped
from nnlens.utils.language import _, number
from nnlens.utils.suggestions import nearest

from ..weight import Weight, find_one
from .factors import METHODS, Factors, Method, depthwise_separable, full_rank, gabor, low_rank, prune, separable


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Replacement:
    """A changed copy of a model, and what the change costs and saves.

    Attributes
    ----------
    model : torch.nn.Module
        The copy, in the mode of the original, which is unchanged.
    layer, label : str
        The module that was replaced, and what it was.
    method : str
    setting : float or None
        The rank, the multiplier or the share of weights that were set to 0; None for "gabor".
    weight_error : float
        ‖new − old‖ ÷ ‖old‖ of the weights (Frobenius norm).
    parameters : (int, int)
        How many numbers describe the layer's weights before and after, without biases.
    flops : (int, int) or None
        Of a pass of the whole model before and after; None without an input. Weights that are 0 are multiplied like
        all others, so "prune" saves none without a library for sparse weights.
    accuracy : (float, float) or None
        The share of the images whose top class is their label, before and after; None without labelled images.
    agreement : float or None
        The share of the images whose top class is the same before and after; None without images.
    images : int
        How many images these are over.
    """

    model: nn.Module = field(repr=False)
    layer: str
    label: str
    method: Method
    setting: float | None
    weight_error: float
    parameters: tuple[int, int]
    flops: tuple[int, int] | None = None
    accuracy: tuple[float, float] | None = None
    agreement: float | None = None
    images: int = 0

    def __repr__(self) -> str:
        return f"Replacement({self.layer!r}: {self.describe()})"

    def describe(self) -> str:
        """In words: "low-rank 8: weights changed by 21 %, 5,312 instead of 23,232 numbers, …"."""
        words = [
            _("weights changed by {share} %", share=number(f"{100 * self.weight_error:.3g}")),
            _("{after} instead of {before} numbers", before=self.parameters[0], after=self.parameters[1]),
        ]
        if self.flops is not None:
            words.append(
                _("{share} % of the network's FLOPs", share=number(f"{100 * self.flops[1] / self.flops[0]:.3g}"))
            )
        if self.agreement is not None:
            words.append(
                _(
                    "same top class on {share} % of {images} images",
                    share=number(f"{100 * self.agreement:.3g}"),
                    images=self.images,
                )
            )
        if self.accuracy is not None:
            before, after = (number(f"{100 * share:.3g}") for share in self.accuracy)
            words.append(_("accuracy {after} % instead of {before} %", before=before, after=after))
        return f"{setting_words(self.method, self.setting)}: {', '.join(words)}"


def setting_words(method: Method, setting: float | None) -> str:
    """A method with its setting: "low-rank 8", "prune 90 %"."""
    name = method_words(method)
    if setting is None:
        return name
    return f"{name} {100 * setting:.3g} %" if method == "prune" else f"{name} {setting:g}"


def method_words(method: str) -> str:
    """The name of a method in the user's language."""
    return {
        "low-rank": _("low-rank"),
        "separable": _("separable"),
        "depthwise-separable": _("depthwise-separable"),
        "gabor": _("Gabor function"),
        "prune": _("prune"),
    }[method]


def replace(
    model: nn.Module,
    layer: str | nn.Module,
    method: Method,
    *inputs: Any,
    rank: int | None = None,
    amount: float | None = None,
    **keywords: Any,
) -> Replacement:
    """A copy of a model in which a layer is replaced by something simpler; the model itself is not changed.

    Parameters
    ----------
    layer : str or module
        A convolution or linear layer.
    method : str
        "low-rank"
            `rank` filters and a 1 × 1 convolution, or two linear layers.
        "separable"
            `rank` filters of height × 1, then a convolution of 1 × width.
        "depthwise-separable"
            `rank` filters for each channel by itself, then a 1 × 1 convolution.
        "gabor"
            Each filter's fitted Gabor function, times a vector of channels.
        "prune"
            The share `amount` of the weights, those of the smallest magnitude, set to 0.
    *inputs, **keywords : optional
        An input of the model, to count FLOPs.
    rank, amount
        What the method needs.

    Raises
    ------
    TypeError, ValueError
        For a layer or a setting that does not fit the method, saying which do.

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 5), torch.nn.ReLU())
    >>> replace(model, "0", "low-rank", rank=2).parameters
    (1200, 182)
    """
    weight = find_one(model, layer)
    setting = checked_setting(weight, method, rank=rank, amount=amount)
    before = flops(model, *inputs, **keywords) if inputs or keywords else None
    result = replaced(model, weight, method, setting)
    if before is None:
        return result
    after = flops(result.model, *inputs, **keywords)
    return Replacement(**{**vars(result), "flops": (before, after)})


def checked_setting(
    weight: Weight, method: Any, *, rank: int | None = None, amount: float | None = None
) -> float | None:
    """The setting of a method, or the error that says what the method takes."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}{nearest(str(method), METHODS)}")
    if weight.kind not in ("convolution", "linear") or "." in weight.name[len(weight.module) :]:
        raise ValueError(f"layer must be a convolution or linear layer, got {weight.name!r}, {weight.label}")
    if method == "gabor":
        given = [name for name, value in (("rank", rank), ("amount", amount)) if value is not None]
        if given:
            raise TypeError(f"{given[0]} must be left out for the method 'gabor'")
        return None
    name, value, other = ("amount", amount, rank) if method == "prune" else ("rank", rank, amount)
    if other is not None or value is None:
        raise TypeError(f"method {method!r} needs {name}, and nothing else")
    if method == "prune":
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
            raise ValueError(f"amount must be a share of the weights, 0…1 without 1, got {value!r}")
        return float(value)
    _fits(weight, method)
    highest = full_rank(weight, method)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= highest:
        raise ValueError(f"rank must be a whole number 1…{highest} for {weight.name!r}, {weight.label}, got {value!r}")
    return value


def _fits(weight: Weight, method: Method) -> None:
    if isinstance(weight.owner, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        raise ValueError(f"method {method!r} is not for transposed convolutions, got {weight.name!r}, {weight.label}")
    if method != "low-rank" and weight.kind == "linear":
        raise ValueError(f"method {method!r} needs a convolution, got {weight.name!r}, {weight.label}")
    if method == "separable" and len(weight.kernel) != 2:
        raise ValueError(f"method 'separable' needs filters of rows and columns, got {weight.name!r}, {weight.label}")


def factors(weight: Weight, method: Method, setting: float | None) -> Factors:
    """A layer's simpler weights, and the module that computes with them."""
    if weight.not_finite:
        raise ValueError(f"the weight of {weight.name!r} has {weight.not_finite} values that are NaN or infinite")
    if method == "gabor" or setting is None:
        return gabor(weight)
    if method == "prune":
        return prune(weight, setting)
    make = {"low-rank": low_rank, "separable": separable, "depthwise-separable": depthwise_separable}[method]
    return make(weight, int(setting))


def replaced(model: nn.Module, weight: Weight, method: Method, setting: float | None) -> Replacement:
    """The copy with the layer replaced; see `replace`."""
    model = unwrapped(model)
    with borrow(model), torch.no_grad():
        made = factors(weight, method, setting)
    with borrow(model):
        # The module is exchanged wherever the model has it, also under other names.
        copy = deepcopy(model, _keeping(model, weight.owner, made.module))
    change, size = (made.values - weight.values).norm(), weight.values.norm()
    return Replacement(
        model=copy.train(model.training) if copy is not made.module else copy,
        layer=weight.name,
        label=weight.label,
        method=method,
        setting=setting,
        weight_error=float(change / size) if size else 0.0,
        parameters=(weight.values.numel(), made.parameters),
    )


def _keeping(model: nn.Module, old: nn.Module, new: nn.Module) -> dict[int, Any]:
    """What `deepcopy` has copied before it begins: the old module, as the new one."""
    return {id(old): new}


def settings_to_try(weight: Weight, method: Method) -> list[float | None]:
    """Settings over the whole range of a method, the simplest first."""
    if method == "gabor":
        return [None]
    if method == "prune":
        return [0.98, 0.95, 0.9, 0.8, 0.7, 0.5, 0.3]
    highest = full_rank(weight, method)
    shares = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 3 / 8, 1 / 2, 3 / 4, 1)
    return list(dict.fromkeys(max(1, round(share * highest)) for share in shares))


def methods_for(weight: Weight) -> list[Method]:
    """The methods that fit a layer."""
    found: list[Method] = []
    for method in METHODS:
        try:
            checked_setting(weight, method, **_any_setting(method))
            if method in ("separable", "depthwise-separable", "gabor"):
                factors(weight, method, 1 if method != "gabor" else None)
        except (TypeError, ValueError):
            continue
        found.append(method)
    return found


def _any_setting(method: Method) -> Mapping[str, Any]:
    return {} if method == "gabor" else {"amount": 0.5} if method == "prune" else {"rank": 1}
