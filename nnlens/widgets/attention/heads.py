"""The weights of the chosen layer with all its heads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import traitlets as t
from torch import nn

from nnlens.export.bundle import Response, within_budget
from nnlens.kernels import token_grids
from nnlens.kernels.text import Attention, attention, attention_layers, rollout
from nnlens.recording import Recording
from nnlens.render import Panel
from nnlens.render.text import payloads
from nnlens.render.text.attention import (
    MOST_WEIGHTS,
    attention_payload,
    encoded_weights,
    heads_picture,
    layer_choices,
)
from nnlens.utils.language import _
from nnlens.utils.suggestions import nearest
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.text import TokenTraits
from nnlens.widgets.base.traits import payload, synced

_PAGE = 500_000  # weights of a layer in a page
_MOST_ROLLOUT = 700  # tokens


class HeadsTraits(TokenTraits):
    """The traits of `HeadsPart`."""

    attention_layers = synced(t.List(help="the layers with attention"), list[payloads.AttentionLayer])
    attention_layer = synced(t.Unicode("", help="the layer that is shown"), state=True, always=True)
    head = synced(t.Int(0, help="the head that is shown"), state=True, always=True)
    combine = synced(
        t.Enum(("head", "mean", "rollout"), "head", help="one head, the mean of the heads, or rollout over the layers"),
        state=True,
    )
    direction = synced(
        t.Enum(("reads", "is read by"), "reads", help="what a token reads, or what reads it"), state=True
    )
    attention = payload(payloads.AttentionWeights, "the weights of all heads of the layer")
    rollout = payload(payloads.Rollout, "attention through the layers up to this one")


class HeadsPart(Part):
    """Pick a layer and a head, see where each token reads from."""

    traits: HeadsTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        names = self.names
        if not names:
            raise ValueError(
                "the model must have attention, found none in its pass: its operations are in nnlens.record"
            )
        asked = options.get("layer")
        self.traits.attention_layer = names[0] if asked is None else self._named(asked)
        head = options.get("head")
        if head is not None:
            self._check_head(head)
            self.traits.head = head

    @property
    def recording(self) -> Recording:
        """The pass."""
        return self.sample.recording

    @property
    def names(self) -> tuple[str, ...]:
        """The layers with attention."""
        found: tuple[str, ...] = self.sample.cache.once("attention", make=lambda: attention_layers(self.recording))
        return found

    def _named(self, asked: Any) -> str:
        """A layer by its operation's name, by that of its module, by the module itself, or by its number."""
        if isinstance(asked, int) and not isinstance(asked, bool) and -len(self.names) <= asked < len(self.names):
            return self.names[asked]
        if isinstance(asked, nn.Module):
            asked = next((path for path, module in self.session.model.named_modules() if module is asked), asked)
        for name in self.names:
            if asked in (name, self.recording.operation(name).module):
                return name
        hint = nearest(str(asked), self.names)
        raise ValueError(
            f"layer must be one of {', '.join(self.names[:6])} or 0…{len(self.names) - 1}, got {asked!r}{hint}"
        )

    def _check_head(self, head: Any) -> None:
        heads = self.recording.operation(self.traits.attention_layer).shape[-3]
        if isinstance(head, bool) or not isinstance(head, int) or not 0 <= head < heads:
            raise ValueError(f"head must be 0…{heads - 1} in {self.traits.attention_layer!r}, got {head!r}")

    def start(self) -> None:
        self.observe(["attention_layer", "combine"], lambda change: self.view.follow())

    def result(self) -> Attention:
        """The weights of the chosen layer."""
        return attention(self.recording, self.traits.attention_layer)

    def new_image(self) -> dict[str, Any]:
        return {"rollout": None}

    def updates(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if self.view.is_outdated("attention_layers", self.sample):
            made["attention_layers"] = layer_choices(self.recording)
        name = self.traits.attention_layer
        if name not in self.names:
            name = made["attention_layer"] = self.names[0]
        heads = self.recording.operation(name).shape[-3]
        if self.traits.head >= heads:
            made["head"] = 0
        if self.traits.token is not None and self.traits.token >= max(self.recording.operation(name).shape[-2:]):
            made["token"] = None
        if self.view.is_outdated("attention", (self.sample, name)):
            made["attention"] = self._payload(name)
        if self.traits.combine == "rollout" and self.view.is_outdated("rollout", (self.sample, name)):
            made["rollout"] = self._rollout(name)
        return made

    def _payload(self, name: str, **limits: Any) -> payloads.AttentionWeights:
        queries, keys = self.recording.operation(name).shape[-2:]
        grid = token_grids(self.recording).get(keys) if self.sample.input.text is None else None
        names = self._axis_names(queries, grid), self._axis_names(keys, grid)
        return attention_payload(self.recording, name, query_names=names[0], key_names=names[1], grid=grid, **limits)

    def _axis_names(self, count: int, grid: tuple[int, int] | None) -> list[str] | None:
        """The names of the tokens along one axis of the weights; None for the tokens of the text."""
        encoded, codec = self.sample.input.text, self.session.setup.codec
        if encoded is not None and count == len(encoded):
            return None
        written = self.sample.input.call[1].get("decoder_input_ids")
        if codec is not None and written is not None and written.shape[1] == count:
            return [codec.piece(int(token)) for token in written[0]]
        if grid is not None:
            extra = count - grid[0] * grid[1]
            patches = [
                _("patch {row}, {column}", row=at // grid[1], column=at % grid[1]) for at in range(grid[0] * grid[1])
            ]
            first = [_("class token")] if extra == 1 else [_("extra token {number}", number=at) for at in range(extra)]
            return [*first, *patches]
        return [str(place) for place in range(count)]

    def _rollout(self, name: str) -> payloads.Rollout | None:
        """Of all layers up to `name` that attend to the same tokens."""
        tokens = self.recording.operation(name).shape[-1]
        if tokens > _MOST_ROLLOUT:
            if self.traits.combine == "rollout":
                self.view.note = _("rollout is computed for at most {most} tokens", most=_MOST_ROLLOUT)
            return None
        before = self.names[: self.names.index(name) + 1]
        layers = [
            attention(self.recording, other)
            for other in before
            if self.recording.operation(other).shape[-2:] == (tokens, tokens)
        ]
        try:
            return {"layer": name, "tokens": tokens, "data": encoded_weights(rollout(layers))}
        except ValueError:
            return None

    def describe(self) -> str:
        if self._is_long:
            return _("attention of {layer}", layer=self.traits.attention_layer)
        words = self.result().describe(min(self.traits.head, len(self.result()) - 1))
        return _("attention of {layer}, {head}", layer=self.traits.attention_layer, head=words)

    @property
    def _is_long(self) -> bool:
        *_rest, heads, queries, keys = self.recording.operation(self.traits.attention_layer).shape
        return heads * queries * keys > MOST_WEIGHTS

    def panels(self) -> list[Panel]:
        if self._is_long:
            return []
        title = _("heads of {layer}", layer=self.traits.attention_layer)
        return [Panel(title=title, image=heads_picture(self.result()))]

    def complete(self) -> None:
        if self.traits.rollout is None or self.traits.rollout["layer"] != self.traits.attention_layer:
            self.traits.rollout = self._rollout(self.traits.attention_layer)

    def bake(self, budget: int, *, whole: bool) -> list[Response]:
        names = self.names if whole else [self.traits.attention_layer]
        names = list(dict.fromkeys([self.traits.attention_layer, *names]))
        return [Response(("attention_layer",), within_budget(self._layers(names), budget))]

    def _layers(self, names: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        for name in names:
            yield (
                name,
                {
                    "attention": self._payload(name, most=_PAGE),
                    "rollout": self._rollout(name),
                    "effects": None,
                },
            )

    def smaller(self, name: str, value: Any) -> Any:
        if name != "attention" or value is None or value["k"] <= 4:
            return None
        return self._payload(value["layer"], most=0, kept=min(16, value["k"] // 2))

    def contents(self, name: str) -> str:
        return _("the largest weights of each row of attention")
