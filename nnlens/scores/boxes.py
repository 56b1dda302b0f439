"""The boxes that a detector finds, and scores for them that follow them when the input changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from nnlens.utils.language import _

from .meaning import ScoreMeaning
from .per_input import Labels, PerInput, Reading

Form = Literal["torchvision", "detr", "yolo", "yolo8"]
_DUPLICATE = 0.5  # the overlap from which two boxes of one class count as one object
BoxValue = Literal["score", "left", "top", "right", "bottom"]


class Detection(NamedTuple):
    """An object that a detector found: its box (left, top, right, bottom), its class and its score."""

    box: tuple[float, float, float, float]
    label: int
    score: float


@dataclass(frozen=True, eq=False, kw_only=True)
class BoxScores:
    """A number for each of some detections, found again by overlap in what the model returns; see `box_scores`.

    Attributes
    ----------
    found : tuple of Detection
    form : str
    overlap : float
        The least intersection over union with which a box counts as found again.
    size : (float, float)
        The image's width and height, where the model gives boxes as shares of it; else 1, 1.
    value : "score", "left", "top", "right" or "bottom"
    """

    found: tuple[Detection, ...]
    form: Form
    overlap: float = 0.5
    size: tuple[float, float] = (1, 1)
    value: BoxValue = "score"

    def __call__(self, output: Any) -> Float[Tensor, "n k"]:
        """The numbers for each image of a batch."""
        return torch.stack([self._row(boxes, scores) for boxes, scores in _all_boxes(output, self.form)])

    @property
    def meaning(self) -> ScoreMeaning:
        """What the numbers mean."""
        if self.value == "score":
            why = _("the scores of the boxes that are found")
            return ScoreMeaning(task="multilabel", logits=False, output=self, why=why)
        return ScoreMeaning(
            task="regression", output=self, unit="px", why=_("an edge of each of the boxes that are found")
        )

    def _row(self, boxes: Float[Tensor, "m 4"], scores: Float[Tensor, "m classes"]) -> Float[Tensor, " k"]:
        scale = torch.tensor(self.size * 2).to(boxes)
        boxes = boxes * scale
        wanted = torch.tensor([item.box for item in self.found]).to(boxes)
        if not len(boxes):
            return scores.new_zeros(len(wanted)) if self.value == "score" else wanted[:, self._edge]
        labels = torch.tensor([item.label for item in self.found], device=scores.device)
        union = _overlap(wanted, boxes)
        there = union >= self.overlap
        # Of the boxes that overlap enough those of the same class come first, then those that overlap most.
        rank = union + 2 * (scores.argmax(1)[None] == labels[:, None])
        place = torch.where(there, rank, -1.0).argmax(1)
        found = there.any(1)
        if self.value != "score":
            # A box that is not found again has not moved: nothing is known of where it went.
            return torch.where(found, boxes[place, self._edge], wanted[:, self._edge])
        known = labels < scores.shape[1]
        own = scores[place, torch.where(known, labels, 0)]
        return torch.where(found & known, own, torch.zeros_like(own))

    @property
    def _edge(self) -> int:
        return ("left", "top", "right", "bottom").index(self.value)


@dataclass(frozen=True, eq=False, kw_only=True)
class Boxes(PerInput):
    """The `output` of a lens for a detector; see `boxes`."""

    form: Form
    least: float
    most: int
    overlap: float
    value: BoxValue

    def for_input(self, output: Any, x: Tensor, labels: Labels) -> Reading:
        """A score, or an edge, of each box that is found in the input."""
        height, width = x.shape[-2:]
        size = (float(width), float(height)) if self.form == "detr" else (1.0, 1.0)
        found = detections(output, self.form, least=self.least, width=size[0], height=size[1])[: self.most]
        if not found:
            raise ValueError(f"output: the detector found nothing with a score of {self.least:g} or more: give least=…")
        reader = BoxScores(found=tuple(found), form=self.form, overlap=self.overlap, size=size, value=self.value)
        return Reading(reader.meaning, _names(found, labels))


def boxes(form: Form, *, least: float = 0.5, most: int = 20, overlap: float = 0.5, value: BoxValue = "score") -> Boxes:
    """The boxes that a detector finds in each image take the place of classes: `Lens(model, output=boxes("detr"))`.

    In the views the boxes are drawn, and a click on one makes it the target. When the input changes, a box is found
    again by overlap. The lens's `labels` are those of the detector.

    Parameters
    ----------
    form : "torchvision", "detr", "yolo" or "yolo8"
        How the output is made up: see `detections`.
    least : float
        The lowest score of a box that counts.
    most : int
        At most so many boxes, the best ones.
    overlap : float
        The least intersection over union with which a box counts as found again. The score of one that is not is 0.
    value : "score", "left", "top", "right" or "bottom"
        What the target is: the box's score, or one of its edges, in pixels of the input.
    """
    _check_form(form)
    if value not in get_args(BoxValue):
        raise ValueError(f"value must be one of {', '.join(get_args(BoxValue))}, got {value!r}")
    for name, share in (("least", least), ("overlap", overlap)):
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
            raise ValueError(f"{name} must be a number between 0 and 1, got {share!r}")
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise ValueError(f"most must be a whole number, 1 or more, got {most!r}")
    return Boxes(form=form, least=least, most=most, overlap=overlap, value=value)


def detections(output: Any, form: Form, *, least: float = 0.5, width: float = 1, height: float = 1) -> list[Detection]:
    """What a detector found in the first image of a batch, the best first; `least` is the lowest score that counts.

    Parameters
    ----------
    form : "torchvision", "detr", "yolo" or "yolo8"
        How the output is made up: a list of dictionaries with `boxes`, `labels`, `scores`; `pred_logits` (or `logits`)
        with a last column for "nothing", and `pred_boxes`; a tensor (n, boxes, 5 + classes) of centres, sizes, whether
        anything is there, and classes; or (n, 4 + classes, boxes). Of the last two, boxes of one class that overlap a
        better one by half are left out.
    width, height : float
        The image's size, for boxes that are given as shares of it ("detr").
    """
    _check_form(form)
    boxes, scores = (part.detach() for part in _all_boxes(output, form)[0])
    scale = torch.tensor([width, height, width, height]).to(boxes)
    if not scores.numel():
        return []
    best, labels = scores.max(1)
    order = [int(place) for place in best.argsort(descending=True, stable=True) if best[place] >= least]
    if form in ("yolo", "yolo8"):
        order = _without_duplicates(order, boxes, labels)
    return [
        Detection(tuple((boxes[place] * scale).tolist()), int(labels[place]), float(best[place])) for place in order
    ]


def _without_duplicates(order: list[int], boxes: Float[Tensor, "m 4"], labels: Tensor) -> list[int]:
    """Non-maximum suppression: boxes that overlap none of the same class that is better."""
    union, kept = _overlap(boxes, boxes) if order else boxes, list[int]()
    for place in order:
        if not any(labels[place] == labels[other] and union[place, other] >= _DUPLICATE for other in kept):
            kept.append(place)
    return kept


def box_scores(
    found: Sequence[Detection],
    form: Form,
    *,
    overlap: float = 0.5,
    width: float = 1,
    height: float = 1,
) -> BoxScores:
    """The score of each of some detections, found again by overlap when the input has changed.

    `boxes` does the same with whatever is found in each image. Each detection takes the place of a class. Its score is
    that of the box that overlaps it most, with an intersection over union of at least `overlap`; 0 where none does.

    Parameters
    ----------
    found : sequence of Detection
        As `detections` gives them, with the same `width` and `height`.
    """
    if not found:
        raise ValueError("found must hold at least one detection, got none")
    _check_form(form)
    return BoxScores(found=tuple(found), form=form, overlap=overlap, size=(float(width), float(height)))


def _names(found: Sequence[Detection], labels: Labels) -> tuple[str, ...]:
    """A different name for each box: "dog", or "dog 1" and "dog 2", the best first."""
    plain = [_label(item.label, labels) for item in found]
    count, seen, results = Counter(plain), Counter[str](), []
    for name in plain:
        seen[name] += 1
        results.append(f"{name} {seen[name]}" if count[name] > 1 else name)
    return tuple(results)


def _label(index: int, labels: Labels) -> str:
    known = labels.get(index) if isinstance(labels, Mapping) else None
    if labels is not None and not isinstance(labels, Mapping) and index < len(labels):
        known = labels[index]
    return _("class {index}", index=index) if known is None else known


def _check_form(form: str) -> None:
    if form not in get_args(Form):
        raise ValueError(f"form must be one of {', '.join(get_args(Form))}, got {form!r}")


def _all_boxes(output: Any, form: Form) -> list[tuple[Tensor, Tensor]]:
    """For each image its boxes (m, 4) as left, top, right, bottom, and their scores (m, classes).

    Boxes that are not finite, or without an area, are left out.
    """
    try:
        found = _read_boxes(output, form)
        for boxes, scores in found:
            if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.ndim != 2 or len(boxes) != len(scores):
                raise ValueError(f"boxes {tuple(boxes.shape)} and scores {tuple(scores.shape)}")
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"output must be that of a detector of the form {form!r}, {_FORMS[form]}; the model returned "
            f"{_described(output)}"
        ) from error
    return [_proper(boxes, scores) for boxes, scores in found]


_FORMS: dict[str, str] = {
    "torchvision": "a list of dictionaries with boxes, labels and scores",
    "detr": "with pred_logits (or logits) and pred_boxes",
    "yolo": "a tensor (n, boxes, 5 + classes)",
    "yolo8": "a tensor (n, 4 + classes, boxes)",
}


def _described(output: Any) -> str:
    if isinstance(output, Tensor):
        return f"a tensor {tuple(output.shape)}"
    if isinstance(output, Mapping):
        return f"a dictionary with {', '.join(map(str, output))}"
    return f"a {type(output).__name__}"


def _proper(boxes: Float[Tensor, "m 4"], scores: Float[Tensor, "m classes"]) -> tuple[Tensor, Tensor]:
    good = torch.isfinite(boxes).all(1) & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return (boxes, scores) if bool(good.all()) else (boxes[good], scores[good])


def _read_boxes(output: Any, form: Form) -> list[tuple[Tensor, Tensor]]:
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
