"""Find the text: where in a long text the chosen cell is highest and lowest, and where it reaches a threshold."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, Literal

import numpy as np
import torch
import traitlets as t

from nnlens.kernels.text import Contexts
from nnlens.recording import record
from nnlens.render.text import context_payload, payloads
from nnlens.session.dataset_search import store_folder
from nnlens.utils.language import _, number, plural
from nnlens.widgets.base.options import sharding_options
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import counter, payload, synced

from .cells import CellsPart

_BEFORE, _AROUND, _AFTER = 400, 60, 30  # characters that are read, and shown, before a place, and after it
_MOST_ABOVE = 12
_TELL_EVERY = 8  # batches between two updates

Group = Literal["top", "middle", "least", "above"]


class ContextsTraits(t.HasTraits):
    """The traits of `ContextsPart`."""

    contexts = payload(payloads.CellContexts, "where in the long text the cell is highest and lowest")
    threshold = synced(
        t.Float(None, allow_none=True, help="the value that the cell must reach"), float | None, state=True
    )
    has_corpus = synced(t.Bool(False, help="whether there is a long text to look in"))
    resume = counter("a request to go on with the long text")


class ContextsPart(Part):
    """The long text is read in the background for the chosen layer; what was found is kept on disk."""

    traits: ContextsTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        if options.get("corpus") is not None and self.sample.input.call[1]:
            raise ValueError("corpus must be left out for a model with a decoder")
        sharding = sharding_options(options, store=store_folder() / "contexts")
        if options.get("corpus") is not None:
            self.session.contexts.begin(options["corpus"], **sharding)
        self.traits.has_corpus = self.session.contexts.corpus is not None
        self._snippets: dict[tuple[Any, ...], payloads.Context] = {}

    def start(self) -> None:
        self.observe("cancel", lambda change: self.view.cancel_job("data"))
        self.observe(["threshold", "resume"], self.followed)
        self.followed(None)

    def followed(self, change: Any) -> None:
        if not self.traits.has_corpus or self.view.is_static:
            return
        layer, unit = self.view.part(CellsPart).layer.layer, self.view.part(CellsPart).unit
        asked = (self.sample.version, layer, unit, self.traits.threshold, self.traits.resume)
        if self.view.is_outdated("contexts", asked):
            self.view.submit("data", lambda: self.view.reported(_("reading the long text"), self._steps()))

    def model_changed(self) -> None:
        self._snippets = {}

    def result(self) -> Contexts | None:
        """What was found of the selected layer so far."""
        return self.session.contexts.found(self.view.part(CellsPart).layer.layer)

    def _steps(self) -> Generator[float | None, None, None]:
        layer, unit = self.view.part(CellsPart).layer.layer, self.view.part(CellsPart).unit
        made: payloads.CellContexts = {
            "layer": layer,
            "unit": unit,
            "rows": [],
            "done": 0.0,
            "words": "",
            "problem": "",
            "count": 0,
            "exact": True,
            "windows": 0,
        }
        try:
            found: Contexts | None = None
            for count, found in enumerate(self.session.contexts.steps(layer)):
                if count % _TELL_EVERY == 0:
                    yield from self._shown(made, found)
                yield None
            if found is not None:
                yield from self._shown(made, found)
        except Exception as error:
            self.traits.contexts = {**made, "done": 1.0, "problem": str(error)}

    def _shown(self, made: payloads.CellContexts, found: Contexts) -> Generator[float | None, None, None]:
        """Show the best places so far, with the values around them as they are computed."""
        unit, threshold = made["unit"], self.traits.threshold
        groups: list[tuple[Group, list[tuple[int, float]]]] = [
            ("top", found.top(unit)),
            ("middle", found.middle(unit)),
            ("least", found.least(unit, 6)),
        ]
        above = [] if threshold is None else found.above(unit, threshold)
        count, exact = (0, True) if threshold is None else found.count_above(unit, threshold)
        if threshold is not None:
            groups.insert(0, ("above", above[:: max(1, -(-len(above) // _MOST_ABOVE))]))
        rows: list[payloads.Context] = []
        now: payloads.CellContexts = {
            **made,
            "done": found.read / found.length if found.length else 1.0,
            "words": " · ".join(_words(found)),
            "count": count,
            "exact": exact,
            "windows": len(found),
        }
        for group, places in groups:
            for place, value in places:
                known = (made["layer"], unit, place) in self._snippets
                rows.append(self._snippet(group, made["layer"], unit, place, value))
                if not known:
                    yield None
        self.traits.contexts = {**now, "rows": rows}

    def _snippet(self, group: Group, layer: str, unit: int, place: int, value: float) -> payloads.Context:
        """A place of the long text with the cell's values around it."""
        key = (layer, unit, place)
        if key not in self._snippets:
            setup, corpus = self.session.setup, self.session.contexts.corpus
            assert setup.codec is not None  # it has read the text
            assert corpus is not None
            piece = corpus.piece(place - _BEFORE, place + _AFTER)
            encoded = setup.codec.encode(piece.text)
            kept = min(len(encoded), setup.part_tokens)
            ids = torch.tensor(encoded.ids[-kept:])
            axis = 1 if setup.steps_first else 0
            recording = record(self.session.model, ids.unsqueeze(axis).to(self.sample.input.x.device), only=layer)
            own = recording[layer].detach().reshape(kept, -1)[:, unit].float().cpu().numpy()
            spans = [(start, stop) for start, stop in encoded.spans[-kept:]]
            earliest = max(0, piece.before(place) - _AROUND)
            shown = [at for at, (start, stop) in enumerate(spans) if start >= earliest and stop > start]
            seen = [spans[at] for at in shown]
            values = np.ascontiguousarray(own[shown], np.float32)
            self._snippets[key] = context_payload(piece.text, seen, values, value, place)
        return {**self._snippets[key], "group": group, "value": value}

    def complete(self) -> None:
        if self.traits.has_corpus:
            for _step in self._steps():
                pass

    def describe(self) -> str:
        found = self.result()
        corpus = self.session.contexts.corpus
        if corpus is None or found is None or not len(found):
            return ""
        place, value = found.top(self.view.part(CellsPart).unit, 1)[0]
        around = " ".join(corpus.piece(place - 20, place).text.split())
        return _(
            "in the long text it is highest, {value}, after “{around}”",
            value=number(f"{value:.3g}").replace("-", "−"),
            around=around,
        )


def _words(found: Contexts) -> list[str]:
    """How much was read, and what went wrong."""
    words = [plural("{count} window of 200 tokens", "{count} windows of 200 tokens", len(found))]
    if found.failed:
        shard, why = found.failed[0]
        words.append(_("{start}…{stop}: {why}", start=shard.start, stop=shard.stop, why=why))
    return [*words, found.unsaved] if found.unsaved else words
