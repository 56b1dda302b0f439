"""A pass that returns the values of some layers and ends after the last of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nnlens.recording import OtherPathError, Reached, Recorder, Recording, Replacement, observed, substituting
from nnlens.recording.record import unwrapped
from nnlens.utils.language import _

from .prepared import Prepared


class PartialPass:
    """The values of layers for any batch, with gradients where these are enabled; the model must be borrowed.

    The model's own forward runs, on the path that was recorded, until all of `layers` have been computed. Where it
    takes another path (hooks, or parts that run in another way when gradients are on), the whole forward is recorded
    instead: slower, and without `replacements`; `how` says so.

    Parameters
    ----------
    recording : Recording
        A whole pass of the model on one input.
    layers : sequence of str
        Names of operations.
    replacements : optional
        Replacements of operations, by their numbers.
    prepared : Prepared, optional
        The prepared model, which makes passes faster, if it still computes the layers.
    to_end : bool
        Run the whole forward, for its output.
    """

    def __init__(
        self,
        model: nn.Module,
        recording: Recording,
        layers: Sequence[str],
        *,
        replacements: Mapping[int, Replacement] | None = None,
        prepared: Prepared | None = None,
        to_end: bool = False,
    ):
        self.model, self.recording, self.to_end = unwrapped(model), recording, to_end
        self.operations = [recording.operation(name) for name in dict.fromkeys(layers)]
        inside = [operation.name for operation in self.operations if operation.number is None]
        if inside:
            raise ValueError(
                f"layer {inside[0]!r} is computed inside another operation, where it cannot be read or changed: "
                "choose an operation of the pass itself"
            )
        argument = (source.shape for operation in recording for source in operation.sources if source.name == "input")
        first = next(argument, None)
        self.shape = None if first is None else first[1:]
        usable = prepared is not None and all(prepared.can_watch(operation.name) for operation in self.operations)
        self.prepared = prepared if usable else None
        self.own = dict(replacements or {})
        self.ruled = bool(replacements)
        self.how = ""  # in words, if not in the fast way
        self.base = {**(prepared.replacements if prepared is not None and usable else {}), **(replacements or {})}

    def __call__(self, batch: Tensor) -> tuple[dict[str, Tensor], Any]:
        """Each layer's value, and the model's output (None if the pass ended before it)."""
        if self.shape is not None and batch.shape[1:] != self.shape:
            raise ValueError(
                f"the recording is of inputs of the shape {tuple(self.shape)}, got {tuple(batch.shape[1:])}: record a "
                "pass on such an input"
            )
        if not self.how:
            try:
                return self._on_the_way(batch)
            except OtherPathError as error:
                if self.ruled:
                    raise
                self.how = _("recorded from the model itself, because {error}", error=error)
        return self.recorded(batch)

    def recorded(self, batch: Tensor) -> tuple[dict[str, Tensor], Any]:
        """The same from the model's own forward, whatever path it takes, with no operation replaced."""
        names = [operation.name for operation in self.operations]
        if not names:
            return {}, self.model(batch)
        result = Recorder(self.model, only=names).run((batch,), {}, gradients=torch.is_grad_enabled())
        return {name: result[name] for name in names}, result.output

    def _on_the_way(self, batch: Tensor) -> tuple[dict[str, Tensor], Any]:
        values: dict[str, Tensor] = {}
        output = None

        wanted = torch.is_grad_enabled()

        def keep(name: str, value: Tensor) -> Tensor | None:
            if wanted and not value.requires_grad and value.is_floating_point():
                # Computed under `no_grad`: a gradient is still possible from here on.
                values[name] = value.detach().clone().requires_grad_()
                if len(values) == len(self.operations) and not self.to_end:
                    raise Reached
                return values[name]
            if len(values) == len(self.operations) - 1 and not self.to_end:
                values[name] = value
                raise Reached
            values[name] = value.clone()  # the next operation may write into it
            # A gradient with respect to the layer must pass through the stored value.
            return values[name].clone() if wanted else None

        trusted = self.prepared is None or not wanted or self.prepared.has_gradients()
        replacements = dict(self.base if trusted else self.own)
        for operation in self.operations:
            number, name = operation.number or 0, operation.name

            def tell(value: Tensor, name: str = name) -> Tensor | None:
                return keep(name, value)

            replacements[number] = observed(operation, tell, replacements.get(number))
        with substituting(self.model, self.recording.calls, replacements):
            output = self.model(batch)
        missing = [operation.name for operation in self.operations if operation.name not in values]
        if missing:
            raise OtherPathError(f"the forward did not reach {missing[0]!r}, which the recorded pass did")
        return values, output
