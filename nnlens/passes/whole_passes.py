"""Whole passes over variations of one image: of the prepared model where that gives the model's own scores."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from nnlens.recording import Replacement, borrow, draw_alike, draws, substituting
from nnlens.recording.as_written import as_written
from nnlens.recording.record import unwrapped
from nnlens.scores.meaning import Output, ScoreMeaning
from nnlens.utils.language import _

from .batches import in_batches, out_of_memory
from .convolutions import channels_last
from .fast import attach, decide, export_beside, is_decided, may_be_faster
from .onnx_runtime import OnnxPasses
from .prepare import current_passes, meaning_for
from .prepared import Prepared
from .trust import Level, Reference, Trust

_PIXELS = 4 * 224 * 224  # at once on a CPU: more do not fit into its caches
PATIENT = 3.0  # seconds of passes, after which a faster engine is looked for
_BATCHES, _STEP = 12, 0.25  # how many of these make one step at most, and about how long one takes (seconds)


class WholePasses:
    """The class scores of batches of inputs that look like `x`, with gradients where these are wanted.

    They run at one of the levels of `passes.trust.Level`, from `PREPARED` on. Once for a model, the scores of a batch
    of two are compared with the model's own scores of each alone; where they differ, a safer level is used.

    Attributes
    ----------
    prepared : Prepared or None
        None for a model that cannot be recorded.
    meaning : ScoreMeaning
        What the scores mean.
    """

    def __init__(self, model: nn.Module, x: Tensor, *, output: Output = None, prepared: Prepared | None = None):
        self.model, self.x = unwrapped(model), x
        self.prepared = current_passes(model, x, output, prepared)
        self.meaning = meaning_for(self.model, x, output, self.prepared)
        # Of a model that cannot be prepared: whether it was checked, and takes one input at a time only.
        self._checked = self._single = False
        self.how = ""  # in words, how gradients are computed if not by the prepared pass
        self._pace = _STEP / 4  # seconds for one input, as it was the last time
        self._spent = 0.0  # seconds
        self._exported: list[OnnxPasses | None] | None = None  # holds one when the export has ended

    def reading(self, meaning: ScoreMeaning) -> None:
        """Read the scores in another way from now on."""
        self.meaning = meaning
        if self.prepared is not None:
            self.prepared = self.prepared.reading(meaning)

    @property
    def level(self) -> Level:
        """How passes are run at present."""
        if self._single or draws(self.model):
            return Level.SINGLE
        return Level.MODEL if self.prepared is None else max(Level.PREPARED, self.prepared.trust.level)

    @property
    def size(self) -> int:
        """How many inputs are run at once."""
        if self.level == Level.SINGLE:
            return 1
        pixels = max(1, self.x[0, 0].numel())
        if self.x.device.type != "cpu":
            return max(1, min(256, 16 * _PIXELS // pixels))
        return max(1, min(256, _PIXELS // pixels))

    @property
    def chunk(self) -> int:
        """How many inputs are made and run in one step: several batches, because borrowing has a fixed cost."""
        if self.level == Level.SINGLE or self.x.device.type != "cpu":
            return self.size
        if self.prepared is not None and self.prepared.reproducible:
            return self.size * _BATCHES
        return self.size * max(1, min(_BATCHES, int(_STEP / (self._pace * self.size))))

    def scores(self, batch: Tensor) -> Tensor:
        """The scores (n, classes) without a gradient, in parts where memory runs out."""
        self.check()
        begin = time.perf_counter()
        # For all batches at once: the waiting threads of ONNX Runtime and of torch slow each other down.
        batch = self.laid_out(batch)
        # ONNX Runtime has its own copy of the model.
        with contextlib.nullcontext() if self._on_onnx else borrow(self.model):
            parts = in_batches(len(batch), lambda start, stop: self._sure(batch[start:stop]), size=self.size)
            result = torch.cat([part for _, _, part in parts])
        took = time.perf_counter() - begin
        self._pace, self._spent = took / len(batch), self._spent + took
        if self._spent > PATIENT:
            self._look_for_faster()
        return result.detach()  # a forward may turn gradients on

    def _look_for_faster(self) -> None:
        """After much work there is probably more to come: export the model beside it, and use the faster engine."""
        prepared = self.prepared
        if prepared is None or self.level != Level.PREPARED or attach(prepared) or is_decided(prepared):
            return
        if self._exported:
            decide(prepared, self._exported.pop())
        elif self._exported is None and may_be_faster(prepared):
            self._exported = []
            if not export_beside(prepared, self._exported.append):
                self._exported = None  # one at a time: it is asked for again

    @property
    def _on_onnx(self) -> bool:
        return self.prepared is not None and self.prepared.onnx is not None and self.level == Level.PREPARED

    def laid_out(self, batch: Tensor) -> Tensor:
        """The inputs in the memory format for which passes are fastest."""
        # Random numbers are drawn in the order of the memory.
        return batch.contiguous() if self._on_onnx or draws(self.model) else channels_last(batch)

    def many(self, count: int, images: Callable[[int, int], Tensor]) -> Tensor:
        """The scores (count, classes) of inputs that are made step by step."""
        result, start = [], 0
        while start < count:
            stop = min(count, start + self.chunk)
            result.append(self.scores(images(start, stop)))
            start = stop
        return torch.cat(result)

    def with_gradient(self, batch: Tensor, instead: Mapping[int, Replacement] | None = None) -> Tensor:
        """The scores with a gradient with respect to `batch`; `instead` holds replacements of operations, by number.

        The model must be borrowed and gradients enabled.
        """
        self.check()
        parts = batch.split(1) if self.level == Level.SINGLE else (batch,)
        result = torch.cat([self._differentiable(part, instead) for part in parts])
        if len(result) != len(batch):
            raise ValueError(f"the model must give a row of scores for each image, got {len(result)} for {len(batch)}")
        return result

    def follow_the_model(self, error: Exception) -> bool:
        """After the prepared pass failed, use the model's own gradients; False if they are already in use."""
        if self.how or self.prepared is None or self.level != Level.PREPARED:
            return False
        words = str(error).partition("\n")[0]
        self.how = _("gradients of the model itself, not of the prepared pass, which failed: {error}", error=words)
        return True

    def _differentiable(self, batch: Tensor, instead: Mapping[int, Replacement] | None) -> Tensor:
        batch = batch * 1  # the forward may write into it
        self._draw()
        if self.prepared is not None and self.level == Level.PREPARED and not self.how:
            if self.prepared.has_gradients():
                return self.prepared(channels_last(batch), instead)
            self.how = _("gradients of the model itself: those of the prepared pass differ")
        if instead and self.prepared is not None:
            with substituting(self.model, self.prepared.recording.calls, instead):
                result = self.model(batch)
            return self.meaning.read(result, len(batch))
        with as_written(self.model):
            return self.meaning.read(self.model(batch), len(batch))

    def trust(self, other: WholePasses) -> None:
        """Run at the level found for `other`, without a check of its own.

        For a copy with random weights: its scores may be huge, and any comparison of them meaningless.
        """
        other.check()
        self._checked, self._single = True, other.level == Level.SINGLE
        if self.prepared is not None:
            self.prepared.trust = Trust(max(self.prepared.trust.level, other.level), True, True)

    def check(self) -> None:
        """Fall back to the level at which a batch of two has the model's own scores; once for a prepared model."""
        prepared = self.prepared
        if self._checked if prepared is None else prepared.trust.batches_checked:
            return
        with borrow(self.model):
            while self.level < Level.SINGLE and not self._reference.agrees_on_batches(self._plain):
                self._fall_back()
        self._checked = True
        if prepared is not None:
            prepared.trust.batches_checked = True

    @property
    def _reference(self) -> Reference:
        eps = torch.finfo(self.x.dtype).eps if self.prepared is None else self.prepared.eps
        return Reference(self.model, self.x, self.meaning, eps)

    def _fall_back(self) -> None:
        if self.prepared is None:
            self._single = True
        else:
            self.prepared.trust.fall_back(Level(self.level + 1))

    def _plain(self, batch: Tensor) -> Tensor:
        if self.prepared is not None and self.level == Level.PREPARED:
            return self.prepared.whole(self.laid_out(batch))
        if self.level == Level.SINGLE:
            return self._reference.scores(batch)
        return self.meaning.read(self.model(batch), len(batch))

    def _draw(self) -> None:
        """A model that draws random numbers draws the same for each input."""
        if draws(self.model):
            draw_alike()

    def _sure(self, batch: Tensor) -> Tensor:
        """The scores of a batch at this level, or at the first above it that does not raise."""
        try:
            result = self._plain(batch)
        except Exception as error:
            if out_of_memory(error) or self.level == Level.SINGLE:
                raise
            self._fall_back()
            with borrow(self.model):
                return self._sure(batch)
        if len(result) != len(batch):
            raise ValueError(f"the model must give a row of scores for each image, got {len(result)} for {len(batch)}")
        return result
