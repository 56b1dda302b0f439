"""Occlusion as an attribution: captum's definition, a number for each pixel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nnlens.kernels.attribution.result import Attribution
from nnlens.kernels.attribution.subject import Subject
from nnlens.kernels.occlusion.experiment import occlusion_steps
from nnlens.kernels.occlusion.occluder import Fill


def occlusion_attribution(
    subject: Subject, *, size: Any = None, stride: Any = None, fill: Fill = 0.0, shape: Any = "rectangle", seed: int = 0
) -> Iterator[Attribution]:
    """The mean of f(x) − f(occluded) over the windows that cover a pixel.

    The parameters are those of `kernels.occlusion`.
    """
    subject.image()
    steps = occlusion_steps(
        subject.model,
        subject.x,
        target=subject.target,
        size=size,
        stride=stride,
        fill=fill,
        shape=shape,
        seed=seed,
        output=subject.output,
        prepared=subject.passes.prepared,
    )
    shown, before = 0, subject.forwards
    for found in steps:
        count = int(found.computed.sum())
        if not found.complete and count - shown < found.computed.size / 20:
            continue
        shown = count
        subject.forwards = before + found.forwards
        values = np.nan_to_num(found.per_pixel(kind=subject.score))[None]
        parameters = {"size": found.size, "stride": found.stride, "fill": found.fill, "how": found.how}
        done = count / found.computed.size
        yield subject.result("occlusion", values, contribution=True, parameters=parameters, done=done)
