"""The search of a long text for contexts of cells: what was found so far, kept on disk."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nnlens.inputs.corpus import corpus_text
from nnlens.kernels.text import Contexts, contexts_steps
from nnlens.recording import version_of
from nnlens.session.dataset_search import store_folder
from nnlens.session.setup import ModelSetup
from nnlens.utils.files import remove_parts, replacing
from nnlens.utils.language import _


class ContextSearch:
    """The contexts of the cells of some layers in one text.

    Attributes
    ----------
    text : str
        Empty until `begin`.
    problem : str
        Why nothing is stored on disk, if storing failed.
    """

    def __init__(self, setup: ModelSetup):
        self.text = ""
        self.problem = ""
        self._setup = setup
        self._found: dict[tuple[int, str], Contexts] = {}
        self._folder: Path | None = None

    def begin(self, corpus: Any) -> None:
        """Take another text, see `inputs.corpus.corpus_text`; the same one again changes nothing."""
        text = corpus_text(corpus)
        if text == self.text:
            return
        self.text, self._found = text, {}
        self._folder = store_folder() / "contexts"

    def found(self, layer: str) -> Contexts | None:
        """What was found of a layer so far, by the model as it is."""
        return self._found.get((version_of(self._setup.model), layer))

    def steps(self, layer: str) -> Generator[Contexts, None, None]:
        """Read the text, or go on where the last search of this layer was stopped."""
        setup = self._setup
        if setup.codec is None or not self.text:
            return
        key = version_of(setup.model), layer
        known = self._found.get(key)
        if known is not None and known.read == len(self.text):
            yield known
            return
        path = self._path(layer)
        known = known or self._load(path, layer)
        stored = 0 if known is None else known.read
        if known is not None:
            # What was found within a block that was not read to its end is found again.
            self._found[key] = known
            yield known
        if known is not None and known.read == len(self.text):
            return
        for result in contexts_steps(
            setup.model,
            self.text,
            setup.codec,
            layer,
            part=setup.part_tokens,
            steps_first=setup.steps_first,
            known=known,
        ):
            if result.read > stored:
                stored = result.read
                self._found = {known: own for known, own in self._found.items() if known[0] == key[0]}  # of this model
                self._found[key] = result
                self._save(path, result)
            yield result

    def _path(self, layer: str) -> Path | None:
        if self._folder is None:
            return None
        digest = hashlib.blake2b(digest_size=16)
        for tensor in (*self._setup.model.parameters(), *self._setup.model.buffers()):
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        setup = self._setup
        digest.update(f"{layer} {setup.part_tokens} {setup.steps_first} {len(self.text)}".encode())
        if setup.codec is not None:
            digest.update(str(setup.codec.encode(self.text[:2000]).ids).encode())
        digest.update(self.text.encode("utf-8", errors="surrogatepass"))
        return self._folder / f"{digest.hexdigest()}.npz"

    def _load(self, path: Path | None, layer: str) -> Contexts | None:
        try:
            if path is None:
                return None
            with path.open("rb") as file:
                found = Contexts.restored(dict(np.load(file)))
        except Exception:  # none is stored, or it is damaged
            return None
        return found if (found.layer, found.length) == (layer, len(self.text)) else None

    def _save(self, path: Path | None, result: Contexts) -> None:
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_parts(path.parent)
            with replacing(path) as file:
                np.savez(file, **result.state())
        except OSError as error:
            self._folder = None
            self.problem = _("the results are not stored on disk: {error}", error=error)
            warnings.warn(self.problem, stacklevel=2)
