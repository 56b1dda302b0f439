"""Where in a long text the cells of a layer are highest and lowest, found in shards of the text."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import Unpack

from nnlens.inputs.corpus import Corpus, corpus_of
from nnlens.inputs.text import Codec, Encoded
from nnlens.recording import device_of, record
from nnlens.recording.record import unwrapped
from nnlens.scale import Result, Run, Shard, Sharding, ShardingOptions, ShardStore, digest_of

from .found_contexts import Contexts, FoundContexts

PART = 2000  # tokens that are read at once
WINDOW = 200  # tokens: in each window of them a cell has one highest and one lowest value
SHARD = 64_000  # characters, or bytes of files
_BATCH = 8  # parts


@dataclass(frozen=True, kw_only=True)
class _Search:
    """What workers need besides the model."""

    corpus: Corpus
    codec: Codec
    layer: str
    part: int
    steps_first: bool


def contexts_steps(
    model: nn.Module,
    text: str | Path | list[Path] | Corpus,
    codec: Codec,
    layer: str,
    *,
    part: int = PART,
    steps_first: bool = False,
    **options: Unpack[ShardingOptions],
) -> Iterator[Contexts]:
    """Read a long text in shards of whole lines; what was found so far.

    A shard is read in parts. A part begins without a past: its first tenth is read, but counted only where the shard
    begins there. Several parts are read as one batch, so that the model must take one.

    Parameters
    ----------
    text : str, Path or list of Path
        The text itself, or files of text in UTF-8, one after the other, which are read by ranges of bytes.
    codec : Codec
        See `inputs.text.as_codec`.
    layer : str
        A layer with a value of each cell for each token.
    part : int
        How many tokens are read at once: at most as many as the model has positions.
    steps_first : bool
        Whether the model takes (tokens, batch) rather than (batch, tokens).
    **options
        `workers`, who computes, `shard_size` (64,000 characters of a text, or bytes of files), `store`, `build`,
        `allow_pickle`: see `kernels.examples_steps`.

    Raises
    ------
    ValueError
        For an empty text, and a layer without a value for each token.
    """
    corpus, sharding = corpus_of(text), Sharding(**options)
    if isinstance(part, bool) or not isinstance(part, int) or part < 20:
        raise ValueError(f"part must be at least 20 tokens, got {part!r}")
    model = unwrapped(model)
    search = _Search(corpus=corpus, codec=codec, layer=layer, part=part, steps_first=steps_first)
    shards = sharding.shards(len(corpus), SHARD)
    beginning = _beginning(model, corpus, codec, layer, part, steps_first)

    def mark(shard: Shard) -> str:
        lines = corpus.lines(shard.start, shard.stop).text
        return hashlib.blake2b(lines.encode("utf-8", errors="surrogatepass")).hexdigest()

    def keeps(result: Result) -> bool:
        corpus.check()  # before anything is stored as found in the text that it was
        return True

    key = f"contexts {digest_of(model)} {layer} {part} {steps_first} {codec.key()} {beginning}"
    store = ShardStore(sharding.store, key, mark)
    found: FoundContexts | None = None
    read, failed = 0, list[tuple[Shard, str]]()
    for arrived in sharding.ordered(load, model, search, shards, store, keeps=keeps):
        for outcome in arrived.outcomes:
            if outcome.value is None:
                failed.append((outcome.shard, outcome.error))
            elif "count" in outcome.value:
                own = FoundContexts.restored(outcome.value)
                found = own if found is None else found.merged(own)
            read = outcome.shard.stop
        yield Contexts(
            layer=layer,
            found=found,
            read=read,
            length=len(corpus),
            remaining=arrived.remaining,
            unsaved=store.problem,
            failed=tuple(failed),
        )
    if found is None:
        why = failed[0][1] if failed else "it has no token"
        raise ValueError(f"text must be one that the model can read, but: {why}")


def _beginning(
    model: nn.Module, corpus: Corpus, codec: Codec, layer: str, part: int, steps_first: bool
) -> tuple[int, ...]:
    """The tokens of the first part of the text that has some; ValueError for a layer that does not fit."""
    for start in range(0, len(corpus), part):
        ids = codec.encode(corpus.piece(start, start + part).text).ids[:part]
        if ids:
            _values(model, torch.tensor([ids]), layer, steps_first)
            return ids
    raise ValueError("text must be one that the model can read, but: it has no token")


def load(model: nn.Module, search: _Search) -> Run:
    """In a worker: the function that gives the contexts of a shard."""

    def run(shard: Shard) -> Generator[None, None, Result]:
        piece = search.corpus.lines(shard.start, shard.stop)
        if not piece.text:
            return {}  # all of it belongs to a line that began before
        encoded, found = search.codec.encode(piece.text), None
        if not len(encoded):
            return {}  # such as blank lines, of which some tokenizers make nothing
        for windows in _windows(model, encoded, search):
            own = FoundContexts.of(windows, piece.ends)
            found = own if found is None else found.merged(own)
            yield
        return {} if found is None else found.state()

    return run


def _windows(model: nn.Module, encoded: Encoded, search: _Search) -> Iterator[list[np.ndarray]]:
    """The windows of a shard's tokens, batch by batch.

    Each time the highest values (windows, cells), after how many characters they are, and the same of the lowest.
    """
    ids, ends = torch.tensor(encoded.ids), np.array([end for _start, end in encoded.spans])
    real = np.array([end > start for start, end in encoded.spans])  # special tokens stand for no place of the text
    part, warm = search.part, search.part // 10
    starts = list(range(0, max(1, len(ids) - warm), part - warm))
    whole = [start for start in starts if start + part <= len(ids)]
    groups = [whole[at : at + _BATCH] for at in range(0, len(whole), _BATCH)]
    groups += [[start] for start in starts if start not in whole]
    for group in groups:
        length = min(part, len(ids) - group[0])
        batch = torch.stack([ids[start : start + length] for start in group])
        values = _values(model, batch, search.layer, search.steps_first)
        made: list[list[np.ndarray]] = [[], [], [], []]
        for row, start in enumerate(group):
            first = warm if start else 0
            for low in range(first, length, WINDOW):
                places = np.arange(low, min(low + WINDOW, length))
                places = places[real[start + places]]
                if not len(places):
                    continue
                window = values[row, places]
                for into, own, place in ((0, window.max(0), window.argmax(0)), (2, window.min(0), window.argmin(0))):
                    made[into].append(own)
                    made[into + 1].append(ends[start + places[place]])
        if made[0]:
            yield [np.stack(rows) for rows in made]


def _values(model: nn.Module, batch: Tensor, layer: str, steps_first: bool) -> np.ndarray:
    """The values of a layer for a batch of parts: (parts, tokens, cells)."""
    count, length = batch.shape
    ids = (batch.T if steps_first else batch).to(device_of(model))
    recording = record(model, ids, only=layer)
    value = recording[layer].detach()
    if value.ndim == 2 and count == 1:
        value = value[None]
    if value.ndim != 3 or {count, length} - set(value.shape[:2]):
        raise ValueError(f"layer must have a value for each token, got {layer!r} of shape {tuple(value.shape)}")
    axis = steps_first if count == length else value.shape[0] == length
    return (value.transpose(0, 1) if axis else value).float().cpu().numpy()
