"""A tiny detector, and its output in the forms that nnlens reads."""

from __future__ import annotations

import torch
from torch import nn

BOX = (0.1, 0.2, 0.5, 0.6)


def centred(box):
    left, top, right, bottom = box
    return [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]


class Detr(nn.Module):
    """Two queries: one for each half of the picture, which it says something about by its mean."""

    def __init__(self):
        super().__init__()
        self.register_buffer("boxes", torch.tensor([centred(BOX), centred((0.6, 0.1, 0.9, 0.9))]))

    def forward(self, x):
        left, right = x[..., : x.shape[3] // 2].mean((1, 2, 3)), x[..., x.shape[3] // 2 :].mean((1, 2, 3))
        classes = [torch.stack([4 * side, -4 * side, torch.zeros_like(side)], 1) for side in (left, right)]
        logits = torch.stack(classes, 1)
        return {"pred_logits": logits, "pred_boxes": self.boxes.expand(len(x), 2, 4)}


def of_form(form, output):
    scores = output["pred_logits"].softmax(-1)[..., :-1]
    if form == "detr":
        return output
    if form == "yolo":
        return torch.cat([output["pred_boxes"], torch.ones_like(scores[..., :1]), scores], -1)
    if form == "yolo8":
        return torch.cat([output["pred_boxes"], scores], -1).transpose(1, 2)
    centre, half = output["pred_boxes"][..., :2], output["pred_boxes"][..., 2:] / 2
    best, labels = scores.max(-1)
    boxes = torch.cat([centre - half, centre + half], -1)
    return [{"boxes": b, "labels": k, "scores": s} for b, k, s in zip(boxes, labels, best, strict=True)]
