"""The engine of a lens: torch at once, and ONNX Runtime as soon as it is prepared, where that is faster."""

from __future__ import annotations

import threading
from collections.abc import Generator

import traitlets as t

from nnlens.passes.fast import attach, decide, export_beside, is_decided, may_be_faster
from nnlens.passes.onnx_runtime import OnnxPasses
from nnlens.passes.prepared import Prepared

from .worker import Worker

REST = 1.0  # seconds before it begins, and between two looks whether it is done


class FastEngine(t.HasTraits):
    """Prepares the faster engine in the background; observe `name`, which views show.

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
            self._worker.submit(self, "data", lambda: self._steps(prepared))

    def _steps(self, prepared: Prepared) -> Generator[float | None, None, None]:
        yield REST
        done, found = threading.Event(), list[OnnxPasses | None]()

        def then(passes: OnnxPasses | None) -> None:
            found.append(passes)
            done.set()

        while not export_beside(prepared, then):
            yield REST
        while not done.is_set():
            yield REST / 4
        if decide(prepared, found[0]):
            self.name = "ONNX Runtime"
        self._looks_at = None
