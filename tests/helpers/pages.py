"""Reading saved pages."""

from __future__ import annotations

import base64
import json
import re
import zlib


def unpack(page: str) -> dict:
    """The content of a still output, read with Python's own tools."""
    raw = zlib.decompress(base64.b64decode(re.search(r'<script type="text/plain">(.*?)</script>', page)[1]))
    start = 4 + int.from_bytes(raw[:4], "little")

    def whole(value):
        if "$bytes" in value:
            at, length = value["$bytes"]
            return raw[start + at : start + at + length]
        return value

    return json.loads(raw[4:start], object_hook=whole)
