"""Computing the scores under an occluder: on windows where possible, and always checked against the model."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from nnlens.passes.batches import out_of_memory
from nnlens.passes.convolutions import channels_last
from nnlens.passes.prepared import TRIALS, WHOLE, Prepared
from nnlens.passes.trust import Level, Reference
from nnlens.recording import OtherPathError, borrow, draw_alike, draws, record
from nnlens.recording.borrow import BeforeWriting, lend
from nnlens.scores.meaning import ScoreMeaning
from nnlens.utils.language import _

from .occluder import Occluder
from .windows.incremental import Incremental, plan_for
from .windows.plan import OperationPlan
from .windows.tail import onnx_tail

Way = Literal["windows", "tail", "whole"]
WINDOWS: Way = "windows"  # and the rest on torch
TAIL: Way = "tail"  # windows, and the rest on ONNX Runtime

SMALL = 96 * 96  # pixels: of smaller images whole passes may be the faster ones, which is tried out
FEW = 0.05  # the share of operations on windows, below which the same is tried out
CLOSE = 1.4  # times the time of the fastest way
BATCHED = 4  # at most so many times as fast is one of many inputs of ONNX Runtime as a single one
AT_ONCE = 4 * 224 * 224  # pixels of a whole pass: more do not fit into a CPU's caches
SHALLOW = 0.5  # the share that may change on windows, where what follows runs on ONNX Runtime and is cheaper
BLOCK = 16  # positions at once on a CPU: more do not fit into its caches


class Engine:
    """Computes the scores under an occluder, on windows where it can, and checks itself against the model.

    It runs at one of the levels of `passes.trust.Level`, and at a safer one where a pass fails or its scores are not
    the model's own. `how` says in words which is in use.
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
        eps = torch.finfo(window.x.dtype).eps if prepared is None else prepared.eps
        self.reference = Reference(model, window.x, meaning, eps)
        self.even = False
        self._restore_buffers: Callable[[BeforeWriting], None] | None = None  # while the model is borrowed
        self.draws = draws(model)  # then every position must see the same random numbers
        self.incremental: Incremental | None = None
        self.level = Level.MODEL if prepared is None else prepared.trust.level
        if watched and prepared is not None and not prepared.can_watch(watched):
            self.level = max(Level.MODEL, self.level)
        x = window.x
        is_small = x.shape[2] * x.shape[3] <= SMALL
        self.chooses = not watched and x.device.type == "cpu" and is_small and prepared is not None
        self.way: Way = WINDOWS  # which one was the fastest
        self.shallow: Incremental | None = None  # the plan whose tail runs on ONNX Runtime
        if self.level == Level.WINDOWS and prepared is not None:
            self.incremental = plan_for(prepared, window.size, tops, lefts, watched=watched)
            local = sum(share.local for share in self.incremental.plan)
            if not local:
                self.level = Level.PREPARED
            # In a transformer little more than the embedding of the patches is local.
            elif not watched and x.device.type == "cpu" and local < FEW * len(self.incremental.plan):
                self.chooses = True

    @contextmanager
    def borrowed(self) -> Iterator[None]:
        """The model, borrowed for a batch; inside another one of these blocks, for all its batches at once."""
        if self._restore_buffers is not None:
            yield
            if self.way != TAIL:  # of which the model itself runs nothing
                self._restore_buffers(lambda _: None)
            return
        with lend(self.model) as self._restore_buffers:
            try:
                yield
            finally:
                self._restore_buffers = None

    @property
    def is_lent(self) -> bool:
        """Whether the model is borrowed at present."""
        return self._restore_buffers is not None

    @property
    def plan(self) -> tuple[OperationPlan, ...]:
        """How each operation is computed; empty where whole passes run."""
        if self.level > Level.WINDOWS or self.incremental is None or self.way == WHOLE:
            return ()
        return tuple(self._used(self.incremental).plan)

    def _used(self, incremental: Incremental) -> Incremental:
        """The plan that is in use."""
        return self.shallow if self.way == TAIL and self.shallow is not None else incremental

    @property
    def how(self) -> str:
        """How the positions are computed, in words."""
        if self.level == Level.WINDOWS and self.incremental is not None and self.way != WHOLE:
            local = sum(share.local for share in self.plan)
            count = len(self.plan)
            if self.way == TAIL:
                return _("{local} of {count} operations on windows, the rest on ONNX Runtime", local=local, count=count)
            return _("{local} of {count} operations on windows, the rest whole", local=local, count=count)
        prepared = self.prepared
        if self.level <= Level.PREPARED and prepared is not None and prepared.onnx is not None:
            return _("whole passes on ONNX Runtime")
        if self.way == WHOLE:
            return _("whole passes of the prepared model, which are faster here")
        words = (
            "",
            _("whole passes of the prepared model"),
            _("whole passes"),
            _("whole passes, one position at a time"),
        )
        return words[self.level] + (_(", each with the same random numbers") if self.draws else "")

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
                if out_of_memory(error) or self.level == Level.SINGLE:
                    raise
                if self.level == Level.MODEL:
                    self._fall_back(Level.SINGLE)  # it may accept only one image at a time
                    continue
                if not isinstance(error, OtherPathError):
                    said = f"{type(error).__name__}: {error}"
                    warnings.warn(f"occlusion continues with whole passes: {self.how} failed ({said})", stacklevel=2)
                self._fall_back(Level.MODEL if isinstance(error, OtherPathError) else Level(self.level + 1))

    def _compute(self, rows: np.ndarray, columns: np.ndarray) -> Tensor:
        tops, lefts = self.tops[rows], self.lefts[columns]
        with self.borrowed():
            if self.level == Level.WINDOWS and self.incremental is not None and self.prepared is not None:
                return self._faster(self.prepared, self.incremental, rows, columns)
            batch = self.window.cover(tops, lefts)
            if self.level == Level.PREPARED and self.prepared is not None:
                if not self.watched:
                    return self.prepared.whole(channels_last(batch))
                return self.prepared(channels_last(batch), None, self.seen.append, self.watched)
        return torch.cat([self._plainly(part) for part in (batch.split(1) if self.level == Level.SINGLE else (batch,))])

    def _faster(self, prepared: Prepared, incremental: Incremental, rows: np.ndarray, columns: np.ndarray) -> Tensor:
        """In the fastest of the ways there are for this model and image; each of them is tried out first."""
        if self.watched or not (self.chooses or prepared.onnx is not None):
            return self._on_windows(incremental, rows, columns)
        self.way = self._fastest(prepared, self._ways(prepared))
        began = time.perf_counter()
        if self.way == WHOLE:
            several = range(0, len(rows), max(1, AT_ONCE // self.window.x[0, 0].numel()))
            parts = [slice(start, start + several.step) for start in several]
            result = torch.cat([self._whole(prepared, rows[part], columns[part]) for part in parts])
        else:
            result = self._on_windows(self._used(incremental), rows, columns)
        if len(rows) >= BLOCK:
            prepared.note_pace(self._key(self.way), (time.perf_counter() - began) / len(rows))
        return result

    def _ways(self, prepared: Prepared) -> list[Way]:
        """The ways that are worth trying."""
        ways: list[Way] = [WINDOWS]
        if prepared.reproducible:
            return ways
        if self.shallow is not None and onnx_tail(self.shallow) is not None:
            ways.append(TAIL)
        pace = prepared.pace(self._key(WINDOWS))
        if self.chooses or (prepared.onnx is not None and prepared.onnx.seconds < BATCHED * pace):
            ways.append(WHOLE)
        return ways

    def _fastest(self, prepared: Prepared, ways: list[Way]) -> Way:
        """The way with the least measured time; one that was tried too seldom goes first."""
        paces = {way: prepared.pace(self._key(way)) for way in ways}
        least = min(paces.values())
        # The first trials of a way prepare something, and tell less: a way that comes close is tried again.
        trials = {way: TRIALS if paces[way] > CLOSE * least else 2 * TRIALS for way in ways}
        seldom = [way for way in ways if len(prepared.paces[self._key(way)]) < trials[way]]
        if seldom:
            return min(seldom, key=lambda way: len(prepared.paces[self._key(way)]))
        return min(ways, key=lambda way: paces[way])

    def _key(self, way: Way) -> Hashable:
        return WHOLE if way == WHOLE else (way, self.window.size, self.window.mask is None)

    def _whole(self, prepared: Prepared, rows: np.ndarray, columns: np.ndarray) -> Tensor:
        batch = self.window.cover(self.tops[rows], self.lefts[columns])
        return prepared.whole(batch if prepared.onnx is not None else channels_last(batch))

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
            # Blocks of one size: for another size the CPU's library has to compile new code.
            more = np.full(-count % BLOCK, count - 1)
            rows, columns = (np.append(item, item[more]) for item in (rows, columns))
        under = self.window.under(self.tops[rows], self.lefts[columns])
        blocks = []
        block = BLOCK if self.window.x.device.type == "cpu" else len(rows)
        for start in range(0, len(rows), block):
            some = slice(start, start + block)
            fill = under if under.ndim == 3 else under[some]
            blocks.append(incremental.local(rows[some], columns[some], fill, self.window.mask))
        handed = {name: torch.cat([block[name] for block in blocks]) for name in blocks[0]}
        tail = onnx_tail(incremental) if incremental is self.shallow else None
        if tail is not None and incremental.prepared.onnx is not None:
            return incremental.prepared.onnx.read(tail(*(handed[name] for name in incremental.handed)))[:count]
        return incremental.finish(handed, self.seen.append if self.watched else None)[:count]

    def check(self, rows: np.ndarray, columns: np.ndarray, scores: np.ndarray) -> bool:
        """Whether these scores are the model's own, position by position; if not, falls back to a safer level."""
        with borrow(self.model):
            own = self.reference.scores(self.window.cover(self.tops[rows], self.lefts[columns])).cpu()
        difference = self.reference.difference(torch.from_numpy(scores), own)
        if difference <= self.reference.tolerance(own):
            return True
        if self.level == Level.SINGLE:
            words = "draws random numbers of its own" if self.draws else "gives different results from run to run"
            warnings.warn(f"the model {words}: its scores for the same input differ by {difference:.1g}", stacklevel=2)
        else:
            warnings.warn(
                f"occlusion continues with safer passes: {self.how} were off from the model's own by {difference:.1g}",
                stacklevel=2,
            )
            self._fall_back(Level(self.level + 1))
        return False

    def unchecked(self, places: np.ndarray) -> list[np.ndarray]:
        """Which of these positions (n, 2) are still to be checked.

        All of them for a new model or kind of input; after that the first one of every plan.
        """
        if self.prepared is None:
            return []
        if not self.prepared.trust.windows_checked:
            return list(places)
        return list(places[:1]) if self.incremental is not None and not self.incremental.checked else []

    def is_sure(self, places: np.ndarray, scores: np.ndarray) -> bool:
        """`check` at these positions (n, 2) of a map of scores; and, once, that images of a batch are independent."""
        assert self.prepared is not None
        if not self.prepared.trust.windows_checked and self.level < Level.SINGLE and self.mixes():
            words = "the model's scores depend on what else is in a batch: positions are now run one at a time"
            warnings.warn(words, stacklevel=2)
            self._fall_back(Level.SINGLE)
            return False
        rows, columns = places.T
        sure = self.check(rows, columns, scores[rows, columns])
        self.prepared.trust.windows_checked = sure or self.level == Level.SINGLE
        if self.incremental is not None:
            self.incremental.checked = sure
        return sure

    def mixes(self) -> bool:
        """Whether the model's scores of one image depend on what else is in its batch."""
        return not self.reference.agrees_on_batches(lambda batch: self.meaning.read(self.model(batch), len(batch)))

    def _fall_back(self, level: Level) -> None:
        self.level = level
        if self.prepared is not None:
            self.prepared.trust.fall_back(level)

    def batches(self, value: int | None, total: int) -> tuple[int, int]:
        """How many positions the first batch has, and how many the later ones."""
        if value is not None:
            return value, value
        if self.window.x.device.type != "cpu":
            return 64, 128
        if self.level > Level.WINDOWS or self.incremental is None:
            return 4, 4
        self.even = total >= BLOCK
        if self.even and self.prepared is not None and self.prepared.onnx is not None:
            places = self.window.size, self.tops, self.lefts
            self.shallow = plan_for(self.prepared, *places, most=SHALLOW)
        if self.chooses:
            return BLOCK, 4 * BLOCK
        # If the operations that are computed whole have large weights, many positions share reading them.
        many = int(self.incremental.weights // 2**20) // BLOCK * BLOCK
        return BLOCK, max(BLOCK, min(many, 4 * BLOCK))
