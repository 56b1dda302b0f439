"""Simpler weights in place of a filter bank: the best of each kind, by the squared error of the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..gabor import fit_gabor
from ..orientation import principal_planes
from ..weight import Weight, as_parameter, bare_copy, bias_of

Method = Literal["low-rank", "separable", "depthwise-separable", "gabor", "prune"]
METHODS: tuple[Method, ...] = get_args(Method)
_CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


@dataclass(frozen=True, eq=False)
class Factors:
    """A module that computes with simpler weights.

    Attributes
    ----------
    module : torch.nn.Module
        Takes and gives what the original does.
    values : float32 tensor (filters, channels, *kernel)
        The weights that it stands for, to be compared with the original's.
    parameters : int
        How many numbers describe them, the bias left out: fewer than the module holds for "gabor" and "prune".
    """

    module: nn.Module
    values: Float[Tensor, "filters channels *kernel"]
    parameters: int


def full_rank(weight: Weight, method: Method) -> int:
    """The largest rank of "low-rank", "separable" or "depthwise-separable" for a weight: with it nothing is lost."""
    per_group, reads = len(weight) // weight.groups, weight.values.shape[1]
    pixels = int(np.prod(weight.kernel, dtype=int))
    if method == "low-rank":
        return min(per_group, reads * pixels)
    if method == "separable" and len(weight.kernel) != 2:
        raise ValueError(f"method 'separable' needs filters of rows and columns, got {weight.name!r}, {weight.label}")
    if method == "separable":
        height, width = weight.kernel
        return min(reads * height, per_group * width)
    return min(per_group, pixels)


def low_rank(weight: Weight, rank: int) -> Factors:
    """A convolution with `rank` filters (in each group), then one of 1 × 1; or two linear layers.

    The matrix of the filters is replaced by its truncated singular value decomposition, the best one of this rank
    (Eckart & Young 1936; Denton et al. 2014, arXiv:1404.0736).
    """
    module, values = cast(Any, weight.owner), weight.values
    groups, kernel = weight.groups, weight.kernel
    bank = values.reshape(groups, len(values) // groups, -1).double()
    left, right = _halves(bank, rank)  # (groups, filters, rank), (groups, rank, reads)
    approximate = (left @ right).float().reshape(values.shape)
    first = right.float().reshape(groups * rank, *values.shape[1:])
    second = left.float().reshape(len(values), rank)
    if weight.kind == "linear":
        layers: list[nn.Module] = [_linear(first, None), _linear(second, bias_of(module))]
    else:
        # The first keeps the module's class, stride and padding, which a class of the user's own may compute itself.
        start = bare_copy(module, {"weight": first, "bias": None}, out_channels=groups * rank)
        layers = [start, _pointwise(second.reshape(*second.shape, *[1] * len(kernel)), bias_of(module), groups)]
    return Factors(_placed(layers, module), approximate, first.numel() + second.numel())


def separable(weight: Weight, rank: int) -> Factors:
    """A convolution of height × 1 with `rank` filters (in each group), then one of 1 × width.

    The best of this form (Jaderberg et al. 2014, arXiv:1405.3866, scheme 2): the truncated singular value
    decomposition of the weights as a matrix (channels · height) × (filters · width).
    """
    module, values, groups = cast(Any, weight.owner), weight.values, weight.groups
    (height, width), reads, per_group = weight.kernel, values.shape[1], len(values) // groups
    bank = values.reshape(groups, per_group, reads, height, width).double()
    matrix = bank.permute(0, 2, 3, 1, 4).reshape(groups, reads * height, per_group * width)
    left, right = _halves(matrix, rank)
    product = (left @ right).reshape(groups, reads, height, per_group, width)
    approximate = product.permute(0, 3, 1, 2, 4).reshape(values.shape).float()
    down = left.reshape(groups, reads, height, rank).permute(0, 3, 1, 2).reshape(groups * rank, reads, height, 1)
    across = right.reshape(groups, rank, per_group, width).permute(0, 2, 1, 3).reshape(len(values), rank, 1, width)
    both: list[nn.Module] = []
    for axis, part, bias in ((0, down, None), (1, across, bias_of(module))):
        settings: dict[str, Any] = {}
        for name in ("stride", "padding", "dilation"):
            value = getattr(module, name)
            neutral = 0 if name == "padding" else 1
            pair = tuple(item if place == axis else neutral for place, item in enumerate(value))
            settings[name] = value if isinstance(value, str) else pair
        mode = module.padding_mode
        conv = nn.Conv2d(
            part.shape[1] * groups,
            len(part),
            (part.shape[2], part.shape[3]),
            groups=groups,
            bias=bias is not None,
            padding_mode=mode,
            **settings,
        )
        both.append(_filled(conv, part.float(), bias))
    return Factors(_placed(both, module), approximate, down.numel() + across.numel())


def depthwise_separable(weight: Weight, multiplier: int) -> Factors:
    """A convolution of each channel by itself with `multiplier` filters, then one of 1 × 1 over all.

    The best of this form (Howard et al. 2017, arXiv:1704.04861, use multiplier 1): for each channel the truncated
    singular value decomposition of its kernels as a matrix filters × pixels.
    """
    module, values = cast(Any, weight.owner), weight.values
    filters, reads, *kernel = values.shape
    per_channel = values.transpose(0, 1).reshape(reads, filters, -1).double()
    left, right = _halves(per_channel, multiplier)  # (channels, filters, m), (channels, m, pixels)
    approximate = (left @ right).reshape(reads, filters, *kernel).transpose(0, 1).float()
    depthwise = right.reshape(reads * multiplier, 1, *kernel).float()
    pointwise = left.permute(1, 0, 2).reshape(filters, reads * multiplier).float()
    start = bare_copy(module, {"weight": depthwise, "bias": None}, out_channels=reads * multiplier, groups=reads)
    layers = [start, _pointwise(pointwise.reshape(*pointwise.shape, *[1] * len(kernel)), bias_of(module), 1)]
    return Factors(_placed(layers, module), approximate, depthwise.numel() + pointwise.numel())


def gabor(weight: Weight) -> Factors:
    """The same module with each filter replaced by a Gabor function times a vector of channels.

    The picture is the fit to the filter's first principal component over its channels; see `fit_gabor`.
    """
    planes, channels, _ = principal_planes(weight.values)
    fitted = fit_gabor(planes).fitted
    values = torch.from_numpy(np.einsum("fhw,fc->fchw", fitted, channels)).float()
    return Factors(same_module(weight, values), values, len(weight) * (9 + weight.values.shape[1]))


def prune(weight: Weight, amount: float) -> Factors:
    """The same module with this share of its weights set to 0: those with the smallest magnitude."""
    values = weight.values
    zeros = round(amount * values.numel())
    pruned = values.clone(memory_format=torch.contiguous_format)
    pruned.view(-1)[values.abs().reshape(-1).argsort(stable=True)[:zeros]] = 0
    return Factors(same_module(weight, pruned), pruned, values.numel() - zeros)


def _halves(matrices: Float[Tensor, "n rows columns"], rank: int) -> tuple[Tensor, Tensor]:
    """The truncated singular value decompositions as products (n, rows, rank) @ (n, rank, columns)."""
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    roots = values[:, :rank].sqrt()
    return left[:, :, :rank] * roots.unsqueeze(1), roots.unsqueeze(2) * right[:, :rank]


def same_module(weight: Weight, values: Tensor | None = None) -> nn.Module:
    """The module with other weights (its own by default), without parametrisations and hooks."""
    owner = weight.owner
    changed = as_parameter(owner, weight.values if values is None else values)
    made = bare_copy(owner, {"bias": bias_of(owner), weight.parameter: changed})
    first = next(owner.parameters())
    return made.to(first.device, first.dtype)


def _pointwise(values: Tensor, bias: Tensor | None, groups: int) -> nn.Module:
    made = _CONVOLUTIONS[values.ndim - 2](
        values.shape[1] * groups, len(values), 1, groups=groups, bias=bias is not None
    )
    return _filled(made, values, bias)


def _linear(values: Tensor, bias: Tensor | None) -> nn.Module:
    return _filled(nn.Linear(values.shape[1], len(values), bias=bias is not None), values, bias)


def _filled(module: nn.Module, values: Tensor, bias: Tensor | None) -> nn.Module:
    module.weight = nn.Parameter(values.contiguous())
    if bias is not None:
        module.bias = nn.Parameter(bias.detach().clone())
    return module


def _placed(layers: list[nn.Module], like: nn.Module) -> nn.Module:
    """The layers one after the other, in the mode, on the device and with the dtype of the original."""
    first = next(like.parameters())
    return nn.Sequential(*layers).to(first.device, first.dtype).train(like.training)
