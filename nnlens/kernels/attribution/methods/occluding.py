"""Occlusion as an attribution: captum's definition, a number for each pixel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nnlens.kernels.attribution.result import Attribution
from nnlens.kernels.attribution.subject import Subject
from nnlens.kernels.occlusion.experiment import occlusion_steps
from nnlens.kernels.occlusion.occluder import Fill, Shape


def occlusion_attribution(
    subject: Subject,
    *,
    size: int | tuple[int, int] | None = None,
    stride: int | tuple[int, int] | None = None,
    fill: Fill = 0.0,
    shape: Shape = "rectangle",
    seed: int = 0,
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
    for step in steps:
        count = int(step.computed.sum())
        if not step.complete and count - shown < step.computed.size / 20:
            continue
        shown = count
        subject.forwards = before + step.forwards
        values = np.nan_to_num(step.per_pixel(kind=subject.score))[None]
        parameters = {"size": step.size, "stride": step.stride, "fill": step.fill, "how": step.how}
        done = count / step.computed.size
        yield subject.result("occlusion", values, contribution=True, parameters=parameters, done=done)
