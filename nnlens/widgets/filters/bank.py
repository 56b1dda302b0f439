"""All filters of the chosen weight as tiles, and the chosen filter's numbers and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import traitlets as t

from nnlens.export.bundle import Response, packed_size, within_budget
from nnlens.kernels.weights import ORDERS, FilterStatistics, Gabor
from nnlens.render import Panel, mosaic_texture
from nnlens.render.weights import bank_payload, detail_payload, payloads
from nnlens.render.weights.pictures import bank_image, filter_image
from nnlens.utils.language import _
from nnlens.widgets.base.options import one_of
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import payload, synced
from nnlens.widgets.weights.choice import WeightPart

SCALES = ("filter", "layer")
_MOST_KERNELS = 4000  # bytes of a filter's kernels in a page


class BankTraits(t.HasTraits):
    """The traits of `BankPart`."""

    bank = payload(payloads.FilterBank, "all filters of the weight")
    bank_problem = synced(t.Unicode("", help="why the weight cannot be analysed"))
    detail = payload(payloads.FilterDetail, "the chosen filter")
    filter_order = synced(t.Enum(ORDERS, "index", help="the order of the filters"), state=True)
    filter_scale = synced(t.Enum(SCALES, "filter", help="which values set the range of the colours"), state=True)
    channel = synced(
        t.Int(None, allow_none=True, help="which of the channels that the filters read is shown; null for the pattern"),
        int | None,
        state=True,
    )


class BankPart(Part):
    """The bank, and one filter of it."""

    traits: BankTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        self.gabor: Gabor | None = None  # of the weight that is shown, once it was fitted
        self._shown: FilterStatistics | None = None
        self.traits.filter_order = one_of(options.get("order"), "order", ORDERS, "index")

    def start(self) -> None:
        self.observe("channel", lambda change: self.view.follow())

    @property
    def statistics(self) -> FilterStatistics:
        """Of the chosen weight."""
        return self.session.filter_statistics(self.view.part(WeightPart).traits.weight)

    def updates(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        unit = self.view.part(WeightPart).traits.filter
        try:
            statistics = self.statistics
        except ValueError as error:
            return {"bank": None, "detail": None, "bank_problem": str(error)}
        if statistics is not self._shown:
            self._shown, self.gabor = statistics, None
        reads = statistics.weight.values.shape[1]
        channel = self.traits.channel
        if channel is not None and not 0 <= channel < reads:
            channel = made["channel"] = None
        if self.view.is_outdated("bank", (statistics, channel, self.gabor)):
            made["bank"] = bank_payload(statistics, channel=channel, gabor=self.gabor)
            made["bank_problem"] = ""
        if self.view.is_outdated("detail", (statistics, unit, self.gabor)):
            made["detail"] = detail_payload(statistics, unit, self.gabor)
        return made

    def fitted(self, statistics: FilterStatistics) -> None:
        """The Gabor functions of a weight have been fitted."""
        if statistics is self._shown and self.gabor is None and statistics.gabor is not None:
            self.gabor = statistics.gabor
            self.view.follow()

    def describe(self) -> str:
        if self._shown is None:
            return str(self.traits.bank_problem)
        shown = self._shown.weight
        words = detail_payload(self._shown, self.view.part(WeightPart).traits.filter, self.gabor)["words"]
        return _("Filters of {name} ({label}); {filter}.", name=shown.name, label=shown.label, filter=words)

    def panels(self) -> list[Panel]:
        if self._shown is None:
            return []
        unit, name = self.view.part(WeightPart).traits.filter, self._shown.weight.name
        return [
            Panel(title=f"{name} · {self._shown.weight.label}", image=bank_image(self.traits.bank)),
            Panel(title=_("filter {filter} of {name}", filter=unit, name=name), image=filter_image(self.traits.detail)),
        ]

    def complete(self) -> None:
        try:
            self.fitted(self.statistics)
        except ValueError:
            return  # the view says why

    def bake(self, budget: int, *, whole: bool) -> list[Response]:
        if self._shown is None:
            return []
        own = self._shown.weight
        details = within_budget(self._details(self._shown, self.gabor, range(len(own))), budget // 2)
        banks: dict[str, dict[str, Any]] = {own.name: self._bank(self._shown, self.gabor)}
        left = budget - packed_size(details) - packed_size(banks)
        # Other weights with their first filters, as far as there is room.
        for weight in self.session.weights() if whole else ():
            if weight is own or weight.not_finite:
                continue
            statistics = FilterStatistics(weight)
            bank, first = (
                self._bank(statistics, None),
                dict(self._details(statistics, None, range(min(8, len(weight))))),
            )
            left -= packed_size([bank, first])
            if left < 0:
                break
            banks[weight.name] = bank
            details |= first
        return [Response(("weight",), banks), Response(("weight", "filter"), details)]

    def _bank(self, statistics: FilterStatistics, gabor: Gabor | None) -> dict[str, Any]:
        """What a page shows of a weight, whichever filter is chosen."""
        bank = {"bank": bank_payload(statistics, gabor=gabor), "channel": None}
        layer = self.view.part(WeightPart).layer_of(statistics.weight.name)
        if layer is None:
            return {**bank, "linked": False}
        maps = mosaic_texture(self.sample.activations(layer), most_values=60_000, most_side=28)
        return {**bank, "linked": True, "layer": layer, "mosaic": maps}

    def _details(
        self, statistics: FilterStatistics, gabor: Gabor | None, units: range
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        name = statistics.weight.name
        linked = self.view.part(WeightPart).layer_of(name) is not None
        for unit in units:
            detail = detail_payload(statistics, unit, gabor)
            if detail["kernels"] and len(detail["kernels"]["data"]) > _MOST_KERNELS:
                detail["kernels"] = None
            yield f"{name}|{unit}", {"detail": detail, **({"unit": unit} if linked else {})}
