"""A copy of a model in which one layer computes with simpler weights."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor, nn

from nnlens.kernels.cost.summary import flops
from nnlens.recording import borrow
from nnlens.recording.borrow import lock_of
from nnlens.recording.record import unwrapped
from nnlens.utils.language import _, number
from nnlens.utils.suggestions import nearest

from ..weight import Weight, find_one, plain_class
from .factors import (
    METHODS,
    Factors,
    Method,
    depthwise_separable,
    full_rank,
    gabor,
    low_rank,
    prune,
    same_module,
    separable,
)

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED)
# Modules that read the weights of their children themselves, instead of calling them.
_READING = (nn.MultiheadAttention, nn.TransformerEncoderLayer)


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
    lost, won : int
        How many images it gets wrong that the model got right, and the reverse; without labels, how many have another
        top class, and 0.
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
    lost: int = 0
    won: int = 0

    @property
    def loss(self) -> float:
        """The share of the images that it loses: of accuracy where they have labels, else of agreement."""
        return (self.lost - self.won) / self.images if self.images else float("nan")

    @property
    def loss_interval(self) -> tuple[float, float]:
        """The 95 % interval of `loss` over images like these (Agresti & Min 2005: of paired shares, ½ added to each).

        It does not include that the best of several replacements may have been chosen on the same images.
        """
        if not self.images:
            return float("nan"), float("nan")
        count, lost, won = self.images + 2, self.lost + 0.5, self.won + 0.5
        middle = (lost - won) / count
        reach = 1.96 * math.sqrt(lost + won - (lost - won) ** 2 / count) / count
        return max(middle - reach, -1.0), min(middle + reach, 1.0)

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
        if self.images:
            low, high = (number(f"{100 * bound:.2g}").replace("-", "−") for bound in self.loss_interval)
            words.append(_("loss {low} … {high} % (95 % interval)", low=low, high=high))
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
    check_forward(model, weight, method)
    before = flops(model, *inputs, **keywords) if inputs or keywords else None
    result = replaced(model, weight, method, setting)
    if before is None:
        return result
    after = flops(result.model, *inputs, **keywords)
    return Replacement(**{**vars(result), "flops": (before, after)})


def check_method(weight: Weight, method: Any) -> None:
    """Raise ValueError where a method is unknown or does not fit the layer."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}{nearest(str(method), METHODS)}")
    what = f"got {weight.name!r}, {weight.label}"
    if not isinstance(weight.owner, _LAYERS) and plain_class(weight.owner).__name__ != "Conv1D":
        raise ValueError(f"layer must be a convolution or linear layer, {what}")
    if method == "prune":
        return
    if isinstance(weight.owner, _TRANSPOSED):
        raise ValueError(f"method {method!r} is not for transposed convolutions, {what}")
    if method == "low-rank":
        return
    if weight.kind != "convolution":
        raise ValueError(f"method {method!r} needs a convolution, {what}")
    if method == "gabor" and (len(weight.kernel) != 2 or math.prod(weight.kernel) < 25):
        raise ValueError(
            f"method 'gabor' needs filters of at least 25 pixels, {what}: nine parameters would fit anything smaller"
        )
    if method == "separable" and (
        len(weight.kernel) != 2 or plain_class(weight.owner).forward is not nn.Conv2d.forward
    ):
        raise ValueError(f"method 'separable' needs a Conv2d that pads as torch's does, {what}")
    if method == "depthwise-separable" and (weight.groups != 1 or max(weight.kernel) == 1):
        raise ValueError(
            f"method 'depthwise-separable' needs a convolution of more than one pixel that is not grouped, {what}"
        )


def checked_setting(weight: Weight, method: Any, *, rank: Any = None, amount: Any = None) -> float | None:
    """The setting of a method, or the error that says what the method takes."""
    check_method(weight, method)
    if method == "gabor":
        given = [name for name, value in (("rank", rank), ("amount", amount)) if value is not None]
        if given:
            raise TypeError(f"{given[0]} must be left out for the method 'gabor'")
        return None
    name, value, other = ("amount", amount, rank) if method == "prune" else ("rank", rank, amount)
    if other is not None or value is None:
        raise TypeError(f"method {method!r} needs {name}, and nothing else")
    if method == "prune":
        if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) < 1:
            raise ValueError(f"amount must be a share of the weights, 0…1 without 1, got {value!r}")
        return float(value)
    highest = full_rank(weight, method)
    if isinstance(value, bool) or not isinstance(value, Integral) or not 1 <= int(value) <= highest:
        raise ValueError(f"rank must be a whole number 1…{highest} for {weight.name!r}, {weight.label}, got {value!r}")
    return int(value)


