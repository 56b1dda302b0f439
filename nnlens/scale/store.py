"""The results of shards on disk, a file for each: what is there is not computed again."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nnlens.utils.files import remove_parts, replacing
from nnlens.utils.language import _

from .shard import Shard

FORMAT = 1  # of the files: those of another one count as missing


class ShardStore:
    """A folder with the results of the shards of one task, or none: a disk error must not lose those in memory.

    Two processes may write to the same folder: they write the same files, each at once.

    Parameters
    ----------
    folder : folder, optional
    key : str
        Identifies the task: the model, what is computed, with which settings.

    Attributes
    ----------
    problem : str
        Why nothing is stored, if storing failed.
    """

    def __init__(self, folder: str | Path | None, key: str):
        self.problem = ""
        self._folder: Path | None = None
        self._writes = True
        if folder is None:
            return
        chosen = Path(folder).expanduser()
        if chosen.exists() and not chosen.is_dir():
            raise ValueError(f"store must be a folder, got the file {str(folder)!r}")
        try:
            self._folder = chosen / f"{key}-{FORMAT}"
            self._folder.mkdir(parents=True, exist_ok=True)
            remove_parts(self._folder)
        except OSError as error:
            self._give_up(error)

    @property
    def reads(self) -> bool:
        """Whether there is a folder that may hold results."""
        return self._folder is not None

    def load(self, shard: Shard, mark: str) -> dict[str, np.ndarray] | None:
        """The stored result of a shard whose inputs `mark` identifies; None where there is none that can be read."""
        path = self._path(shard, mark)
        try:
            if path is None or not path.exists():
                return None
            with path.open("rb") as file:
                return dict(np.load(file))
        except Exception:  # a damaged file fails in many ways, and counts as missing
            return None

    def save(self, shard: Shard, mark: str, result: Mapping[str, np.ndarray]) -> bool:
        """Store a result, completely or not at all; whether it is stored."""
        path = self._path(shard, mark)
        if path is None or not self._writes:
            return False
        try:
            with replacing(path) as file:
                np.savez(file, **result)  # type: ignore[arg-type]
        except OSError as error:
            self._give_up(error)
            return False
        return True

    def _path(self, shard: Shard, mark: str) -> Path | None:
        if self._folder is None:
            return None
        digest = hashlib.blake2b(mark.encode(), digest_size=8).hexdigest()
        return self._folder / f"{shard.start}-{shard.stop}-{digest}.npz"

    def _give_up(self, error: OSError) -> None:
        self._writes = False  # what is there can still be read
        self.problem = _("the results are not stored on disk: {error}", error=error)
        warnings.warn(self.problem, stacklevel=3)
