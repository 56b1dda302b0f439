"""The nearest neighbours of the input in a data set, with their pictures."""

from __future__ import annotations

from typing import Any

import traitlets as t
from typing_extensions import TypedDict

from nnlens.render import encoded
from nnlens.scores.neighbours import NeighbourSimilarity
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import payload

_SIDE = 96  # pixels of a picture


class Neighbour(TypedDict):
    """An item of the data set; its name is that of the class in its place."""

    similarity: float
    picture: bytes  # a picture file; empty where the item cannot be read any more


class NeighboursPayload(TypedDict):
    """The nearest first."""

    items: list[Neighbour]
    total: int  # items of the data set


class NeighboursTraits(t.HasTraits):
    """The traits of `NeighboursPart`."""

    neighbours = payload(NeighboursPayload, "the items of a data set whose embeddings are nearest to the input's")


class NeighboursPart(Part):
    """The neighbours take the place of classes: a click makes one the target."""

    traits: NeighboursTraits

    def updates(self) -> dict[str, Any]:
        sample = self.sample
        if not self.view.is_outdated("neighbours", sample):
            return {}
        reader = None if sample.meaning is None else sample.meaning.output
        if not isinstance(reader, NeighbourSimilarity):
            return {"neighbours": None}
        items: list[Neighbour] = [
            {"similarity": float(value), "picture": _picture(reader, row)}
            for row, value in zip(reader.rows, sample.logits, strict=True)
        ]
        made: NeighboursPayload = {"items": items, "total": len(reader.embeddings.items)}
        return {"neighbours": made}


def _picture(reader: NeighbourSimilarity, row: int) -> bytes:
    try:
        picture = reader.embeddings.picture(row).copy()
    except Exception:  # the file may be gone: the similarity is known all the same
        return b""
    picture.thumbnail((_SIDE, _SIDE))
    return encoded(picture)