def factors(weight: Weight, method: Method, setting: float | None) -> Factors:
    """A layer's simpler weights, and the module that computes with them."""
    if weight.not_finite:
        raise ValueError(f"the weight of {weight.name!r} has {weight.not_finite} values that are NaN or infinite")
    with torch.random.fork_rng(devices=[]):  # torch's modules draw their first weights
        if method == "gabor" or setting is None:
            return gabor(weight)
        if method == "prune":
            return prune(weight, setting)
        make = {"low-rank": low_rank, "separable": separable, "depthwise-separable": depthwise_separable}[method]
        return make(weight, int(setting))


def check_forward(model: nn.Module, weight: Weight, method: Method) -> None:
    """Raise ValueError where a module, or a hook of it, computes something else than a layer with its weights.

    With all its rank a replacement must give what the module gives. Only asked where it is not plain: with a forward of
    its own, or hooks other than those of torch that compute its weight.
    """
    owner, kind = weight.owner, plain_class(weight.owner)
    plain: Any = next(base for base in kind.__mro__ if base.__module__.startswith("torch.nn"))
    own = kind.forward is not plain.forward
    hooks = [hook for hook in owner._forward_pre_hooks.values() if not hasattr(hook, "compute_weight")]
    hooks = [hook for hook in hooks if not hasattr(hook, "apply_mask")]
    if not (own or hooks or owner._forward_hooks):
        return
    with borrow(model), torch.no_grad():
        plain_copy = method in ("gabor", "prune")
        same = same_module(weight) if plain_copy else factors(weight, method, full_rank(weight, method)).module
        channels, sides = weight.values.shape[1] * weight.groups, [4 * side + 3 for side in weight.kernel]
        first = next(owner.parameters())
        x = torch.randn(1, channels, *sides, generator=torch.Generator().manual_seed(0)).to(first.device, first.dtype)
        try:
            expected, found = owner(x), same(x)
            reach = 1e-3 * float(expected.abs().max())
            fits = expected.shape == found.shape and torch.allclose(
                expected.float(), found.float(), rtol=1e-2, atol=reach
            )
        except Exception:
            fits = False
    if not fits:
        raise ValueError(
            f"layer {weight.name!r} cannot be replaced: {kind.__name__} has a forward or hooks of its own, which "
            "compute something else than a layer with its weights"
        )


def replaced(model: nn.Module, weight: Weight, method: Method, setting: float | None) -> Replacement:
    """The copy with the layer replaced; see `replace`."""
    model = unwrapped(model)
    parents = [module for path, module in model.named_modules() if path and weight.module.startswith(f"{path}.")]
    reading = next((module for module in reversed((model, *parents)) if isinstance(module, _READING)), None)
    if (
        reading is not None
        and method not in ("gabor", "prune")
        and any(child is weight.owner for child in reading.children())
    ):
        raise ValueError(
            f"layer {weight.name!r} cannot be replaced by several layers: {type(reading).__name__} reads its weight "
            "itself; 'prune' keeps the layer"
        )
    with borrow(model), torch.no_grad():
        made = factors(weight, method, setting)
    trained = [parameter.requires_grad for parameter in weight.owner.parameters()]
    for parameter in made.module.parameters():
        parameter.requires_grad_(all(trained))
    made.module.train(weight.owner.training)  # it was made while the model was borrowed
    with lock_of(model):
        # The module is exchanged wherever the model has it, also under other names.
        try:
            copy = deepcopy(model, {id(weight.owner): made.module, **_not_copied(model)})
        except Exception as error:
            raise ValueError(f"model must be one that can be copied: {error}") from error
    change, size = (made.values - weight.values).norm(), weight.values.norm()
    return Replacement(
        model=copy,
        layer=weight.name,
        label=weight.label,
        method=method,
        setting=setting,
        weight_error=float(change / size) if size else 0.0,
        parameters=(weight.values.numel(), made.parameters),
    )


def _not_copied(model: nn.Module) -> dict[int, Any]:
    """Tensors that `deepcopy` refuses, as torch's older weight_norm leaves them in a module: copied by value."""
    found = [value for module in model.modules() for value in vars(module).values() if isinstance(value, Tensor)]
    return {id(value): value.detach().clone() for value in found if not value.is_leaf}


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
            check_method(weight, method)
        except ValueError:
            continue
        found.append(method)
    return found
