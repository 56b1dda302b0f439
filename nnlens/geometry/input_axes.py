"""What the axes of a model's inputs are, as the operations say that read them."""

from __future__ import annotations

import re

from nnlens.recording import Operation, Recording

from .call import POINTWISE

_SPATIAL = {1: "t", 2: "hw", 3: "dhw"}
_LAST = {"linear", "layer_norm", "rms_norm", "embedding", "scaled_dot_product_attention"}
Labels = tuple[int | None, ...]  # for each dimension of a value, which axis of the input it is


def input_axes(recording: Recording, name: str, shape: tuple[int, ...]) -> tuple[str, bool]:
    """The axes of the input `name` of a recorded pass, a letter for each (see `inputs.as_image`).

    The second result says whether an operation that reads it determines them; otherwise they are the usual ones for
    its shape.
    """
    if len(shape) == 2:
        usual = "nf"
    elif len(shape) == 3:
        usual = "tnc" if shape[0] != 1 == shape[1] else "nct" if shape[1] <= shape[2] else "ntc"
    elif len(shape) == 4:
        usual = "nhwc" if shape[3] <= 4 < shape[1] else "nchw"
    else:
        usual = "ntchw" if shape[2] in (1, 3) and shape[1] not in (1, 3) else "ncdhw"
    known: dict[str, Labels] = {name: tuple(range(len(shape)))}
    for operation in recording:
        read = next((item for item in operation.inputs if item in known), None)
        if read is None:
            continue
        letters = _letters(operation, known[read])
        if letters is not None:
            found = "".join(letters.get(axis, "?") for axis in range(len(shape)))
            return (usual, False) if "?" in found else (found, True)
        moved = _moved(operation, known[read])
        if moved is not None:
            known[operation.name] = moved
    return usual, False


def _letters(operation: Operation, labels: Labels) -> dict[int | None, str] | None:
    """What an operation says about the axes of what it reads; None if nothing."""
    op = operation.op
    window = re.search(r"(?:conv|pool|conv_transpose)([123])d", op)
    if window is not None:
        spatial = _SPATIAL[int(window[1])]
        if len(labels) != len(spatial) + 2:
            return None
        return dict(zip(labels, f"nc{spatial}", strict=True))
    if operation.kind == "recurrent" and len(labels) == 3:
        first = bool(operation.arguments) and operation.arguments[-1] is True
        return dict(zip(labels, "ntc" if first else "tnc", strict=True))
    if op == "multi_head_attention_forward" and len(labels) == 3:
        return dict(zip(labels, "tnc", strict=True))
    if op in _LAST and len(labels) in (2, 3, 4):
        return dict(zip(labels, {2: "nf", 3: "ntc", 4: "nhwc"}[len(labels)], strict=True))
    return None


def _moved(operation: Operation, labels: Labels) -> Labels | None:
    """The labels after an operation that moves axes or computes place by place; None where they are lost."""
    op, rest = operation.op, operation.arguments[1:]
    count = len(labels)
    if op in POINTWISE or op in ("batch_norm", "dropout", "pad"):
        return labels if len(operation.shape) == count else None
    if op == "permute":
        dims = operation.keywords.get("dims") or (rest[0] if rest and isinstance(rest[0], tuple) else rest)
        return tuple(labels[int(dim)] for dim in dims)
    if op in ("transpose", "swapaxes") and len(rest) == 2:
        order = list(labels)
        one, other = int(rest[0]) % count, int(rest[1]) % count
        order[one], order[other] = order[other], order[one]
        return tuple(order)
    if op == "unsqueeze" and rest:
        place = int(rest[0]) % (count + 1)
        return (*labels[:place], None, *labels[place:])
    if op in ("reshape", "view", "unflatten", "flatten") and operation.sources:
        before, after = operation.sources[0].shape, operation.shape
        kept = [label for label, size in zip(labels, before, strict=True) if size != 1]
        if [size for size in before if size != 1] != [size for size in after if size != 1]:
            return None
        own = [kept.pop(0) if size != 1 else None for size in after]
        return (labels[0], *own[1:]) if before[0] == after[0] == 1 else tuple(own)
    if op == "squeeze" and rest and isinstance(rest[0], int):
        place = rest[0] % count
        return (*labels[:place], *labels[place + 1 :])
    return None
