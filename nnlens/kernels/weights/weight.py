"""The weights of a model's modules, as filters: the effective ones, whatever the module computes them from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from nnlens.recording import borrow
from nnlens.recording.record import unwrapped
from nnlens.utils.language import _
from nnlens.utils.suggestions import nearest

Kind = Literal["convolution", "linear", "recurrent", "embedding", "other"]
_NORMALISATIONS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Weight:
    """One weight of a model, a filter for each unit that it computes.

    Attributes
    ----------
    name : str
        The path of its module; a module with several weights is followed by the weight's name: "lstm.weight_hh_l0".
    module, parameter : str
        The module's path, and the name of its parameter.
    label : str
        What it is, in words: "Conv2d 3 → 64, 11 × 11".
    kind : "convolution", "linear", "recurrent", "embedding" or "other"
    values : float32 tensor (filters, channels that each filter reads, *kernel)
        The effective weight: of a parametrised, weight-normed or pruned module that with which it computes. A
        transposed convolution's axes are in this order too. Of a plain float32 module it is the parameter's own
        memory: it changes when the module is trained.
    groups : int
        The groups of a convolution: each filter reads the channels of its group.
    same_as : tuple of str
        Other names of the same tensor (tied weights).
    """

    name: str
    module: str
    parameter: str
    label: str
    kind: Kind
    values: Float[Tensor, "filters channels *kernel"]
    groups: int = 1
    same_as: tuple[str, ...] = ()
    owner: nn.Module = field(repr=False)

    def __repr__(self) -> str:
        return f"Weight({self.name!r}, {self.label})"

    def __len__(self) -> int:
        return len(self.values)

    @property
    def kernel(self) -> tuple[int, ...]:
        """The sides of the kernel in pixels; empty for a weight without a kernel."""
        return tuple(self.values.shape[2:])

    @property
    def not_finite(self) -> int:
        """How many of its numbers are NaN or infinite."""
        if torch.isfinite(self.values.sum()):  # much faster, and nearly always so
            return 0
        return int(self.values.numel() - torch.isfinite(self.values).sum())

    def matrix(self) -> Float[Tensor, "filters reads"]:
        """The filters as rows: (filters, channels × kernel), in double precision.

        Raises ValueError where a number is NaN or infinite.
        """
        if self.not_finite:
            raise ValueError(f"the weight of {self.name!r} has {self.not_finite} values that are NaN or infinite")
        return self.values.reshape(len(self.values), -1).double()


@dataclass(frozen=True, eq=False)
class Found:
    """The weights of a model, in the order of its modules.

    Attributes
    ----------
    weights : tuple of Weight
        Each tensor once.
    aliases : dict of Weight
        Tensors that were found before, by the names of the other modules that use them.
    left_out : dict of str
        Why others are not analysed, by name.
    """

    weights: tuple[Weight, ...]
    aliases: dict[str, Weight]
    left_out: dict[str, str]

    def __len__(self) -> int:
        return len(self.weights)

    def __iter__(self) -> Iterator[Weight]:
        return iter(self.weights)

    def __getitem__(self, name: str) -> Weight:
        for weight in (*self.weights, *self.aliases.values()):
            if weight.name == name:
                return weight
        if name in self.left_out:
            raise ValueError(f"layer {name!r} {self.left_out[name]}")
        known = [weight.name for weight in self.weights]
        raise ValueError(f"layer must be a module with weights, got {name!r}{nearest(name, known)}")

    def __contains__(self, name: object) -> bool:
        return name in self.aliases or any(name == weight.name for weight in self.weights)

    def first(self, name: str) -> Weight:
        """The first weight of the tensor that a name stands for."""
        weight = self[name]
        return next(first for first in self.weights if first is weight or name in first.same_as)


def find(model: nn.Module) -> Found:
    """All weights of a model that are matrices or filter banks.

    Vectors (biases, normalisation) are left out without mention; what cannot be analysed is named in `left_out`. A
    tensor that several modules share is listed once.

    Raises TypeError for what is no module, and ValueError for a model with a lazy module that never ran.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    model = unwrapped(model)
    lazy = next((name for name, parameter in model.named_parameters() if is_lazy(parameter)), None)
    if lazy is not None:
        raise ValueError(f"the model's {lazy} is lazy and never ran: run the model once")
    if any(parameter.is_meta for parameter in model.parameters()):
        raise ValueError("the model's weights must have values, got a model on the meta device: load its weights first")
    found: list[Weight] = []
    aliases: dict[str, Weight] = {}
    left_out: dict[str, str] = {}
    tensors: dict[tuple[int, str], int] = {}  # the memory of those that were found, and their places
    with borrow(model), torch.no_grad():
        for path, module in model.named_modules(remove_duplicate=False):
            if isinstance(module, _NORMALISATIONS) or "parametrizations" in path.split("."):
                continue
            names = _matrices(module)
            for parameter in names:
                name = path if names == ["weight"] else f"{path}.{parameter}" if path else parameter
                try:
                    value = _effective(module, parameter)
                    weight = _weight(name, path, module, parameter, value)
                except ValueError as error:
                    left_out[name] = str(error)
                    continue
                if weight is None:
                    continue
                key = (value.data_ptr(), parameter) if id(value) in _own(module) else (id(module), parameter)
                if key in tensors:
                    first = found[tensors[key]]
                    found[tensors[key]] = Weight(**{**vars(first), "same_as": (*first.same_as, name)})
                    aliases[name] = weight
                    continue
                tensors[key] = len(found)
                found.append(weight)
    return Found(tuple(found), aliases, left_out)


