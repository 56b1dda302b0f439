"""Inputs of any kind laid out as images, by what the model does with them."""

from __future__ import annotations

from nnlens.geometry.input_axes import input_axes
from nnlens.inputs import Input
from nnlens.inputs.laid_out import check_call, laid_out, names_of_inputs
from nnlens.recording import Recorder
from nnlens.recording.record import unwrapped
from nnlens.session.setup import ModelSetup


def laid_out_for(setup: ModelSetup, given: Input, varied: str | None = None) -> Input:
    """An input of any kind with one tensor laid out as an image; tokens and images are returned as they are.

    Parameters
    ----------
    varied : str, optional
        The name of the input that is varied; see `inputs.laid_out`.

    Raises
    ------
    TypeError
        Where the model's forward does not take these inputs.
    ForwardError
        Where the model raises.
    """
    if given.given is None or given.text is not None:
        return given
    model = unwrapped(setup.model)
    args, keywords = given.call
    check_call(model, args, keywords)
    recording = Recorder(model).run(args, keywords)  # a keyword may have the name of an option of `record`
    names = list(names_of_inputs(model, args, keywords).values())
    if not isinstance(setup.axes, (str, type(None))):
        unknown = [name for name in setup.axes if name not in names]
        if unknown:
            raise ValueError(f"axes must be of inputs of the model ({', '.join(names)}), got {unknown[0]!r}")
    for name in setup.channel_names if isinstance(setup.channel_names, dict) else ():
        if name not in names:
            raise ValueError(f"channel_names must be of inputs of the model ({', '.join(names)}), got {name!r}")

    def axes_of(place: int, shape: tuple[int, ...]) -> tuple[str, bool]:
        own = setup.axes if isinstance(setup.axes, (str, type(None))) else setup.axes.get(names[place])
        if own is not None and len(own) == len(shape):
            return own, True
        return input_axes(recording, "input" if place == 0 else f"input[{place}]", shape)

    return laid_out(model, given, axes_of, varied=varied, bands=setup.bands, rate=setup.rate)
