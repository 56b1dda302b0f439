"""The engine of a lens: torch at once, and ONNX Runtime as soon as it is prepared, where that is faster."""

from __future__ import annotations

from collections.abc import Generator

import traitlets as t

from nnlens.passes.fast import attach, decide, export_beside, is_decided, is_quick, may_be_faster
from nnlens.passes.onnx_runtime import OnnxPasses
from nnlens.passes.prepared import Prepared

from .worker import Worker


class FastEngine(t.HasTraits):
    """Prepares the faster engine in the background; observe `name`, which views show.

    The model is copied, and both engines are timed, in the worker's thread; what takes long, the export of the copy,
    has a thread of its own, so that nobody waits for it.

    Attributes
    ----------
    name : str
        The engine of whole passes: "torch" or "ONNX Runtime".
    """

    name = t.Unicode("torch")

    def __init__(self, worker: Worker):
        super().__init__()
        self._worker = worker
        self._looks_at: Prepared | None = None  # until it is decided which engine is faster

    def serve(self, prepared: Prepared) -> None:
        """Use the faster engine where it is known; else find out in the background, if there is one."""
        if attach(prepared):
            self.name = "ONNX Runtime"
            return
        self.name = "torch"
        if not self._worker.is_live or is_decided(prepared) or self._looks_at is prepared:
            return
        if may_be_faster(prepared):
            self._looks_at = prepared
            self._worker.submit(self, "data", lambda: self._begin(prepared))

    def _begin(self, prepared: Prepared) -> Generator[None, None, None]:
        def then(passes: OnnxPasses | None) -> None:
            self._worker.submit(self, "data", lambda: self._decide(prepared, passes))

        if is_quick(prepared):
            decide(prepared, None)
        elif not export_beside(prepared, then):
            self._looks_at = None  # one at a time: it is asked for again
        yield

    def _decide(self, prepared: Prepared, passes: OnnxPasses | None) -> Generator[None, None, None]:
        if decide(prepared, passes):
            self.name = "ONNX Runtime"
        self._looks_at = None
        yield