def find_one(model: nn.Module, layer: str | nn.Module) -> Weight:
    """The weight of one module: its path, or the module itself; ValueError where there is none, saying why."""
    if isinstance(layer, nn.Module):
        paths = [path for path, module in unwrapped(model).named_modules() if module is layer]
        if not paths:
            raise ValueError(f"layer must be a module of the model, got a {type(layer).__name__} that is not in it")
        return find_one(model, paths[0])
    if not isinstance(layer, str):
        raise TypeError(f"layer must be a module or its name, got {type(layer).__name__}")
    found, modules = find(model), dict(unwrapped(model).named_modules())
    if layer not in found and layer not in found.left_out and layer in modules:
        inside = [weight.name for weight in found if weight.module == layer or weight.name.startswith(f"{layer}.")]
        if len(inside) == 1:
            return found[inside[0]]
        kind = type(modules[layer]).__name__
        if inside:
            raise ValueError(f"layer {layer!r} ({kind}) has several weights: choose one of {', '.join(inside[:8])}")
        raise ValueError(f"layer {layer!r} ({kind}) has no weights that are filters or a matrix")
    return found[layer]


def _own(module: nn.Module) -> set[int]:
    return {id(parameter) for parameter in module.parameters(recurse=False)}


def _matrices(module: nn.Module) -> list[str]:
    """The names of a module's parameters that may be matrices or filter banks, as it uses them."""
    names: dict[str, None] = {}
    if hasattr(module, "parametrizations"):
        names |= dict.fromkeys(cast("nn.ModuleDict", module.parametrizations))
    for name, value in module.named_parameters(recurse=False):
        # The two halves of torch's older weight_norm, and the original of spectral_norm and of pruning.
        base = name.removesuffix("_v").removesuffix("_orig")
        if base != name and hasattr(module, base):
            names[base] = None
        elif name.endswith("_g") and hasattr(module, name[:-2]):
            continue
        elif value.ndim >= 2:
            names[name] = None
    if not names and callable(getattr(module, "weight", None)):
        names["weight"] = None  # a quantised module gives its weight when it is called
    return list(names)


def bias_of(module: nn.Module) -> Tensor | None:
    """The bias with which a module computes; None without one."""
    return None if getattr(module, "bias", None) is None else _effective(module, "bias").detach()


def _effective(module: nn.Module, name: str) -> Tensor:
    """The value of a parameter with which the module computes."""
    for hook in cast("Iterable[Any]", module._forward_pre_hooks.values()):
        if getattr(hook, "name", getattr(hook, "_tensor_name", None)) != name:
            continue
        if hasattr(hook, "apply_mask"):
            masked: Tensor = hook.apply_mask(module)
            return masked
        if type(hook).__name__ == "SpectralNorm":
            normed: Tensor = hook.compute_weight(module, do_power_iteration=False)
            return normed
        if hasattr(hook, "compute_weight"):
            computed: Tensor = hook.compute_weight(module)
            return computed
    value: Any = getattr(module, name)
    if callable(value) and not isinstance(value, Tensor):
        raise ValueError("has quantised weights, which are not analysed: use the float model that it was made from")
    result: Tensor = value
    return result


