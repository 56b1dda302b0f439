"""Scores from outputs that are none: embeddings, reconstructions, boxes. Each function makes an `output` for `Lens`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from .meaning import Pick, pick_output

Form = Literal["torchvision", "detr", "yolo", "yolo8"]


def similarity(references: Float[Tensor, "k width"], *, output: Pick = None) -> Callable[[Any], Float[Tensor, "n k"]]:
    """The cosine similarity of an embedding to each of some references, which take the place of classes.

    `Lens(model, output=nnlens.outputs.similarity(references), task="regression", labels=names)`.

    Parameters
    ----------
    references : tensor (k, width)
        Embeddings of the same model: of other images, or the mean of a set.
    output : str, int or callable, optional
        Which of the model's outputs is the embedding (n, width).

    Examples
    --------
    >>> read = similarity(torch.eye(2))
    >>> read(torch.tensor([[3.0, 0.0]])).tolist()
    [[1.0, 0.0]]
    """
    if not isinstance(references, Tensor) or references.ndim != 2:
        got = tuple(references.shape) if isinstance(references, Tensor) else type(references).__name__
        raise ValueError(f"references must be a tensor (k, width), got {got}")
    unit = F.normalize(references.detach().float(), dim=1)

    def read(given: Any) -> Tensor:
        embedding = pick_output(given, output)
        if embedding.ndim != 2 or embedding.shape[1] != unit.shape[1]:
            got = f"{unit.shape[1]} for {tuple(embedding.shape)}"
            raise ValueError(f"references must be as wide as the embeddings (n, width), got {got}")
        return F.normalize(embedding.float(), dim=1) @ unit.T.to(embedding.device)

    return read


def reconstruction_error(x: Tensor, *, output: Pick = None) -> Callable[[Any], Float[Tensor, "n 1"]]:
    """The mean squared error of an autoencoder's output beside `x`, the input as it was.

    `Lens(model, output=nnlens.outputs.reconstruction_error(x), task="regression")`: what must be hidden so that the
    whole input is rebuilt worse, or better?

    Parameters
    ----------
    x : tensor (1, …)
        In the form of the output.

    Examples
    --------
    >>> reconstruction_error(torch.zeros(1, 1, 2, 2))(torch.ones(3, 1, 2, 2)).shape
    torch.Size([3, 1])
    """
    kept = x.detach().clone()

    def read(given: Any) -> Tensor:
        made = pick_output(given, output)
        if made.shape[1:] != kept.shape[1:]:
            raise ValueError(f"x must have the output's shape {tuple(made.shape[1:])}, got {tuple(kept.shape[1:])}")
        return (made - kept.to(made)).flatten(1).square().mean(1, keepdim=True)

    return read


class Detection(NamedTuple):
    """An object that a detector found: its box (left, top, right, bottom), its class and its score."""

    box: tuple[float, float, float, float]
    label: int
    score: float


def detections(output: Any, form: Form, *, least: float = 0.5, width: float = 1, height: float = 1) -> list[Detection]:
    """What a detector found in the first image of a batch, the best first; `least` is the lowest score that counts.

    Parameters
    ----------
    form : "torchvision", "detr", "yolo" or "yolo8"
        How the output is made up: a list of dictionaries with `boxes`, `labels`, `scores`; `pred_logits` (or `logits`)
        with a last column for "nothing", and `pred_boxes`; a tensor (n, boxes, 5 + classes) of centres, sizes, whether
        anything is there, and classes; or (n, 4 + classes, boxes).
    width, height : float
        The image's size, for boxes that are given as shares of it ("detr").
    """
    _check_form(form)
    boxes, scores = _all_boxes(output, form)[0]
    scale = torch.tensor([width, height, width, height]).to(boxes)
    best, labels = scores.max(1)
    order = [int(place) for place in best.argsort(descending=True) if best[place] >= least]
    return [
        Detection(tuple((boxes[place] * scale).tolist()), int(labels[place]), float(best[place])) for place in order
    ]


def box_scores(
    found: Sequence[Detection],
    form: Form,
    *,
    overlap: float = 0.5,
    width: float = 1,
    height: float = 1,
) -> Callable[[Any], Float[Tensor, "n k"]]:
    """The score of each of some detections, found again by overlap when the input has changed.

    `Lens(model, output=nnlens.outputs.box_scores(found, "detr"), task="multilabel", logits=False, labels=names)`: each
    detection takes the place of a class. Its score is that of the box that overlaps it most, with an intersection over
    union of at least `overlap`; 0 where none does.

    Parameters
    ----------
    found : sequence of Detection
        As `detections` gives them, with the same `width` and `height`.
    """
    if not found:
        raise ValueError("found must hold at least one detection, got none")
    _check_form(form)
    wanted = torch.tensor([item.box for item in found]) / torch.tensor([width, height, width, height])
    labels = [item.label for item in found]

    def read(output: Any) -> Tensor:
        rows = []
        for boxes, scores in _all_boxes(output, form):
            if not len(boxes):
                rows.append(scores.new_zeros(len(labels)))
                continue
            union = _overlap(wanted.to(boxes), boxes)
            nearest, place = union.max(1)
            own = scores[place, torch.tensor(labels, device=scores.device)]
            rows.append(torch.where(nearest >= overlap, own, torch.zeros_like(own)))
        return torch.stack(rows)

    return read


def _check_form(form: str) -> None:
    if form not in get_args(Form):
        raise ValueError(f"form must be one of {', '.join(get_args(Form))}, got {form!r}")


def _all_boxes(output: Any, form: Form) -> list[tuple[Tensor, Tensor]]:
    """For each image its boxes (m, 4) as left, top, right, bottom, and their scores (m, classes)."""
    if form == "torchvision":
        return [_of_torchvision(item) for item in output]
    if form == "detr":
        parts: dict[str, Tensor] = output if isinstance(output, dict) else vars(output)
        boxes = parts["pred_boxes"]
        scores = parts["pred_logits" if "pred_logits" in parts else "logits"].softmax(-1)[..., :-1]
    else:
        rows = output[0] if isinstance(output, (tuple, list)) else output
        rows = rows.transpose(1, 2) if form == "yolo8" else rows
        boxes = rows[..., :4]
        scores = rows[..., 4:] if form == "yolo8" else rows[..., 4:5] * rows[..., 5:]
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return list(zip(torch.cat([centre - half, centre + half], -1), scores, strict=True))


def _of_torchvision(found: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Each box has a score for its own label only."""
    labels, scores = found["labels"].long(), found["scores"]
    classes = int(labels.max()) + 1 if len(labels) else 1
    table = scores.new_zeros(len(labels), max(classes, 1024))  # as many columns as any label needs
    return found["boxes"], table.scatter(1, labels[:, None], scores[:, None])


def _overlap(first: Float[Tensor, "k 4"], second: Float[Tensor, "m 4"]) -> Float[Tensor, "k m"]:
    """The intersection over union of each pair of boxes."""
    low = torch.maximum(first[:, None, :2], second[None, :, :2])
    high = torch.minimum(first[:, None, 2:], second[None, :, 2:])
    inside = (high - low).clamp(min=0).prod(-1)
    areas = [(item[:, 2:] - item[:, :2]).clamp(min=0).prod(-1) for item in (first, second)]
    return inside / (areas[0][:, None] + areas[1][None] - inside).clamp(min=1e-12)
