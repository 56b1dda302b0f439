"""The view of attention."""

from __future__ import annotations

from typing import Any, ClassVar

from nnlens.kernels.text import Attention
from nnlens.session.session import Session
from nnlens.widgets.base.options import AttentionOptions
from nnlens.widgets.base.text import TextPart
from nnlens.widgets.base.text_view import TextView

from .effects import EffectsPart, EffectsTraits
from .heads import HeadsPart, HeadsTraits


class AttentionWidget(TextView, HeadsTraits, EffectsTraits):
    """Which tokens (or patches) each head reads from. `.result` is the layer's `Attention`."""

    module: ClassVar = "attention"
    part_types: ClassVar = (TextPart, HeadsPart, EffectsPart)
    panes: ClassVar = ("heads", "tokens", "links", "matrix", "patterns", "code")
    controls: ClassVar[tuple[str, ...]] = ("edit", "layer", "combine", "direction", "effects", "undo", "state", "code")
    option_type: ClassVar = AttentionOptions
    text_only: ClassVar = False

    def __init__(self, session: Session, value: Any = None, **options: Any):
        self._asked = options.get("layer")
        super().__init__(session, value, **{name: item for name, item in options.items() if name != "layer"})

    def prepared_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options with the layer that was asked for, which is not that of the selection."""
        return {**options, "layer": self._asked}

    @property
    def result(self) -> Attention:
        """The weights of the chosen layer: `.weights` (heads, queries, keys)."""
        self.update(full=True)
        return self.part(HeadsPart).result()
