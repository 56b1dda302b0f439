"""Writing files completely or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def replacing(path: str | Path) -> Iterator[IO[bytes]]:
    """A file opened for bytes that replaces `path` when the block ends without an error.

    Until then it has another name in the same folder. After a full disk, an error in the block or the end of the
    process the old file is unchanged; the unfinished file is removed, except at the end of the process.
    """
    value, path = path, Path(os.path.realpath(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path must be in a folder that exists, got {str(value)!r}")
    handle, part = tempfile.mkstemp(prefix=f".{path.name[:40]}-", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, part)
        else:
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(part, 0o666 & ~mask)
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise


def remove_parts(folder: Path, older: float = 3600) -> None:
    """Remove the unfinished files of processes that ended early: those not changed for `older` seconds."""
    for part in (*folder.glob(".*.part"), *folder.glob("*.part")):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > older:
                part.unlink()
