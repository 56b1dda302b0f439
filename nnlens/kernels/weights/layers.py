"""Which layer of a pass computes with which weight: a unit of the one is a filter of the other."""

from __future__ import annotations

from nnlens.geometry.axes import places_of
from nnlens.recording import Operation, Recording

from .weight import Found, Weight

# A unit belongs to the filter below it where only such operations lie between.
_UNIT_BY_UNIT = ("activation", "normalisation", "pooling", "dropout", "padding")


def weight_of_layer(found: Found, recording: Recording, layer: str) -> Weight | None:
    """The weight whose filters are the units of a layer; None where the layer's units are no filters.

    An activation function, normalisation or pool after the layer has the same units.
    """
    operation = recording.operation(layer)
    while True:
        weight = _own(found, operation)
        if weight is not None:
            return weight if len(places_of(recording, operation)) == len(weight) else None
        inputs = [name for name in operation.inputs if name in recording]
        if operation.kind not in _UNIT_BY_UNIT or len(inputs) != 1:
            return None
        operation = recording.operation(inputs[0])


def layer_of_weight(found: Found, recording: Recording, weight: Weight) -> str | None:
    """The operation that computes the units of a weight's filters; None where the pass has none."""
    for operation in recording:
        if _own(found, operation) is weight and weight_of_layer(found, recording, operation.name) is weight:
            return operation.name
    return None


def _own(found: Found, operation: Operation) -> Weight | None:
    """The weight with which an operation computes."""
    if operation.kind not in ("convolution", "linear"):
        return None
    fitting = (weight for weight in found if weight.kind in ("convolution", "linear", "other"))
    return next((weight for weight in fitting if operation.module in (weight.module, *weight.same_as)), None)
