"""Which weight is chosen, and its link with the layer and the unit of the other views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import traitlets as t
from torch import nn

from nnlens.kernels.weights import Weight, find_one, layer_of_weight, weight_of_layer
from nnlens.render.weights import payloads, weight_entries
from nnlens.session.session import Session
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import synced


class WeightTraits(t.HasTraits):
    """The traits of `WeightPart`."""

    @property
    def session(self) -> Session:
        """Of the view that has these traits."""
        raise NotImplementedError

    weight = synced(t.Unicode("", help="the weight that is shown"), state=True, always=True)
    filter = synced(t.Int(0, help="the filter that is shown"), state=True, always=True)
    weight_names = synced(t.List(help="the weights that can be chosen"), list[payloads.WeightEntry])
    linked = synced(t.Bool(False, help="whether the filter is the unit that other views show"))

    @t.validate("weight")
    def _check_weight(self, proposal: Any) -> str:
        try:
            return self.session.weights().first(proposal["value"]).name
        except ValueError as error:
            raise t.TraitError(str(error)) from error  # only this puts the old value back

    @t.validate("filter")
    def _check_filter(self, proposal: Any) -> int:
        filters = len(self.session.weights()[self.weight])
        if not 0 <= proposal["value"] < filters:
            raise t.TraitError(f"filter must be 0…{filters - 1} in {self.weight!r}, got {proposal['value']}")
        return int(proposal["value"])


class WeightPart(Part):
    """Choosing a weight chooses its layer, and choosing a filter its unit, and the other way round."""

    traits: WeightTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        found = self.session.weights()
        if not len(found):
            reasons = "".join(f"; {name} {why}" for name, why in found.left_out.items())
            raise ValueError(f"the model must have weights that are filters or matrices, got none{reasons}")
        asked = options.get("weight")
        if asked is not None:
            self.traits.weight = self._named(asked)
        elif (linked := self._of_selection()) is not None:
            self.traits.weight, self.traits.filter = linked.name, self.selection.unit
        else:
            self.traits.weight = found.weights[0].name
        if options.get("filter") is not None:
            self.traits.filter = options["filter"]
        self.choose()

    def start(self) -> None:
        self.observe(["weight", "filter"], self._chosen)

    @property
    def current(self) -> Weight:
        """The chosen weight, as it is now."""
        return self.session.weights()[self.traits.weight]

    def _named(self, asked: Any) -> str:
        """The name of a weight, from a name, a module, or a layer that it computes."""
        found, model = self.session.weights(), self.session.model
        if not isinstance(asked, (str, nn.Module)):
            raise TypeError(f"layer must be a module or its name, got {type(asked).__name__}")
        recording = self.sample.recording
        if isinstance(asked, str) and asked not in found and asked in recording:
            weight = weight_of_layer(found, recording, recording.resolve(asked))
            if weight is not None:
                return weight.name
        return found.first(find_one(model, asked).name).name

    def layer_of(self, name: str) -> str | None:
        """The layer of the pass whose units are the filters of a weight."""
        if self.sample.is_blank:
            return None
        found = self.session.weights()
        return layer_of_weight(found, self.sample.recording, found[name])

    def _of_selection(self) -> Weight | None:
        """The weight of the selected layer."""
        if self.sample.is_blank:
            return None
        return weight_of_layer(self.session.weights(), self.sample.recording, self.selection.layer)

    def _keep_what_is_there(self) -> None:
        """Choose another weight or filter where the model no longer has the chosen one."""
        found = self.session.weights()
        if self.traits.weight not in found:
            with self.view.hold_trait_notifications():
                self.traits.weight, self.traits.filter = found.weights[0].name, 0
        elif self.traits.filter >= len(self.current):
            self.traits.filter = len(self.current) - 1

    def choose(self) -> None:
        """Let the selection follow the chosen weight and filter."""
        self._keep_what_is_there()
        if self.sample.is_blank:
            self.traits.linked = False
            return
        weight, unit, linked = self.current, self.traits.filter, self._of_selection()
        layer = self.layer_of(weight.name) if linked is not weight else None
        with self.selection.hold_trait_notifications():
            if layer is not None:
                self.selection.layer, linked = layer, weight
            if linked is weight and self.selection.unit != unit:
                self.selection.unit = unit
        self.traits.linked = linked is weight

    def _chosen(self, change: Any) -> None:
        """The browser or Python has chosen a weight or a filter."""
        name = self.traits.weight
        if change["name"] == "weight":
            self.traits.filter = min(self.traits.filter, len(self.current) - 1)
        self.choose()
        if self.traits.weight == name:
            self.view.follow()

    def new_image(self) -> dict[str, Any]:
        self.choose()
        return {}

    def updates(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        found = self.session.weights()
        self._keep_what_is_there()
        if self.view.is_outdated("weight_names", found):
            made["weight_names"] = weight_entries(found)
        linked = self._of_selection()
        if linked is not None:
            with self.view.hold_trait_notifications():  # both at once: the filter is one of that weight
                self.traits.weight, self.traits.filter = linked.name, self.selection.unit
        made["linked"] = linked is not None and linked.name == self.traits.weight
        return made
