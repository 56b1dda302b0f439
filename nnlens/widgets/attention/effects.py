"""What is lost without each head, and which heads look for repetitions: computed on request and in the background."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import traitlets as t

from nnlens.kernels.text import (
    attention,
    attention_layers,
    head_effects,
    induction_ids,
    induction_scores,
    predicts_tokens,
    token_logits,
)
from nnlens.recording import record
from nnlens.render.text import payloads
from nnlens.scores.meaning import pick_output
from nnlens.utils.language import _, number
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.text import TextPart
from nnlens.widgets.base.traits import counter, payload, synced

from .heads import HeadsPart

_MOST_TOKENS = 1024  # of a text on which heads are removed one by one


class EffectsTraits(t.HasTraits):
    """The traits of `EffectsPart`."""

    resume = counter("a request to compute what is lost without each head")
    removal = synced(t.Enum(("zero", "mean"), "zero", help="what replaces a head's output"), state=True)
    effects = payload(payloads.HeadEffects, "what is lost without each head of the layer")
    induction = payload(payloads.Induction, "which heads look for repetitions")


class EffectsPart(Part):
    """One pass for each head."""

    traits: EffectsTraits

    def start(self) -> None:
        self.observe("resume", lambda change: self.view.submit("card", self._job))
        self.observe(["attention_layer", "removal"], self._forget)
        self.observe("cancel", lambda change: self.view.cancel_job("card"))
        if not self.view.is_static:
            self.view.submit("map", self._induction)

    def new_image(self) -> dict[str, Any]:
        self.view.cancel_job("card")
        return {"effects": None}

    def model_changed(self) -> None:
        self.traits.effects = self.traits.induction = None
        if not self.view.is_static:
            self.view.submit("map", self._induction)

    def complete(self) -> None:
        for _step in self._induction():
            pass

    def _forget(self, change: Any) -> None:
        self.view.cancel_job("card")
        self.traits.effects = None

    def _job(self) -> Generator[float | None, None, None]:
        return self.view.reported(_("removing one head after the other"), self._steps())

    def _chosen(self) -> tuple[Any, ...]:
        return self.sample, self.view.part(HeadsPart).traits.attention_layer, self.traits.removal

    def _steps(self) -> Generator[None, None, None]:
        chosen = sample, layer, removal = self._chosen()
        values: list[float | None] = [None] * sample.recording.operation(layer).shape[-3]
        made: payloads.HeadEffects = {
            "layer": layer,
            "removal": removal,
            "values": values,
            "clean": 0.0,
            "words": "",
            "done": 0.0,
            "problem": "",
        }
        try:
            loss, made["words"] = self._question()
            made["clean"] = loss(sample.recording.output)
            effects = head_effects(
                self.session.model, sample.recording, sample.input.call, layer, loss, removal=removal
            )
            for head, effect in effects:
                if self._chosen() != chosen:
                    return  # something else is asked by now
                values[head] = effect if math.isfinite(effect) else None
                self.traits.effects = {**made, "values": list(values), "done": (head + 1) / len(values)}
                yield
        except ValueError as error:
            self.traits.effects = {**made, "done": 1.0, "problem": str(error)}

    def _question(self) -> tuple[Callable[[Any], float], str]:
        """From what the model returns to its loss, and what that is in words."""
        sample, setup = self.sample, self.session.setup
        encoded = sample.input.text
        if sample.meaning is None and sample.input.call[1]:
            first = pick_output(sample.recording.output, setup.pick).float()[:, -1].argmax(1)

            def of_first(out: Any) -> float:
                return float(F.cross_entropy(pick_output(out, setup.pick).float()[:, -1], first))

            return of_first, _("−ln of the probability of the token that the model would write first")
        if sample.meaning is None and encoded is not None:
            own = token_logits(sample.recording, encoded, setup.pick)
            if not predicts_tokens(self.session.model, sample.recording, own.shape[1]):
                raise ValueError(_("the model has no language head and no scores: nothing says what is lost"))
            if len(encoded) > _MOST_TOKENS:
                raise ValueError(_("the text must have at most {most} tokens for this", most=_MOST_TOKENS))
            forward = self.view.part(TextPart).reads_forward()
            rows = slice(0, -1) if forward else slice(None)
            ids = torch.tensor(encoded.ids, device=own.device)[1 if forward else 0 :]
            if not len(ids):
                raise ValueError(_("the text must have at least two tokens"))

            def of_tokens(out: Any) -> float:
                logits = pick_output(out, setup.pick).float().reshape(len(encoded), -1)
                return float(F.cross_entropy(logits[rows], ids))

            return of_tokens, _("loss per token")
        meaning, target = sample.scored(), self.selection.target
        if meaning.noun != "probability":
            raise ValueError(_("the model predicts quantities: nothing says what is lost"))

        def of_class(out: Any) -> float:
            share = meaning.probabilities(meaning.read(out, 1))[0, target]
            return -math.log(max(float(share), 1e-12))

        return of_class, _("−ln of the probability of {label}", label=sample.names[target])

    def _induction(self) -> Generator[None, None, None]:
        """On random tokens that are written twice; only for models that predict the next token."""
        sample, setup = self.sample, self.session.setup
        encoded = sample.input.text
        if encoded is None or sample.meaning is not None or sample.input.call[1]:
            return
        if not self.view.is_outdated("induction", sample.version):
            return
        try:
            vocabulary = token_logits(sample.recording, encoded, setup.pick).shape[1]
            if not predicts_tokens(self.session.model, sample.recording, vocabulary):
                return
            ids = induction_ids(vocabulary).to(sample.input.x.device)
            recording = record(self.session.model, ids.T if setup.steps_first else ids)
        except Exception:
            return  # a model that takes no random tokens has no such scores
        yield
        values: dict[str, list[float]] = {}
        even = 0.0
        for name in attention_layers(recording):
            found = attention(recording, name)
            if not found.causal:
                return
            scores, even = induction_scores(found)
            values[name] = np.round(scores, 4).tolist()
            yield
        self.traits.induction = {"values": values, "even": even}

    def describe(self) -> str:
        effects = self.traits.effects
        known = [(value, head) for head, value in enumerate(effects["values"]) if value is not None] if effects else []
        if not known:
            return ""
        value, head = max(known)
        return _(
            "without head {head} the {loss} grows by {value}, the most of all heads",
            head=head,
            loss=effects["words"],
            value=number(f"{value:.3g}"),
        )
