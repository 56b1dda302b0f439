"""How the scores under an occluder are computed: on windows where that can be, and never unchecked."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from ..recording import (
    ForwardError,
    OtherPathError,
    Recording,
    borrow,
    draw_alike,
    draws,
    record,
    version_of,
)
from ..work import out_of_memory
from .incremental import Incremental, plan_for
from .occluder import Occluder
from .onnx_runtime import OnnxPasses
from .prepared import Prepared, channels_last
from .score_detection import meaning_of
from .scores import Output, ScoreMeaning, apart, largest

BLOCK = 16  # positions at once on a CPU: more fall out of its caches


class Engine:
    """Computes the scores under an occluder, on windows where it can, and checks itself against the model.

    Each level is surer and slower than the one before: windows (0), whole passes of the prepared model (1), of the
    model itself (2), and one position at a time (3). `how` says in words which is in use.
    """

    def __init__(
        self,
        model: nn.Module,
        window: Occluder,
        tops: np.ndarray,
        lefts: np.ndarray,
        *,
        meaning: ScoreMeaning,
        prepared: Prepared | None,
        watched: str = "",
    ):
        self.model, self.window, self.meaning, self.watched = model, window, meaning, watched
        self.seen: list[Tensor] = []  # the watched operation's values, of the latest call
        self.tops, self.lefts = tops, lefts
        self.prepared = prepared
        self.even = False
        self.draws = draws(model)  # then every position is to see the same random numbers
        self.incremental: Incremental | None = None
        self.level = 2 if prepared is None else prepared.level
        if watched and prepared is not None and not prepared.can_watch(watched):
            self.level = max(2, self.level)
        if self.level == 0 and prepared is not None:
            self.incremental = plan_for(prepared, window.size, tops, lefts, watched)
            if not any(share.local for share in self.incremental.plan):
                self.level = 1

    @property
    def how(self) -> str:
        if self.level == 0 and self.incremental is not None:
            local = sum(share.local for share in self.incremental.plan)
            return f"{local} of {len(self.incremental.plan)} operations on windows, the rest whole"
        if self.level == 1 and self.prepared is not None and self.prepared.onnx is not None:
            return "whole passes on ONNX Runtime"
        words = ("", "whole passes of the prepared model", "whole passes", "whole passes, one position at a time")
        return words[self.level] + (", each with the same random numbers" if self.draws else "")

    def __call__(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """The scores (n, classes) with the occluder at (tops[rows], lefts[columns])."""
        while True:
            self.seen.clear()
            try:
                scores = self._compute(rows, columns).detach().cpu().numpy()
                if len(scores) != len(rows):
                    raise ValueError(f"the model gave {len(scores)} rows of scores for {len(rows)} images")
                return scores
            except Exception as error:
                if out_of_memory(error) or self.level == 3:
                    raise
                if self.level == 2:
                    self._fall_back(3)  # it may be made for one image at a time
                    continue
                if not isinstance(error, OtherPathError):
                    said = f"{type(error).__name__}: {error}"
                    warnings.warn(f"occlusion goes on with whole passes: {self.how} failed ({said})", stacklevel=2)
                self._fall_back(2 if isinstance(error, OtherPathError) else self.level + 1)

    def _compute(self, rows: np.ndarray, columns: np.ndarray) -> Tensor:
        tops, lefts = self.tops[rows], self.lefts[columns]
        with borrow(self.model):
            if self.level == 0 and self.incremental is not None:
                return self._on_windows(self.incremental, rows, columns)
            batch = self.window.cover(tops, lefts)
            if self.level == 1 and self.prepared is not None:
                if not self.watched:
                    return self.prepared.whole(channels_last(batch))
                return self.prepared(channels_last(batch), None, self.seen.append, self.watched)
        return torch.cat([self._plainly(part) for part in (batch.split(1) if self.level == 3 else (batch,))])

    def _plainly(self, batch: Tensor) -> Tensor:
        with borrow(self.model):
            if self.draws:
                draw_alike()
            if self.watched:
                recording = record(self.model, batch, only=self.watched)
                self.seen.append(recording[self.watched])
                return self.meaning.read(recording.output, len(batch))
            return self.meaning.read(self.model(batch), len(batch))

    def _on_windows(self, incremental: Incremental, rows: np.ndarray, columns: np.ndarray) -> Tensor:
        count = len(rows)
        if self.even:
            # Blocks of one size: for another one the CPU's library has to write new code.
            more = np.full(-count % BLOCK, count - 1)
            rows, columns = (np.append(one, one[more]) for one in (rows, columns))
        under = self.window.under(self.tops[rows], self.lefts[columns])
        blocks = []
        block = BLOCK if self.window.x.device.type == "cpu" else len(rows)
        for start in range(0, len(rows), block):
            some = slice(start, start + block)
            fill = under if under.ndim == 3 else under[some]
            blocks.append(incremental.local(rows[some], columns[some], fill, self.window.mask))
        handed = {name: torch.cat([block[name] for block in blocks]) for name in blocks[0]}
        return incremental.finish(handed, self.seen.append if self.watched else None)[:count]

    def check(self, rows: np.ndarray, columns: np.ndarray, scores: np.ndarray) -> bool:
        """Whether these scores are the model's own, position by position; if not, the level falls."""
        with borrow(self.model):
            images = self.window.cover(self.tops[rows], self.lefts[columns])
            own = torch.cat([self.own(image[None]) for image in images]).detach().cpu().numpy()
        off = float(apart(torch.from_numpy(own), torch.from_numpy(scores)).max())
        bound = self._bound(largest(torch.from_numpy(own)))
        if off <= bound and np.array_equal(np.isnan(own), np.isnan(scores)):
            return True
        if self.level == 3:
            words = "draws random numbers of its own" if self.draws else "computes something else from run to run"
            warnings.warn(f"the model {words}: its scores for the same input differ by {off:.1g}", stacklevel=2)
        else:
            words = f"occlusion goes on with surer passes: {self.how} differed from the model's own by {off:.1g}"
            warnings.warn(words, stacklevel=2)
            self._fall_back(self.level + 1)
        return False

    def own(self, image: Tensor) -> Tensor:
        """The model's own scores of one input; the model must be borrowed."""
        if self.draws:
            draw_alike()
        return self.meaning.read(self.model(image), 1).detach()

    def unchecked(self, places: np.ndarray) -> list[np.ndarray]:
        """Which of these places (n, 2) are still to be checked: all for a model and a kind of input, then the first
        one for every plan."""
        if self.prepared is None:
            return []
        if not self.prepared.checked:
            return list(places)
        return list(places[:1]) if self.incremental is not None and not self.incremental.checked else []

    def is_sure(self, places: np.ndarray, scores: np.ndarray) -> bool:
        """`check` at these positions (n, 2) of a map of scores; and once, that the model does not mix its batch."""
        assert self.prepared is not None
        if not self.prepared.checked and self.level < 3 and self.mixes():
            words = "the model's scores depend on what else is in a batch: one position at a time follows"
            warnings.warn(words, stacklevel=2)
            self._fall_back(3)
            return False
        rows, columns = places.T
        sure = self.check(rows, columns, scores[rows, columns])
        self.prepared.checked = sure or self.level == 3
        if self.incremental is not None:
            self.incremental.checked = sure
        return sure

    def mixes(self) -> bool:
        """Whether the model's scores of one image depend on what else is in its batch."""
        x = self.window.x
        noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float32).to(x)
        other = 3 * x.flip(2, 3) + noise * (x.std() + 1)
        with borrow(self.model):
            alone = [self.own(image.clone()) for image in (x, other)]
            try:
                both = self.meaning.read(self.model(torch.cat([x, other])), 2).detach()
            except Exception:
                return True
        if len(both) != 2:
            return True
        bound = self._bound(largest(torch.cat(alone)))
        bound *= 10 if bound > 1e-3 else 1  # in half precision the order of a sum shows
        return bool((apart(both, torch.cat(alone)) > bound).any())

    def _bound(self, size: float) -> float:
        """How far scores up to this size may differ: what rounding makes of them."""
        eps = torch.finfo(self.window.x.dtype).eps if self.prepared is None else self.prepared.eps
        return max(1e-4, eps, 16 * eps * size)

    def _fall_back(self, level: int) -> None:
        self.level = level
        if self.prepared is not None:
            self.prepared.level = level

    def batches(self, given: int | None, total: int) -> tuple[int, int]:
        """How many positions the first batch has, and how many the later ones."""
        if given is not None:
            return given, given
        if self.window.x.device.type != "cpu":
            return 64, 128
        if self.level > 0 or self.incremental is None:
            return 4, 4
        self.even = total >= BLOCK
        # Where what is computed whole has large weights, many positions share one look at them.
        many = int(self.incremental.weights // 2**20) // BLOCK * BLOCK
        return BLOCK, max(BLOCK, min(many, 4 * BLOCK))


def prepare_passes(
    model: nn.Module,
    x: Tensor,
    output: Output = None,
    *,
    recording: Recording | None = None,
    like: Prepared | None = None,
    engine: Literal["torch", "onnx"] = "torch",
    transforms: bool = True,
) -> Prepared | None:
    """The model prepared for many passes on variations of `x`, see `Prepared`; None where it cannot be recorded.

    With `engine="onnx"` whole passes run on ONNX Runtime (the extra `onnx`), and an occlusion map is made of them.
    Raises ImportError without the extra, ValueError if the model does not export or its scores are more than 1e-4 off.
    """
    if engine not in ("torch", "onnx"):
        raise ValueError(f'engine must be "torch" or "onnx", got {engine!r}')
    try:
        prepared = Prepared(model, x, output=output, recording=recording, like=like, transforms=transforms)
    except (TypeError, ForwardError):
        return None
    recorded = prepared.recording
    if recorded.escaped:
        prepared.level = 3  # what Python has read of one image must not be read of a batch
    elif draws(prepared.model):
        prepared.level = 3  # the same random numbers for each input
    elif "as_strided" in recorded.calls or any(source.shared for one in recorded for source in one.sources):
        prepared.level = max(2, prepared.level)  # memory that has several names is best left to the model
    if engine == "onnx" and prepared.onnx is None:
        with borrow(model):
            prepared.onnx = OnnxPasses(prepared.model, prepared.x, prepared.meaning)
        prepared.level = max(prepared.level, 1)
    return prepared


def current_passes(model: nn.Module, x: Tensor, output: Output, prepared: Prepared | None) -> Prepared | None:
    """`prepared` where it is of this model as it is now and of this input, else the model prepared anew."""
    if prepared is not None and (prepared.version, prepared.output) == (version_of(model), output):
        same = prepared.x.shape == x.shape and prepared.x.dtype == x.dtype
        if same and torch.equal(prepared.x, x):
            return prepared
    return prepare_passes(model, x, output)


def meaning_for(model: nn.Module, x: Tensor, output: Output, prepared: Prepared | None) -> ScoreMeaning:
    """What the model's scores mean; going by their values alone where it cannot be recorded."""
    if prepared is not None:
        return prepared.meaning
    if isinstance(output, ScoreMeaning):
        return output
    with borrow(model):
        return meaning_of(output, model(x.clone()))
