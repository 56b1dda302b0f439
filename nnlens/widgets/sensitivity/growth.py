"""Growth and stretch of small changes, beside the network at initialisation and with scaled weights."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from typing import Any

import torch
import traitlets as t
from torch import Tensor, nn

from nnlens.kernels.chaos import (
    Growth,
    Stretch,
    at_initialisation,
    gradient_direction,
    growth,
    mean_field,
    random_directions,
    stretch,
    weight_variance,
    with_scaled_weights,
)
from nnlens.render import Panel
from nnlens.render.functions import payloads
from nnlens.render.functions.sensitivity import growth_image, growth_row, stretch_row
from nnlens.utils.language import _, number
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import payload, synced

_RANDOM = 8  # directions
_FIRST = 2  # of them are sent before the others, for an answer within a second
_STRETCHED = 4
_ROUNDS = 3  # of the iteration for the stretched directions


class GrowthTraits(t.HasTraits):
    """The traits of `GrowthPart`."""

    growth = payload(payloads.GrowthPayload, "how small changes grow from layer to layer")
    stretches = synced(
        t.List(help="the stretch per layer of the directions that are stretched most"), list[payloads.StretchRow]
    )
    weight_scale = synced(
        t.Float(1.0, min=0.1, max=10, help="the factor of all weights of a copy that is compared"), state=True
    )


class GrowthPart(Part):
    """The model first; the comparisons follow."""

    traits: GrowthTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        if options.get("weight_scale") is not None:
            self.traits.weight_scale = options["weight_scale"]

    def new_image(self) -> dict[str, Any]:
        return {"growth": None, "stretches": []}

    def start(self) -> None:
        self.observe("weight_scale", self._rescale)
        self.followed(None)

    def followed(self, change: Any) -> None:
        if self.view.is_outdated("growth", self.sample):
            sample = self.sample
            self.view.submit("card", lambda: self.view.reported(_("how changes grow"), self._steps(sample)))

    def result(self) -> Growth:
        """The growth of random directions, of the gradient's as the last."""
        made: Growth = self.sample.cache.once("growth", make=lambda: self._growth(self.sample.model))
        return made

    def _falling(self) -> Tensor | None:
        try:
            return gradient_direction(self.sample.model, self.sample.input.x, output=self.session.setup.pick)
        except ValueError:  # the scores do not depend on the input
            return None

    def _growth(self, model: nn.Module) -> Growth:
        """Of random directions, and of the gradient's as the last."""
        x = self.sample.input.x
        chance = random_directions(x, _RANDOM).to(x)
        falling = self._falling()
        return growth(model, x, chance if falling is None else torch.cat([chance, falling]))

    def _stretch(self, model: nn.Module) -> Stretch:
        x = self.sample.input.x
        return stretch(model, x, directions=_STRETCHED, rounds=_ROUNDS, output=self.session.setup.pick)

    def _rows(self, found: Growth, of: str, layers: tuple[str, ...], count: int = _RANDOM) -> list[payloads.GrowthRow]:
        rows = [growth_row(_some(found, slice(count)), of, "random", layers)]
        if len(found.factors) > count:
            rows.append(growth_row(_some(found, slice(count, None)), of, "gradient", layers))
        return rows

    def _steps(self, sample: Any) -> Generator[None, None, None]:
        if sample.cache.get("growth") is None:
            x = sample.input.x
            first = growth(sample.model, x, random_directions(x, _RANDOM).to(x)[:_FIRST])
            self._show(first, [], count=_FIRST)
            yield
        found = self.result()
        self._show(found, [])
        yield
        stretched: Stretch = sample.cache.once("stretch", make=lambda: self._stretch(sample.model))
        self.traits.stretches = [stretch_row(stretched, "model")]
        along = growth(sample.model, sample.input.x, stretched.directions[:1].to(sample.input.x))
        further = [growth_row(along, "model", "stretched", found.layers)]
        self._show(found, further)
        yield
        untrained = at_initialisation(self.sample.model)
        further += self._rows(self._growth(untrained), "initial", found.layers)[:1]
        self._show(found, further)
        yield
        self.traits.stretches = [*self.traits.stretches, stretch_row(self._stretch(untrained), "initial")]
        yield
        if self.traits.weight_scale != 1:
            yield from self._scaled()

    def _rescale(self, change: Any) -> None:
        self.view.submit("hand", lambda: self.view.reported(_("scaling the weights"), self._scaled()))

    def _scaled(self) -> Generator[None, None, None]:
        yield
        if self.traits.growth is None:
            return
        factor = self.traits.weight_scale
        kept = [row for row in self.traits.growth["rows"] if row["of"] != "scaled"]
        stretches = [row for row in self.traits.stretches if row["of"] != "scaled"]
        rows: list[payloads.GrowthRow] = []
        found = self.result()
        if factor != 1:
            scaled = with_scaled_weights(self.sample.model, factor)
            rows = self._rows(self._growth(scaled), "scaled", found.layers)[:1]
        self.traits.growth = {
            **self.traits.growth,
            "rows": [*kept, *rows],
            "facts": self._facts(_some(found, slice(_RANDOM))),
        }
        yield
        if factor != 1:
            stretches.append(stretch_row(self._stretch(scaled), "scaled"))
        self.traits.stretches = stretches

    def _show(self, found: Growth, further: list[payloads.GrowthRow], *, count: int = _RANDOM) -> None:
        self.traits.growth = {
            "layers": list(found.layers),
            "rows": [*self._rows(found, "model", found.layers, count), *further],
            "depth": self._depth(),
            "facts": self._facts(_some(found, slice(count))),
        }

    def _depth(self) -> int:
        made = self.sample.cache.get("stretch")
        return 0 if made is None else int(made.depth)

    def _facts(self, chance: Growth) -> list[str]:
        """What was measured, and what theory says of wide networks."""
        facts = [chance.describe()]
        stretched = self.sample.cache.get("stretch")
        if stretched is not None:
            facts.append(stretched.describe())
        theory = self._theory()
        return [*facts, theory] if theory else facts

    def _theory(self) -> str:
        kinds = {operation.op.rstrip("_") for operation in self.sample.recording}
        name: Any = (
            "relu" if kinds & {"relu", "relu6", "hardtanh", "leaky_relu"} else "tanh" if "tanh" in kinds else None
        )
        variance = weight_variance(self.sample.model) * self.traits.weight_scale**2
        if name is None or not math.isfinite(variance):
            return ""
        return _(
            "theory of a wide network without normalisation, with σw² = {variance}: {words}",
            variance=number(f"{variance:.2g}"),
            words=mean_field(name, variance, 0.0).describe(),
        )

    def complete(self) -> None:
        for _step in self._steps(self.sample):
            pass

    def describe(self) -> str:
        return "" if self.traits.growth is None else ". ".join(self.traits.growth["facts"])

    def panels(self) -> list[Panel]:
        if self.traits.growth is None:
            return []
        return [Panel(title=self.traits.growth["facts"][0], image=growth_image(self.traits.growth))]


def _some(found: Growth, which: slice) -> Growth:
    """The growth of some of the directions."""
    return Growth(layers=found.layers, factors=found.factors[which])
