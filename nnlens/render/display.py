"""The HTML representation of results in a notebook: a picture and a description."""

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
from nnlens.kernels.attribution.evidence.evidence import check_words, verdict_words
from nnlens.kernels.names import method_words
from nnlens.recording import Recording
from nnlens.scores.meaning import score_words
from nnlens.utils.language import _, number

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
    return _image(draw([Panel(title=title, image=color_map(values, *limits), legend=limits)]), title)


def _table(head: list[str], rows: list[list[Any]]) -> str:
    cells = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(item))}</td>" for item in row) + "</tr>" for row in rows)
    return f"<table><tr>{cells}</tr>{body}</table>"


def _occlusion(occlusion: Occlusion) -> str:
    change = np.where(occlusion.computed, occlusion.change(), np.nan)
    largest = max(float(np.max(np.abs(change), where=np.isfinite(change), initial=0)), occlusion.floor()) or 1.0
    title = _(
        "change of the {noun} where {height} × {width} pixels are hidden",
        noun=score_words(occlusion.meaning.noun),
        height=occlusion.size[0],
        width=occlusion.size[1],
    )
    legend = (-largest, largest)
    picture = _image(draw([Panel(title=title, image=color_map(change, *legend), legend=legend)]), title)
    return _with_words(picture, occlusion.describe())


def _attribution(attribution: Attribution) -> str:
    values = attribution.signed() if attribution.contribution else attribution.magnitude()
    title = method_words(attribution.method.replace("_", " "))
    return _with_words(_map(values, title, signed=attribution.contribution), attribution.describe())


def _activations(activations: Activations) -> str:
    title = _("{layer} · {count} units", layer=activations.layer, count=len(activations))
    return _with_words(_image(draw([Panel(title=title, image=mosaic_image(activations))]), title), repr(activations))


def _back_projection(back_projection: BackProjection) -> str:
    if back_projection.values.ndim == 3 and back_projection.values.shape[0] in (1, 3):
        picture = _image(
            draw([Panel(title=back_projection.objective, image=colours_of(back_projection.values))]),
            back_projection.describe(),
        )
    else:
        picture = _map(back_projection.signed(), back_projection.objective, signed=True)
    return _with_words(picture, back_projection.describe())


def _synthesis(synthesis: Synthesis) -> str:
    panels = [Panel(title=f"{synthesis.objective}: {number(f'{value:.3g}')}", image=picture_of(pixels))
              for pixels, value in zip(synthesis.pixels[:4], synthesis.values[:4], strict=True)]  # fmt: skip
    return _with_words(_image(draw(panels), synthesis.objective), repr(synthesis))


def _ablation(ablation: Ablation) -> str:
    change = ablation.change()
    order = np.argsort(-np.abs(change), kind="stable")[:_ROWS]
    rows = [[int(item), number(f"{change[item]:+.3g}")] for item in order]
    mean = _("mean change of its {noun}", noun=score_words(ablation.meaning.noun))
    return _with_words(_table([_("class"), mean], rows), ablation.describe())


def _connections(connections: Connections) -> str:
    rows = [[part.layer, part.unit, number(f"{part.value:+.4g}")] for part in connections.inputs[:_ROWS]]
    return _with_words(_table([_("layer"), _("unit"), _("part of the value")], rows), connections.describe())


def _examples(dataset_examples: DatasetExamples) -> str:
    rows = [[name, layer.units, layer.seen] for name, layer in dataset_examples.layers.items()]
    return _with_words(_table([_("layer"), _("units"), _("inputs")], rows), repr(dataset_examples))


def _layer_examples(layer_examples: LayerExamples) -> str:
    rows = [
        [unit, *(number(f"{example.item} ({example.value:.3g})") for example in layer_examples.examples(unit, count=5))]
        for unit in range(min(layer_examples.units, _ROWS))
    ]
    count = max((len(row) for row in rows), default=1) - 1
    inputs = [_("input {number}", number=index + 1) for index in range(count)]
    return _with_words(_table([_("unit"), *inputs], rows), repr(layer_examples))


def _evidence(evidence: Evidence) -> str:
    rows = [
        [check_words(finding.check), verdict_words(finding.verdict), finding.words] for finding in evidence.findings()
    ]
    return _table([_("check"), _("verdict"), _("finding")], rows)


def _curves(faithfulness: Faithfulness) -> str:
    shares, own = faithfulness.own.shares, faithfulness.own
    rows = []
    for at in range(0, len(shares), max(1, len(shares) // 8)):
        share = f"{shares[at]:.0%}".rstrip("%")
        curves = [number(f"{curve[at]:.3g}") for curve in (own.deletion, own.insertion)]
        rows.append([_("{share}%", share=share), *curves])
    return _with_words(_table([_("share of the image"), _("deletion"), _("insertion")], rows), faithfulness.describe())


def _randomisation(randomisation: Randomisation) -> str:
    rows = [
        [layer, number(f"{item.absolute:.2f}"), number(f"{item.signed:.2f}")]
        for layer, item in zip(randomisation.layers, randomisation.cascading, strict=False)
    ]
    head = [_("randomised down to"), _("rank correlation"), _("with signs")]
    return _with_words(_table(head, rows), repr(randomisation))


def _surrogate(surrogate: Surrogate) -> str:
    rows = [[part, number(f"{value:+.3g}"), number(f"± {error:.2g}")] for part, value, error in _strongest(surrogate)]
    return _with_words(_table([_("part"), _("coefficient"), ""], rows), repr(surrogate))


def _strongest(surrogate: Surrogate) -> list[tuple[int, float, float]]:
    order = np.argsort(-np.abs(surrogate.coefficients), kind="stable")[:_ROWS]
    return [(int(item), float(surrogate.coefficients[item]), float(surrogate.errors[item])) for item in order]


def _text(text_attribution: TextAttribution) -> str:
    largest = float(np.abs(text_attribution.surrogate.coefficients).max(initial=0)) or 1.0
    parts, end = [], 0
    for (start, stop), value in zip(text_attribution.spans, text_attribution.surrogate.coefficients, strict=True):
        colour = "26,102,178" if value >= 0 else "200,80,20"
        word = html.escape(text_attribution.text[start:stop])
        style = f"background:rgba({colour},{abs(value) / largest * 0.6:.2f})"
        mark = f'<span title="{number(f"{value:+.3g}")}" style="{style}">{word}</span>'
        parts += [html.escape(text_attribution.text[end:start]), mark]
        end = stop
    return f"<div>{''.join([*parts, html.escape(text_attribution.text[end:])])}</div>"


def _recording(recording: Recording) -> str:
    rows = [
        [operation.name, operation.label, operation.kind, " × ".join(map(str, operation.shape))]
        for operation in recording.operations[:_ROWS]
    ]
    more = _("; the first {count} are shown", count=_ROWS) if len(recording) > _ROWS else ""
    head = [_("operation"), _("what ran"), _("kind"), _("output")]
    return _with_words(_table(head, rows), f"{recording!r}{more}")


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
    Summary: lambda item: SummaryTable(item)._repr_html_(),
    Surrogate: _surrogate,
    Synthesis: _synthesis,
    TextAttribution: _text,
}


def html_of(result: Any) -> str:
    """A result as a picture and its words."""
    return _HTML[type(result)](result)


def show_in_notebooks() -> None:
    """Add `_repr_html_`, which notebooks use, to the results: kernels themselves do not depend on pictures."""
    for kind, made in _HTML.items():
        kind._repr_html_ = made  # type: ignore[attr-defined]
