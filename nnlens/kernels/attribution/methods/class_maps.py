"""Class activation maps (Grad-CAM and its variants) and attention rollout."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from nnlens.geometry.axes import places_of
from nnlens.geometry.receptive_field import token_grids
from nnlens.kernels.attribution.result import Attribution
from nnlens.kernels.attribution.subject import Subject
from nnlens.recording import Operation, Recording
from nnlens.scores.detection import way_to_scores
from nnlens.scores.meaning import Output
from nnlens.utils.language import _

from .gradients import guided_backprop


def grad_cam(
    subject: Subject, *, layer: str | None = None, relu: bool = True, upsample: str = "bilinear"
) -> Iterator[Attribution]:
    """ReLU(Σₖ αₖ Aₖ), αₖ the mean over the places of ∂f/∂Aₖ (Selvaraju et al. 2016, arXiv:1610.02391, eq. 1 and 2).

    Parameters
    ----------
    layer : str, optional
        Any layer with maps, tokens on a grid too; by default the last one before the places are averaged away.
        The maps of a convolution and of the rectifier after it differ.
    relu : bool
        Whether evidence against the class is set to 0, as in the paper.
    upsample : "bilinear", "nearest" or "none"
        To the input's rows and columns (linear along one axis, trilinear in three), or the map as it is.
    """
    name, maps, gradients = _maps(subject, layer)
    alphas = gradients.flatten(1).mean(1).view(-1, *(1,) * (maps.ndim - 1))
    parameters = {"layer": name, "relu": relu, "upsample": upsample}
    values = _combined(subject, (alphas * maps).sum(0), relu, upsample)
    yield subject.result("grad_cam", values, contribution=True, layer=name, parameters=parameters)


def grad_cam_plus_plus(
    subject: Subject, *, layer: str | None = None, upsample: str = "bilinear"
) -> Iterator[Attribution]:
    """Grad-CAM with weighted positions (Chattopadhay et al. 2017, arXiv:1710.11063, equations 10, 11 and 19).

    αₖ = g² / (2 g² + (Σ Aₖ) g³) at each place, wₖ = Σ α · ReLU(g). The factor exp(f), which all wₖ share, is left out.
    """
    name, maps, g = _maps(subject, layer)
    axes = tuple(range(1, maps.ndim))
    below = 2 * g**2 + maps.sum(axes, keepdim=True) * g**3
    alphas = torch.where(below != 0, g**2 / torch.where(below != 0, below, 1), 0)
    weights = (alphas * g.clamp(min=0)).sum(axes, keepdim=True)
    values = _combined(subject, (weights * maps).sum(0), True, upsample)
    parameters = {"layer": name, "upsample": upsample}
    yield subject.result("grad_cam_plus_plus", values, contribution=True, layer=name, parameters=parameters)


def guided_grad_cam(subject: Subject, *, layer: str | None = None) -> Iterator[Attribution]:
    """Guided backprop × Grad-CAM, place by place (Selvaraju et al. 2016, section 3.2)."""
    (where,) = grad_cam(subject, layer=layer)
    (fine,) = guided_backprop(subject)
    values = fine.values * where.values
    parameters = {"layer": where.layer}
    yield subject.result(
        "guided_grad_cam", values, contribution=False, layer=where.layer, parameters=parameters, notes=fine.notes
    )


def attention_rollout(subject: Subject, *, discard: float = 0.0) -> Iterator[Attribution]:
    """The flow of attention to the class token, through all blocks (Abnar & Zuidema 2020, arXiv:2005.00928).

    The product over the blocks of ½ (mean over the heads) + ½ identity, rows made to add up to 1. Without tokens in
    front of the patches, the mean over all queries.

    Parameters
    ----------
    discard : float
        The share of each block's smallest weights that are set to 0 first, 0…0.99.
    """
    if not 0 <= discard < 1:
        raise ValueError(f"discard must be 0…0.99, got {discard}")
    height, width = subject.image().shape[1:]
    recording = subject.recording
    blocks = _attention(recording)
    if not blocks:
        raise ValueError("attention_rollout needs a model with self-attention between tokens; this one has none")
    tokens = blocks[0].shape[-1]
    grid = token_grids(recording).get(tokens)
    if grid is None:
        raise ValueError(f"attention_rollout does not know where the {tokens} tokens are in the image")
    total = torch.eye(tokens, dtype=torch.float64)
    for block in blocks:
        if block.shape[-1] != tokens:
            raise ValueError(
                f"attention_rollout needs the same tokens in all blocks, got {tokens} and {block.shape[-1]}"
            )
        weights = recording[block.name].detach().double().cpu().reshape(-1, tokens, tokens).mean(0)
        if discard:
            limit = torch.quantile(weights, discard)
            weights = torch.where(weights < limit, 0, weights)
        mixed = (weights + torch.eye(tokens, dtype=torch.float64)) / 2
        total = mixed / mixed.sum(1, keepdim=True) @ total
    first = tokens - grid[0] * grid[1]
    row = (total[0] if first else total.mean(0))[first:]
    values = _upsampled(row.reshape(grid).float(), (height, width), "bilinear")
    yield subject.result(
        "attention_rollout",
        values,
        contribution=True,
        parameters={"discard": discard},
        notes=(_("the same for every class"),),
    )


def _attention(recording: Recording) -> list[Operation]:
    """The operations whose values are the weights of self-attention, in their order."""
    result = []
    for operation in recording:
        square = len(operation.shape) >= 3 and operation.shape[-1] == operation.shape[-2] > 1
        if square and (
            operation.op == "attention_weights" or (operation.op == "softmax" and len(operation.shape) == 4)
        ):
            result.append(operation)
    return result


def map_layers(recording: Recording) -> list[str]:
    """The layers at which a class activation map can be computed, in order."""
    grids = token_grids(recording)
    names = []
    for operation in recording:
        sizes = operation.shape
        maps = len(sizes) in (4, 5) and sizes[0] == 1 and math.prod(sizes[2:]) > 1
        line = len(sizes) == 3 and sizes[0] == 1 and (sizes[1] in grids or (sizes[2] > 1 and operation.kind in _LINES))
        if operation.number is not None and (maps or line) and operation.kind not in ("reshape", "attention"):
            names.append(operation.name)
    return names


# What gives (1, channels, length) in a network on signals.
_LINES = ("convolution", "activation", "normalisation", "pooling")


def default_layer(recording: Recording, classes: int, meaning: Output = None) -> str:
    """The last layer with spatial maps before the scores; one whose units are the classes only as a last resort."""
    names, way = map_layers(recording), way_to_scores(recording, meaning)
    names = [name for name in names if name in way] if way else names
    if not names:
        raise ValueError(
            "layer must have maps (rows and columns of the image), and no layer between the input and the scores has"
        )
    last = [name for name in names if _units(recording.operation(name)) != classes][-1:] or names[-1:]
    blocks = _attention(recording)
    if blocks and len(recording.operation(last[0]).shape) == 3:
        # After the last attention only the class token is read: the others' gradient is 0.
        order = [operation.name for operation in recording]
        end = order.index(blocks[-1].name)
        norms = [item for item in names if recording.operation(item).op == "layer_norm" and order.index(item) < end]
        last = norms[-1:] or last
    return last[0]


def _units(operation: Operation) -> int:
    return operation.shape[2] if len(operation.shape) == 3 else operation.shape[1]


def _maps(subject: Subject, layer: str | None) -> tuple[str, Tensor, Tensor]:
    """A layer's name, its maps (units, …) along the input's axes, and the score's gradient with respect to them."""
    recording = subject.recording
    if layer is None:
        layer = default_layer(recording, len(subject.clean), subject.meaning)
    operation = recording.operation(layer)
    if len(operation.shape) < 3:
        raise ValueError(f"layer must have maps (rows and columns of the image), but {operation.name!r} has none")
    values, gradients = subject.at_layer(operation.name, subject.x)
    if len(operation.shape) == 5:  # a volume: the view puts its slices side by side
        return operation.name, values[0].float(), gradients[0].float()
    at = torch.from_numpy(places_of(recording, operation)).to(values.device)
    if subject.x.ndim == 3 and at.shape[1] == 1:
        at = at[:, 0]
    return operation.name, values.reshape(-1)[at].float(), gradients.reshape(-1)[at].float()


def _combined(subject: Subject, values: Tensor, relu: bool, upsample: str) -> Tensor:
    return _upsampled(values.clamp(min=0) if relu else values, tuple(subject.x.shape[2:]), upsample)


def _upsampled(values: Tensor, sizes: tuple[int, ...], how: str) -> Tensor:
    """A map as (1, …) of the input's sizes along its axes."""
    if how == "none":
        return values[None]
    if how not in ("bilinear", "nearest"):
        raise ValueError(f'upsample must be "bilinear", "nearest" or "none", got {how!r}')
    if values.ndim != len(sizes):
        raise ValueError(
            f"layer must have maps along the input's {len(sizes)} axes, got {values.ndim}: upsample='none' leaves them "
            "as they are"
        )
    if how == "nearest":
        return F.interpolate(values[None, None], size=sizes, mode="nearest")[0]
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(sizes)]
    return F.interpolate(values[None, None], size=sizes, mode=mode, align_corners=False)[0]
