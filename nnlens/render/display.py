"""How results show themselves in a notebook: a picture and their words."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from nnlens.kernels import (
    Ablation,
    Activations,
    Attribution,
    BackProjection,
    Connections,
    DatasetExamples,
    Evidence,
    Faithfulness,
    LayerExamples,
    Occlusion,
    Randomisation,
    Summary,
    Surrogate,
    Synthesis,
    TextAttribution,
)
from nnlens.recording import Recording

from .picture import Panel, color_map, draw, mosaic_image
from .table import SummaryTable
from .units import colours_of, picture_of

_ROWS = 12  # of a table


def _image(picture: Image.Image, words: str) -> str:
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img src="data:image/png;base64,{data}" alt="{html.escape(words, quote=True)}" style="max-width:100%">'


def _with_words(picture: str, words: str) -> str:
    return f"<div>{picture}<div>{html.escape(words)}</div></div>"


def _map(values: np.ndarray, title: str, *, signed: bool) -> str:
    """A map (h, w), or a line (w,), with its legend."""
    values = np.asarray(values, np.float32)
    values = values[None] if values.ndim == 1 else values.reshape(-1, values.shape[-1]) if values.ndim > 2 else values
    largest = float(np.max(np.abs(values), where=np.isfinite(values), initial=0)) or 1.0
    limits = (-largest, largest) if signed else (0.0, largest)
    return _image(draw([Panel(title, color_map(values, *limits), legend=limits)]), title)


def _table(head: list[str], rows: list[list[Any]]) -> str:
    cells = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(one))}</td>" for one in row) + "</tr>" for row in rows)
    return f"<table><tr>{cells}</tr>{body}</table>"


def _occlusion(found: Occlusion) -> str:
    change = np.where(found.computed, found.change(), np.nan)
    largest = max(float(np.max(np.abs(change), where=np.isfinite(change), initial=0)), found.floor()) or 1.0
    title = f"change of the {found.meaning.noun} where {found.size[0]} × {found.size[1]} pixels are hidden"
    legend = (-largest, largest)
    picture = _image(draw([Panel(title, color_map(change, *legend), legend=legend)]), title)
    return _with_words(picture, found.describe())


def _attribution(found: Attribution) -> str:
    values = found.signed() if found.contribution else found.magnitude()
    return _with_words(_map(values, found.method.replace("_", " "), signed=found.contribution), found.describe())


def _activations(found: Activations) -> str:
    title = f"{found.layer} · {len(found)} units"
    return _with_words(_image(draw([Panel(title, mosaic_image(found))]), title), repr(found))


def _back_projection(found: BackProjection) -> str:
    if found.values.ndim == 3 and found.values.shape[0] in (1, 3):
        picture = _image(draw([Panel(found.objective, colours_of(found.values))]), found.describe())
    else:
        picture = _map(found.signed(), found.objective, signed=True)
    return _with_words(picture, found.describe())


def _synthesis(found: Synthesis) -> str:
    panels = [Panel(f"{found.objective}: {value:.3g}", picture_of(pixels))
              for pixels, value in zip(found.pixels[:4], found.values[:4], strict=True)]  # fmt: skip
    return _with_words(_image(draw(panels), found.objective), repr(found))


def _ablation(found: Ablation) -> str:
    change = found.change()
    order = np.argsort(-np.abs(change), kind="stable")[:_ROWS]
    rows = [[int(one), f"{change[one]:+.3g}"] for one in order]
    return _with_words(_table(["class", f"mean change of its {found.meaning.noun}"], rows), found.describe())


def _connections(found: Connections) -> str:
    rows = [[part.layer, part.unit, f"{part.value:+.4g}"] for part in found.feeds[:_ROWS]]
    return _with_words(_table(["layer", "unit", "part of the value"], rows), found.describe())


def _examples(found: DatasetExamples) -> str:
    rows = [[name, layer.units, layer.seen] for name, layer in found.layers.items()]
    return _with_words(_table(["layer", "units", "inputs"], rows), repr(found))


def _layer_examples(found: LayerExamples) -> str:
    rows = [
        [unit, *(f"{one.item} ({one.value:.3g})" for one in found.examples(unit, count=5))]
        for unit in range(min(found.units, _ROWS))
    ]
    count = max((len(row) for row in rows), default=1) - 1
    return _with_words(_table(["unit", *[f"input {place + 1}" for place in range(count)]], rows), repr(found))


def _evidence(found: Evidence) -> str:
    rows = [[one.check, one.verdict, one.words] for one in found.findings()]
    return _table(["check", "verdict", "finding"], rows)


def _curves(found: Faithfulness) -> str:
    shares, own = found.own.shares, found.own
    rows = [
        [f"{shares[at]:.0%}", f"{own.deletion[at]:.3g}", f"{own.insertion[at]:.3g}"]
        for at in range(0, len(shares), max(1, len(shares) // 8))
    ]
    return _with_words(_table(["share of the image", "deletion", "insertion"], rows), found.describe())


def _randomisation(found: Randomisation) -> str:
    rows = [
        [layer, f"{one.absolute:.2f}", f"{one.signed:.2f}"]
        for layer, one in zip(found.layers, found.cascading, strict=False)
    ]
    return _with_words(_table(["randomised down to", "rank correlation", "with signs"], rows), repr(found))


def _surrogate(found: Surrogate) -> str:
    rows = [[part, f"{value:+.3g}", f"± {error:.2g}"] for part, value, error in _strongest(found)]
    return _with_words(_table(["part", "coefficient", ""], rows), repr(found))


def _strongest(found: Surrogate) -> list[tuple[int, float, float]]:
    order = np.argsort(-np.abs(found.coefficients), kind="stable")[:_ROWS]
    return [(int(one), float(found.coefficients[one]), float(found.errors[one])) for one in order]


def _text(found: TextAttribution) -> str:
    largest = float(np.abs(found.surrogate.coefficients).max(initial=0)) or 1.0
    parts, end = [], 0
    for (start, stop), value in zip(found.spans, found.surrogate.coefficients, strict=True):
        colour = "26,102,178" if value >= 0 else "200,80,20"
        word = html.escape(found.text[start:stop])
        style = f"background:rgba({colour},{abs(value) / largest * 0.6:.2f})"
        mark = f'<span title="{value:+.3g}" style="{style}">{word}</span>'
        parts += [html.escape(found.text[end:start]), mark]
        end = stop
    return f"<div>{''.join([*parts, html.escape(found.text[end:])])}</div>"


def _recording(found: Recording) -> str:
    rows = [[one.name, one.label, one.kind, " × ".join(map(str, one.shape))] for one in found.operations[:_ROWS]]
    more = f"; the first {_ROWS} are shown" if len(found) > _ROWS else ""
    return _with_words(_table(["operation", "what ran", "kind", "output"], rows), f"{found!r}{more}")


_HTML: dict[type, Callable[[Any], str]] = {
    Ablation: _ablation,
    Activations: _activations,
    Attribution: _attribution,
    BackProjection: _back_projection,
    Connections: _connections,
    DatasetExamples: _examples,
    Evidence: _evidence,
    Faithfulness: _curves,
    LayerExamples: _layer_examples,
    Occlusion: _occlusion,
    Randomisation: _randomisation,
    Recording: _recording,
    Summary: lambda found: SummaryTable(found)._repr_html_(),
    Surrogate: _surrogate,
    Synthesis: _synthesis,
    TextAttribution: _text,
}


def html_of(result: Any) -> str:
    """A result as a picture and its words."""
    return _HTML[type(result)](result)


def show_in_notebooks() -> None:
    """Give the results their `_repr_html_`, which notebooks ask for: kernels themselves know nothing of pictures."""
    for kind, made in _HTML.items():
        kind._repr_html_ = made  # type: ignore[attr-defined]
