"""The search of a long text for contexts of cells, kept on disk in shards."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from nnlens.inputs.corpus import Corpus, corpus_of
from nnlens.kernels.text import Contexts, contexts_steps
from nnlens.recording import version_of
from nnlens.session.dataset_search import store_folder
from nnlens.session.setup import ModelSetup


class ContextSearch:
    """The contexts of the cells of some layers in one text.

    Attributes
    ----------
    corpus : Corpus or None
        None until `begin`.
    """

    def __init__(self, setup: ModelSetup):
        self.corpus: Corpus | None = None
        self._setup = setup
        self._options: dict[str, Any] = {}
        self._found: dict[tuple[int, str], Contexts] = {}
        # What was stopped goes on: of the layer that was searched last.
        self._going: tuple[tuple[int, str], Iterator[Contexts]] | None = None

    def begin(self, corpus: Any, **options: Any) -> None:
        """Take another text, see `inputs.corpus.corpus_of`; `options` are those of shards, see `contexts_steps`."""
        self.corpus, self._found, self._going = corpus_of(corpus), {}, None
        self._options = {"store": store_folder() / "contexts"} | options

    def found(self, layer: str) -> Contexts | None:
        """What was found of a layer so far, by the model as it is."""
        return self._found.get((version_of(self._setup.model), layer))

    def steps(self, layer: str) -> Generator[Contexts, None, None]:
        """Read the text, or go on where the last search of this layer was stopped."""
        setup = self._setup
        if setup.codec is None or self.corpus is None:
            return
        key = version_of(setup.model), layer
        if key in self._found and self._found[key].read == len(self.corpus):
            yield self._found[key]
            return
        if self._going is None or self._going[0] != key:
            self._going = (
                key,
                contexts_steps(
                    setup.model,
                    self.corpus,
                    setup.codec,
                    layer,
                    part=setup.part_tokens,
                    steps_first=setup.steps_first,
                    **self._options,
                ),
            )
        steps, self._going = self._going[1], None  # begun anew after an error
        for result in steps:
            self._going = key, steps
            self._found = {known: own for known, own in self._found.items() if known[0] == key[0]}  # of this model
            self._found[key] = result
            yield result
        self._going = None
