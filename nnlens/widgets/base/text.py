"""The text that the model reads, its tokens, and what is predicted at each."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import traitlets as t

from nnlens.inputs.text import Codec, Encoded
from nnlens.kernels.text import Predictions, predictions, predicts_tokens, reads_forward, token_logits
from nnlens.render.text import payloads, predictions_payload, text_payload
from nnlens.utils.language import _

from .part import Part
from .traits import payload, synced

_SHOWN = 3  # predictions below each token


class TextTraits(t.HasTraits):
    """The traits of `TextPart`."""

    text = payload(payloads.TextPayload, "the text and its tokens")
    typed = payload(payloads.Typed, "a request to read another text", echo=False)
    show_predictions = synced(t.Bool(False, help="whether predictions are shown below the tokens"), state=True)
    predictions = payload(payloads.TokenPredictions, "what the model predicts at each token")
    predictions_problem = synced(t.Unicode("", help="why there are no predictions"))


class TokenTraits(t.HasTraits):
    """The trait of views in which a token is looked at."""

    token = synced(t.Int(None, allow_none=True, help="the token that is looked at"), int | None, state=True)


class TextPart(Part):
    """Another text can be typed at any time; it is read as soon as the one before has been."""

    traits: TextTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        if options.get("predictions") is not None:
            self.traits.show_predictions = bool(options["predictions"])

    def start(self) -> None:
        self.observe("typed", self._read)
        self.observe("show_predictions", lambda change: self.view.follow())

    @property
    def encoded(self) -> Encoded:
        """The text as the model reads it."""
        found = self.sample.input.text
        assert found is not None  # the view is of a text
        return found

    @property
    def codec(self) -> Codec:
        """The lens's tokenizer."""
        codec = self.session.setup.codec
        assert codec is not None  # it made the text
        return codec

    def result(self) -> Predictions:
        """What the model predicts at each token; ValueError for a model that gives no scores for each token."""

        def make() -> Predictions:
            sample, model = self.sample, self.session.model
            pick = self.session.setup.pick
            logits = token_logits(sample.recording, self.encoded, pick)
            forward: bool | None = None
            labels = self.session.setup.labels
            classes = labels is not None and len(labels) == logits.shape[1]
            if not classes and predicts_tokens(model, sample.recording, logits.shape[1]):
                forward = self.reads_forward()
            elif not classes:
                raise ValueError(
                    _("the model has no language head: its output has {width} numbers per token", width=logits.shape[1])
                )
            return predictions(logits, self.encoded, k=_SHOWN, next_token=forward)

        made: Predictions = self.sample.cache.once("predictions", make=make)
        return made

    def reads_forward(self) -> bool:
        """Whether the model predicts the next token; see `kernels.text.reads_forward`."""

        def make() -> bool:
            value = self.sample.input
            return reads_forward(self.session.model, value.x, self.session.setup.pick, **value.call[1])

        found: bool = self.sample.cache.once("reads forward", make=make)
        return found

    def new_image(self) -> dict[str, Any]:
        return {"predictions": None, "predictions_problem": ""}

    def updates(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if self.sample.input.text is None:
            return {"text": None, "predictions": None} if self.view.is_outdated("text", self.sample) else made
        if self.view.is_outdated("text", self.sample):
            made["text"] = text_payload(self.encoded, self.codec, self.sample.input.notes)
        if self.traits.show_predictions and self.view.is_outdated("predictions", self.sample):
            made |= self._predictions()
        return made

    def complete(self) -> None:
        if (
            self.sample.input.text is not None
            and self.traits.predictions is None
            and not self.traits.predictions_problem
        ):
            for name, value in self._predictions().items():
                setattr(self.view, name, value)

    def describe(self) -> str:
        words = self.sample.input.shown_as
        if self.sample.input.text is None:
            return ""
        try:
            return f"{words}; {self.result().describe()}." if self.traits.show_predictions else f"{words}."
        except ValueError:
            return f"{words}."

    def page_state(self, state: dict[str, Any]) -> dict[str, Any]:
        return {"typed": None}

    def smaller(self, name: str, value: Any) -> Any:
        return {} if name == "predictions" and value and not self.traits.show_predictions else None

    def contents(self, name: str) -> str:
        return _("the predictions")

    def _predictions(self) -> dict[str, Any]:
        try:
            made = predictions_payload(self.result(), self.name)
        except (TypeError, ValueError, RuntimeError) as error:
            return {"predictions": None, "predictions_problem": str(error)}
        return {"predictions": made, "predictions_problem": ""}

    def name(self, token: int) -> str:
        """What a token, or a class, that the model predicts is called."""
        labels = self.session.setup.labels
        if labels is not None and token in (labels if isinstance(labels, dict) else range(len(labels))):
            return labels[token]
        try:
            return self.codec.piece(token)
        except Exception:
            return str(token)  # a place of the output that stands for no token

    def _read(self, change: Any) -> None:
        asked = change["new"]
        if not asked:
            return

        def steps() -> Generator[None, None, None]:
            try:
                value = self.session.setup.text_input(str(asked["text"]))
                self.selection.show(self.session.samples.of(value, scores=False))
                self.view.error = None
            finally:
                self.traits.typed = None
            yield

        self.view.submit("hand", lambda: self.view.reported(_("reading the text"), steps()))
