"""The results of shards on disk, a file for each: what is there is not computed again."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nnlens.utils.files import remove_parts, replacing
from nnlens.utils.language import _

from .shard import Shard
from .task import Result

FORMAT = 1  # of the files: those of another one count as missing


class ShardStore:
    """A folder with the results of the shards of one task, or none: a disk error must not lose those in memory.

    Two processes may write to the same folder: they write the same files, each at once.

    Parameters
    ----------
    folder : folder, optional
    key : str
        Identifies the task: the model, what is computed, with which settings.
    mark : callable
        From a shard to text that identifies its inputs.

    Attributes
    ----------
    problem : str
        Why nothing is stored, if storing failed.
    """

    def __init__(self, folder: str | Path | None, key: str, mark: Callable[[Shard], str]):
        self.problem = ""
        self._folder: Path | None = None
        self._mark, self._paths = mark, dict[Shard, Path]()
        self._writes = True
        if folder is None:
            return
        check_folder(folder)
        digest = hashlib.blake2b(key.encode(errors="surrogatepass"), digest_size=12).hexdigest()
        chosen = Path(folder).expanduser()
        try:
            self._folder = chosen / f"{digest}-{FORMAT}"
            self._folder.mkdir(parents=True, exist_ok=True)
            remove_parts(self._folder)
        except OSError as error:
            self._give_up(error)

    def load(self, shard: Shard) -> Result | None:
        """The stored result of a shard; None where there is none that can be read."""
        path = self._path(shard)
        try:
            if path is None or not path.exists():
                return None
            with path.open("rb") as file:
                return dict(np.load(file))
        except Exception:  # a damaged file fails in many ways, and counts as missing
            return None

    def save(self, shard: Shard, result: Result) -> bool:
        """Store a result, completely or not at all; whether it is stored."""
        path = self._path(shard)
        if path is None or not self._writes:
            return False
        try:
            with replacing(path) as file:
                np.savez(file, **result)  # type: ignore[arg-type]
        except OSError as error:
            self._give_up(error)
            return False
        return True

    def _path(self, shard: Shard) -> Path | None:
        if self._folder is None:
            return None
        if shard not in self._paths:
            mark = hashlib.blake2b(self._mark(shard).encode(errors="surrogatepass"), digest_size=8).hexdigest()
            self._paths[shard] = self._folder / f"{shard.start}-{shard.stop}-{mark}.npz"
        return self._paths[shard]

    def _give_up(self, error: OSError) -> None:
        self._writes = False  # what is there can still be read
        self.problem = _("the results are not stored on disk: {error}", error=error)
        warnings.warn(self.problem, stacklevel=3)


def check_folder(folder: object) -> None:
    """Raise TypeError or ValueError for what is neither None nor a folder, or the path of one to be made."""
    if folder is None:
        return
    if not isinstance(folder, (str, os.PathLike)) or not str(folder) or "\0" in str(folder):
        raise TypeError(f"store must be a folder, got {folder!r}")
    try:
        is_file = Path(folder).expanduser().is_file()
    except (OSError, RuntimeError, ValueError) as error:  # no home folder, too long, a null character
        raise ValueError(f"store must be a folder, got {str(folder)[:80]!r}: {error}") from error
    if is_file:
        raise ValueError(f"store must be a folder, got the file {str(folder)!r}")
