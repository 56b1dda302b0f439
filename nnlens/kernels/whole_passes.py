"""Whole passes over variations of one image: of the prepared model where that gives the model's own scores."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from ..recording import Replacement, borrow, draw_alike, draws, substituting
from ..recording.record import as_written, unwrapped
from ..work import in_batches, out_of_memory
from .occlusion_engine import current_passes, meaning_for
from .prepared import Prepared, channels_last
from .scores import Output, ScoreMeaning, apart, largest

_PIXELS = 4 * 224 * 224  # at once on a CPU: more fall out of its caches
_BATCHES, _STEP = 12, 0.25  # how many of these make one step at most, and about how long one takes (seconds)


class WholePasses:
    """The class scores of batches of inputs that look like `x`, with gradients where these are wanted.

    Each level is surer and slower than the one before: the prepared model (1), the model itself (2), and one input at a
    time (3). Once for a model, two inputs are compared with the model's own scores of each alone.

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
        self._checked = self._alone = False
        self.how = ""  # how gradients are had, in words, where the prepared pass has none
        self._pace = _STEP / 4  # seconds for one input, as it was the last time

    def reading(self, meaning: ScoreMeaning) -> None:
        """Read the scores in another way from now on."""
        self.meaning = meaning
        if self.prepared is not None:
            self.prepared = self.prepared.reading(meaning)

    @property
    def level(self) -> int:
        return 3 if self._alone or draws(self.model) else 2 if self.prepared is None else max(1, self.prepared.level)

    @property
    def size(self) -> int:
        """How many inputs go at once."""
        if self.level == 3:
            return 1
        pixels = max(1, self.x[0, 0].numel())
        if self.x.device.type != "cpu":
            return max(1, min(256, 16 * _PIXELS // pixels))
        return max(1, min(256, _PIXELS // pixels))

    @property
    def chunk(self) -> int:
        """How many inputs are made and asked about in one step: several batches, for to borrow takes a while."""
        if self.level == 3 or self.x.device.type != "cpu":
            return self.size
        return self.size * max(1, min(_BATCHES, int(_STEP / (self._pace * self.size))))

    def scores(self, batch: Tensor) -> Tensor:
        """The scores (n, classes) without a gradient, in parts where memory runs out."""
        self.check()
        begin = time.perf_counter()
        # At once: ONNX Runtime's threads and torch's, who wait for more to do, are in each other's way.
        batch = self.laid_out(batch)
        # What ONNX Runtime has of the model is its own.
        with contextlib.nullcontext() if self._on_onnx else borrow(self.model):
            parts = in_batches(len(batch), lambda start, stop: self._sure(batch[start:stop]), size=self.size)
            found = torch.cat([part for _, _, part in parts])
        self._pace = (time.perf_counter() - begin) / len(batch)
        return found.detach()  # a forward may turn gradients on

    @property
    def _on_onnx(self) -> bool:
        return self.prepared is not None and self.prepared.onnx is not None and self.level == 1

    def laid_out(self, batch: Tensor) -> Tensor:
        """The inputs in the memory format that the passes are fastest with: what is made of them has it too."""
        # Random numbers are drawn in the order of the memory.
        return batch.contiguous() if self._on_onnx or draws(self.model) else channels_last(batch)

    def many(self, count: int, images: Callable[[int, int], Tensor]) -> Tensor:
        """The scores (count, classes) of inputs that are made step by step."""
        found, start = [], 0
        while start < count:
            stop = min(count, start + self.chunk)
            found.append(self.scores(images(start, stop)))
            start = stop
        return torch.cat(found)

    def with_gradient(self, batch: Tensor, instead: Mapping[int, Replacement] | None = None) -> Tensor:
        """The scores with a gradient towards `batch`; `instead` holds operations done in another way, by number.

        The model must be borrowed and gradients be on.
        """
        self.check()
        parts = batch.split(1) if self.level == 3 else (batch,)
        found = torch.cat([self._differentiable(part, instead) for part in parts])
        if len(found) != len(batch):
            raise ValueError(f"the model must give a row of scores for each image, got {len(found)} for {len(batch)}")
        return found

    def follow_the_model(self, error: Exception) -> bool:
        """Whether another way to a gradient is left, now that one has failed: that of the model itself."""
        if self.how or self.prepared is None or self.level != 1:
            return False
        words = str(error).partition("\n")[0]
        self.how = f"gradients of the model itself, not of the prepared pass, which failed: {words}"
        return True

    def _differentiable(self, batch: Tensor, instead: Mapping[int, Replacement] | None) -> Tensor:
        batch = batch * 1  # the forward may write into it
        self._draw()
        if self.prepared is not None and self.level == 1 and not self.how:
            if self.prepared.has_gradients():
                return self.prepared(channels_last(batch), instead)
            self.how = "gradients of the model itself: those of the prepared pass are others"
        if instead and self.prepared is not None:
            with substituting(self.model, self.prepared.recording.calls, instead):
                found = self.model(batch)
            return self.meaning.read(found, len(batch))
        with as_written(self.model):
            return self.meaning.read(self.model(batch), len(batch))

    def trust(self, other: WholePasses) -> None:
        """Go by what was found for `other`, unchecked: for its network without sense, whose numbers may be huge."""
        other.check()
        self._checked, self._alone = True, other.level == 3
        if self.prepared is not None:
            self.prepared.checked = self.prepared.batches_checked = True
            self.prepared.level = max(self.prepared.level, other.level)

    def check(self) -> None:
        """Go up to the level at which a batch of two inputs has the model's own scores; once for a prepared model."""
        prepared = self.prepared
        if self._checked if prepared is None else prepared.batches_checked:
            return
        noise = torch.randn(self.x.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float32).to(self.x)
        both = torch.cat([self.x, self.x.flip(-1) * 0.5 + noise * self.x.std()])
        with borrow(self.model):
            alone = torch.cat([self._alone_scores(one.clone()) for one in both.split(1)]).detach()
            bound = max(1e-4, 16 * torch.finfo(self.x.dtype).eps * largest(alone))
            while self.level < 3:
                with contextlib.suppress(Exception):
                    found = self._plain(both).detach()
                    if found.shape == alone.shape and not (apart(found, alone) > bound).any():
                        break
                self._rise()
        self._checked = True
        if prepared is not None:
            prepared.batches_checked = True

    def _rise(self) -> None:
        if self.prepared is None:
            self._alone = True
        else:
            self.prepared.level = self.level + 1

    def _plain(self, batch: Tensor) -> Tensor:
        if self.prepared is not None and self.level == 1:
            return self.prepared.whole(self.laid_out(batch))
        if self.level == 3:
            return torch.cat([self._alone_scores(one) for one in batch.split(1)])
        return self.meaning.read(self.model(batch), len(batch))

    def _alone_scores(self, one: Tensor) -> Tensor:
        self._draw()
        return self.meaning.read(self.model(one), 1)

    def _draw(self) -> None:
        """A model that draws random numbers draws the same for each input."""
        if draws(self.model):
            draw_alike()

    def _sure(self, batch: Tensor) -> Tensor:
        """The scores of a batch at this level, or at the first above it that does not raise."""
        try:
            found = self._plain(batch)
        except Exception as error:
            if out_of_memory(error) or self.level == 3:
                raise
            self._rise()
            with borrow(self.model):
                return self._sure(batch)
        if len(found) != len(batch):
            raise ValueError(f"the model must give a row of scores for each image, got {len(found)} for {len(batch)}")
        return found
