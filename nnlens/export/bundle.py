"""The outputs of a widget: live view, self-contained HTML, picture, words.

A saved output must stand on its own: the HTML begins with the picture, which a page without scripts keeps, and
contains the state, the built module and a small host that replaces the picture.
"""

from __future__ import annotations

import base64
import html
import json
import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from typing import Any, Protocol

from PIL import Image

from nnlens.utils.language import language

MARK = "nnlens-still"
BUDGET = 2_000_000  # bytes of one output in a saved notebook
_STATE_SHARE = 0.7  # at most this share of the budget is for what a page shows first, the rest for its responses


@dataclass(frozen=True)
class Response:
    """How a page without a kernel responds when the traits `on` take certain values.

    `table` maps the values, joined by "|", to the traits that change with them.
    """

    on: tuple[str, ...]
    table: dict[str, dict[str, Any]]


class Exported(Protocol):
    """What this module needs from a view."""

    _esm: Any
    _css: Any

    def page_state(self, room: int) -> dict[str, Any]:
        """The traits that a page starts from, reduced to about `room` bytes."""

    def bake(self, budget: int, *, whole: bool) -> list[Response]:
        """The responses of a page without a kernel, within `budget` bytes."""

    def complete(self) -> None:
        """Compute now what a saved page needs."""

    def picture(self) -> Image.Image:
        """The view as a picture."""

    def describe(self) -> str:
        """A text alternative of the picture."""

    def title(self) -> str:
        """The title of the page."""


def pack(content: Any) -> bytes:
    """`content` (JSON with bytes anywhere in it), deflated: header length, JSON header, all bytes in a row."""
    blobs: list[bytes] = []

    def plain(value: Any) -> Any:
        if isinstance(value, (bytes, bytearray, memoryview)):
            start = sum(map(len, blobs))
            blobs.append(bytes(value))
            return {"$bytes": [start, len(blobs[-1])]}
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        # JSON has no NaN and no infinity.
        return None if isinstance(value, float) and not math.isfinite(value) else value

    header = json.dumps(plain(content), separators=(",", ":"), allow_nan=False).encode()
    return zlib.compress(len(header).to_bytes(4, "little") + header + b"".join(blobs), 6)


def unpack(packed: bytes) -> Any:
    """The content that was packed by `pack`."""
    data = zlib.decompress(packed)
    start = 4 + int.from_bytes(data[:4], "little")

    def whole(value: dict[str, Any]) -> Any:
        position = value.get("$bytes")
        return data[start + position[0] : start + position[0] + position[1]] if isinstance(position, list) else value

    return json.loads(data[4:start], object_hook=whole)


def packed_size(content: Any) -> int:
    """About how many characters `content` takes in a saved page."""
    return len(pack(content)) * 4 // 3


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _script(text: str) -> str:
    return text.replace("</script", "<\\/script")


def still_html(view: Exported, png: bytes, budget: int, whole: bool, *, alone: bool = False) -> str:
    """The self-contained HTML of `view`; `whole` as for `View.bake`.

    Where it is `alone` on its page, the page's address takes the state of the view, so that it can be passed on.
    """
    frame = len(png) * 4 // 3 + packed_size([view._esm, view._css]) + 20_000
    room = max(0, int(_STATE_SHARE * (budget - frame)))
    state = view.page_state(room)
    responses = view.bake(max(0, budget - frame - packed_size(state)), whole=whole)
    content = {
        "state": view.page_state(room),
        "responses": [{"on": list(response.on), "table": response.table} for response in responses],
        "esm": str(view._esm),
        "css": str(view._css),
    }
    words = html.escape(view.describe(), quote=True)
    host = files("nnlens").joinpath("static", "host.js").read_text("utf-8")
    mark = f'class="{MARK}"' + (" data-alone" if alone else "")
    return (
        f'<div {mark}><img src="data:image/png;base64,{_text(png)}" alt="{words}" style="max-width:100%">'
        f'<script type="text/plain">{_text(pack(content))}</script>'
        f"<script>{_script(host)}</script></div>"
    )


def mime_bundle(
    view: Exported, live: tuple[dict[str, Any], dict[str, Any]] | None, *, budget: int, whole: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The MIME bundle of `view`: its live entries where there are any, and what a saved notebook keeps."""
    if whole:
        view.complete()
    png = _png(view)
    data: dict[str, Any] = {"text/plain": view.describe()}
    metadata: dict[str, Any] = {}
    if live:
        data.update({kind: value for kind, value in live[0].items() if kind != "text/plain"})
        metadata.update(live[1])
    data["text/html"] = still_html(view, png, budget - len(png) * 4 // 3, whole)
    data["image/png"] = _text(png)
    return data, metadata


def page(view: Exported, *, budget: int, title: str, heading: str = "", text: str = "") -> str:
    """A whole HTML page with `view` in it, under a heading and a text by the author."""
    # Without a heading by the author the title is one that only screen readers read: a page must have a first heading.
    hidden = "" if heading else ' style="position:absolute;clip-path:inset(50%);height:1px;overflow:hidden"'
    words = f"<h1{hidden}>{html.escape(heading or title)}</h1>"
    words += "".join(f"<p>{html.escape(part.strip())}</p>" for part in text.split("\n\n") if part.strip())
    style = (
        ":root{color-scheme:light dark}body{margin:16px;font:15px/1.5 system-ui,sans-serif}"
        "h1{font-size:1.4em;margin:0 0 8px}p{margin:0 0 12px;max-width:70ch}"
    )
    return (
        f'<!doctype html><html lang="{language()}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{style}</style></head>"
        f"<body><main>{words}{still_html(view, _png(view), budget, whole=True, alone=True)}</main></body></html>"
    )


def _png(view: Exported) -> bytes:
    buffer = BytesIO()
    # A dithered palette keeps the picture small, with no visible loss for photographs of this size.
    picture = view.picture()
    picture.quantize(palette=picture.quantize(256), dither=Image.Dither.FLOYDSTEINBERG).save(
        buffer, "PNG", optimize=True
    )
    return buffer.getvalue()


def within_budget(candidates: Iterable[tuple[str, dict[str, Any]]], budget: int) -> dict[str, dict[str, Any]]:
    """The candidates, in their order, that fit into `budget` characters of a saved page."""
    stored: dict[str, dict[str, Any]] = {}
    for name, content in candidates:
        cost = packed_size(content)
        if cost <= budget:
            stored[name] = content
            budget -= cost
        elif budget < 20_000:
            break
    return stored
