"""What a search for examples has found so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nnlens.scale import Shard

from .layer_examples import LayerExamples


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class DatasetExamples(Mapping[str, LayerExamples]):
    """The layers of a pass over a data set, by name, so far.

    Attributes
    ----------
    names : mapping of str to str
        The requested names → the operations' names; both can be used.
    done, total : int
        How many inputs have been processed, and how many there are.
    skipped : tuple of (int, str)
        Those that could not be read, and why.
    seconds, remaining : float
        The time of this run so far, and the estimated remaining time.
    failed : tuple of (Shard, str)
        Of a search in shards: those without a result, and why. They are tried again in the next search.
    unsaved : str
        Why nothing is stored on disk, if storing failed.
    how : str
        In words, how the passes were run, if not in the fast way.
    """

    layers: Mapping[str, LayerExamples]
    names: Mapping[str, str]
    done: int
    total: int
    skipped: tuple[tuple[int, str], ...]
    seconds: float
    remaining: float
    unsaved: str = ""
    how: str = ""
    failed: tuple[tuple[Shard, str], ...] = ()

    @property
    def complete(self) -> bool:
        """Whether all inputs were searched."""
        return self.done == self.total and not self.failed

    def __getitem__(self, layer: str) -> LayerExamples:
        name = self.names.get(layer, layer)
        if name not in self.layers:
            raise KeyError(f"layer must be one of {', '.join(self.layers)}, which the search records, got {layer!r}")
        return self.layers[name]

    def __repr__(self) -> str:
        return f"DatasetExamples({self.done} of {self.total} inputs; {', '.join(self.layers)})"

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)
