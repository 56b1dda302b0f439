"""What a model makes, where that is a picture or a signal: a reconstruction, with its difference from the input."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import traitlets as t
from PIL import Image
from torch import Tensor
from typing_extensions import NotRequired, TypedDict

from nnlens.inputs.as_image import AsImage
from nnlens.inputs.input import picture_like, shown_of
from nnlens.inputs.trace import trace_of
from nnlens.render import encoded, payloads
from nnlens.render.picture import color_map
from nnlens.render.scores import trace_payload
from nnlens.scores.meaning import pick_output
from nnlens.scores.reconstruction import ReconstructionError
from nnlens.session.sample import Sample
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import payload


class MadePicture(TypedDict):
    """What the model made: a picture, or a signal as lines."""

    width: int
    height: int
    picture: NotRequired[bytes]  # a picture file
    trace: NotRequired[payloads.Trace]
    difference: NotRequired[bytes]  # from the input, a picture file
    difference_trace: NotRequired[payloads.Trace]
    reach: NotRequired[float]  # the largest difference
    error: NotRequired[float]  # the mean squared difference


class MadeTraits(t.HasTraits):
    """The traits of `MadePart`."""

    made_picture = payload(MadePicture, "the picture or signal that the model makes")


def made_by(sample: Sample) -> tuple[Tensor, bool] | None:
    """What the model made of an input, if it is a picture or a signal; and whether it is a reconstruction."""
    meaning, output = sample.meaning, sample.recording.output
    if meaning is not None and isinstance(meaning.output, ReconstructionError):
        return meaning.output.made(output).detach(), meaning.output.x.shape == _value(sample).shape
    try:
        made = pick_output(output, None if meaning is None else meaning.output).detach()
    except (TypeError, ValueError):
        return None
    quantities = meaning is not None and meaning.task == "regression"
    is_picture = made.ndim == 4 and made.shape[1] in (1, 3) and min(made.shape[2:]) > 1
    if not is_picture or not made.is_floating_point() or not (quantities or sample.input.kind == "vector"):
        return None
    return made, False


def _value(sample: Sample) -> Tensor:
    """The input as the model takes it."""
    around = sample.input.around
    return sample.input.x if around is None else around.value


class MadePart(Part):
    """Shows it beside the input."""

    traits: MadeTraits

    def updates(self) -> dict[str, Any]:
        sample = self.sample
        if not self.view.is_outdated("made_picture", sample):
            return {}
        found = made_by(sample)
        return {"made_picture": None if found is None else _payload(sample, *found)}


def _payload(sample: Sample, made: Tensor, is_reconstruction: bool) -> MadePicture | None:
    given = sample.input
    if not is_reconstruction:
        if made.ndim != 4:
            return None
        picture = shown_of(made, None, None)[0]
        return {"width": picture.width, "height": picture.height, "picture": encoded(picture)}
    layout = AsImage("nchw") if given.around is None else given.around.as_image
    image, x = layout.image(made.float()), layout.image(_value(sample).float())
    change = image - x
    result: MadePicture = {
        "width": given.shown.width,
        "height": given.shown.height,
        "reach": float(change.abs().max()),
        "error": float((made.float() - _value(sample).float()).square().mean()),
    }
    if given.is_row:
        for name, values in (("trace", image), ("difference_trace", change)):
            trace = trace_of(values[0, :, 0].cpu().numpy(), bars=given.kind == "vector")
            if trace is None:
                return None
            result[name] = trace_payload(trace)  # type: ignore[literal-required]
        return result
    result["picture"] = encoded(picture_like(image, given))
    result["difference"] = encoded(_signed_picture(change, result["reach"]))
    return result


def _signed_picture(change: Tensor, reach: float) -> Image.Image:
    """The mean over the channels, in colours around 0."""
    values: np.ndarray = torch.mean(change[0], 0).cpu().numpy()
    return color_map(values, -reach or -1.0, reach or 1.0)