def _weight(name: str, path: str, module: nn.Module, parameter: str, value: Tensor) -> Weight | None:
    """A parameter as a weight; None for what is no matrix, ValueError for what cannot be analysed."""
    if value.is_quantized:
        raise ValueError("has quantised weights, which are not analysed: use the float model that it was made from")
    if value.is_complex():
        raise ValueError("has complex weights, which are not analysed")
    if not value.is_floating_point():
        raise ValueError(f"has weights of the type {value.dtype}, which are not analysed")
    if value.ndim < 2 or value.numel() == 0 or value.layout is not torch.strided:
        return None
    values = as_filters(module, value.detach().float())
    kind, groups = _kind(module, parameter, values.ndim), int(getattr(module, "groups", 1))
    if kind == "other" and math.prod(values.shape) in values.shape:
        return None  # a vector with axes of length 1, such as a scale for each channel
    return Weight(
        name=name,
        module=path,
        parameter=parameter,
        label=_label(module, values, groups),
        kind=kind,
        values=values,
        groups=groups,
        owner=module,
    )


def as_filters(module: nn.Module, values: Tensor) -> Tensor:
    """A module's weight with the axes (filters, channels that each reads, *kernel)."""
    if isinstance(module, _TRANSPOSED):
        return _regrouped(values, int(module.groups))
    # Hugging Face's Conv1D is a linear layer with its weight transposed.
    return values.T if plain_class(module).__name__ == "Conv1D" and hasattr(module, "nf") else values


# Exchanging two axes twice gives the first order again.
as_parameter = as_filters


def _regrouped(values: Tensor, groups: int) -> Tensor:
    """The first two axes exchanged within each group: from (in, out ÷ groups, …) to (out, in ÷ groups, …), or back."""
    split = values.reshape(groups, -1, *values.shape[1:]).transpose(1, 2)
    return split.reshape(-1, *split.shape[2:])


def _kind(module: nn.Module, parameter: str, axes: int) -> Kind:
    if isinstance(module, (*_CONVOLUTIONS, *_TRANSPOSED)):
        return "convolution"
    if isinstance(module, (nn.RNNBase, nn.RNNCellBase)):
        return "recurrent"
    if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
        return "embedding"
    return "linear" if axes == 2 and (parameter == "weight" or isinstance(module, nn.MultiheadAttention)) else "other"


def _label(module: nn.Module, values: Tensor, groups: int) -> str:
    """What a weight is: "Conv2d 3 → 64, 11 × 11"."""
    if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
        return f"{_class_name(module)} {' × '.join(map(str, values.shape))}"
    words = f"{_class_name(module)} {values.shape[1] * groups} → {len(values)}"
    if values.ndim > 2:
        words += f", {' × '.join(map(str, values.shape[2:]))}"
    return words + (_(", {count} groups", count=groups) if groups > 1 else "")


def _class_name(module: nn.Module) -> str:
    """The name of a module's class; of a parametrised one, that of the class before it."""
    return plain_class(module).__name__


def plain_class(module: nn.Module) -> type[nn.Module]:
    """A module's class without the one that torch's parametrisations put in front of it."""
    kind: type[nn.Module] = type(module)
    return kind.__mro__[1] if hasattr(module, "parametrizations") else kind


def _copied(value: Any) -> Any:
    """A copy of a module's attribute; itself where it cannot be copied, such as a lock."""
    try:
        return deepcopy(value)
    except Exception:
        return value


def bare_copy(module: nn.Module, parameters: Mapping[str, Tensor | None], **attributes: Any) -> nn.Module:
    """A module of the same class and settings with other parameters, without hooks and parametrisations.

    Buffers and submodules are copied; `attributes` replace the module's own.
    """
    kind = plain_class(module)
    copy: nn.Module = object.__new__(kind)
    nn.Module.__init__(copy)
    settings = {name: value for name, value in vars(module).items() if name not in vars(copy)}
    for name in parameters:
        settings.pop(name, None)  # an effective weight that a hook has left there
    for name, value in settings.items():
        if not isinstance(value, Tensor):
            vars(copy)[name] = _copied(value)
    copy.training = module.training
    for name, buffer in module.named_buffers(recurse=False):
        copy.register_buffer(name, buffer.detach().clone())
    for name, child in module.named_children():
        if name != "parametrizations":
            copy.add_module(name, deepcopy(child))
    for name, value in parameters.items():
        copy.register_parameter(name, None if value is None else nn.Parameter(value.detach().clone()))
    vars(copy).update(attributes)
    return copy
