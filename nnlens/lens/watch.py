"""Watching a model while it trains: figures of its layers, checkpoints, and views of any of them."""

from __future__ import annotations

import shutil
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from torch import Tensor
from typing_extensions import Unpack

from nnlens.kernels.training import Checkpoints, History, Measurement, OptimiserSteps
from nnlens.kernels.training.alarms import not_finite
from nnlens.kernels.training.figures import activation_figures, weight_figures
from nnlens.kernels.training.similarity import batch_layers
from nnlens.recording import Recorder, device_of
from nnlens.recording.record import unwrapped
from nnlens.session.training.budget import Budget
from nnlens.session.training.stored import check_weights, empty_folder, read_history, write_history
from nnlens.session.training.watched import checked_numbers, run_folder, watched_batch
from nnlens.widgets.base.documented import documented
from nnlens.widgets.base.options import TrainingOptions

from .lens import Lens
from .replay import Replay

if TYPE_CHECKING:
    from nnlens.widgets import TrainingWidget

_SHARE = 0.04  # of the time of the training
_LAYERS = 48
# The factor from one step to the next, and the seconds after which it comes anyway.
_PACE = {"measure": (1.05, 1.0), "checkpoint": (1.15, 30.0)}
_TELL_EVERY = 0.25  # seconds between two changes of the view


class Watch(Replay):
    """Watches a model while any loop trains it. Call `step` after each step of the optimiser.

    The layers are looked at after each early step, ever less often later, and about once a second, as far as the time
    allows: watching takes at most 4 % of the training's time by default, or some tenths of a second. What goes wrong in
    looking is a warning, and stops nothing.

    Parameters
    ----------
    lens : Lens
        Of the model that is trained.
    images : tensor (n, ...), or images as for `Lens.dataset`
        The inputs on which the layers are looked at, in eval mode; of a data set the first 32.
    every : int, optional
        Look at the layers after so many steps, whatever it costs; else as often as `share` allows.
    share : float
        The share of the training's time that watching may take.
    layers : sequence of str, optional
        The operations whose activations are looked at; by default the activation functions, at most 48 of them.
    folder : path, optional
        Where the checkpoints and the history are written; by default in the user's cache (or NNLENS_CACHE), which
        keeps the latest four trainings.
    megabytes : float
        What the checkpoints may take on the disk.
    checkpoints : int
        How many are kept: all of the early steps, ever fewer of the later ones, and the latest.
    optimiser : bool
        Whether gradients and the optimisers' states are kept with each checkpoint, which then takes two to four times
        the room; see `optimiser_at`.

    Attributes
    ----------
    history : History
        Metrics, measurements and alarms so far.
    checkpoints : Checkpoints
    alarms : list of Alarm
        What usually means that a training goes wrong, in the order in which it was seen.
    count : int
        How many steps there have been.
    stop_requested : bool
        Whether someone asked for the training to end: `if watch.stop_requested: break`.

    Raises
    ------
    ValueError, ForwardError
        For images that the model does not take, and options that do not fit.

    Examples
    --------
    >>> import tempfile, torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU())
    >>> optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> with Watch(Lens(model), torch.eye(2), folder=tempfile.mkdtemp()) as watch:
    ...     loss = model(torch.eye(2)).square().mean()
    ...     loss.backward()
    ...     optimiser.step()
    ...     watch.step(loss=loss)
    >>> watch.history.figure("zeros", "1")[0]
    [1]
    """

    def __init__(
        self,
        lens: Lens,
        images: Any,
        *,
        every: int | None = None,
        share: float = _SHARE,
        layers: Sequence[str] | None = None,
        folder: str | Path | None = None,
        megabytes: float = 500,
        checkpoints: int = 64,
        optimiser: bool = False,
    ):
        if not isinstance(lens, Lens):
            raise TypeError(f"lens must be a Lens, got a {type(lens).__name__}")
        if every is not None and (isinstance(every, bool) or not isinstance(every, int) or every < 1):
            raise ValueError(f"every must be a whole number of at least 1, or None, got {every!r}")
        if not 0 < share < 1:
            raise ValueError(f"share must be between 0 and 1, got {share!r}")
        if isinstance(layers, str):
            raise TypeError(f"layers must be a list of names, got {layers!r}")
        self._lens = lens
        self._every, self._budget = every, Budget(share)
        self._inputs: Tensor | None = watched_batch(lens.session, images)
        model = lens.model
        recording = Recorder(model)(self._inputs)
        names = batch_layers(recording, layers)
        if layers is None and len(names) > _LAYERS:
            names = [names[round(place * (len(names) - 1) / (_LAYERS - 1))] for place in range(_LAYERS)]
        self.layers = tuple(names)
        self._recorder = Recorder(model, only=names)
        self._begin(run_folder() if folder is None else Path(folder).expanduser(), megabytes, checkpoints)
        if len(self.checkpoints):
            raise ValueError(f"folder must hold no checkpoints, got {str(folder)!r}: Watch.load opens a training")
        self._keeps_optimiser = optimiser
        self._optimisers: OptimiserSteps | None = OptimiserSteps(unwrapped(model))
        self._optimisers.look()

    def _begin(self, folder: Path, megabytes: float, checkpoints: int) -> None:
        self.checkpoints = Checkpoints(folder, megabytes=megabytes, most=checkpoints)
        self.history = History()
        self.alarms = self.history.alarms
        self.count = 0
        self.stop_requested = False
        self._replay: Lens | None = None
        self._waiting: list[tuple[int, dict[str, Any]]] = []  # numbers still on the device
        self._started = time.perf_counter()
        self._done: dict[str, tuple[int, float]] = {}  # step and time of the latest measurement and checkpoint
        self._finite = True
        self._starts: dict[str, Tensor] = {}  # of the power iterations
        self._failed = set[str]()
        self._views: WeakSet[TrainingWidget] = WeakSet()
        self._told = 0.0

    def __repr__(self) -> str:
        return (
            f"Watch({self.count} steps, {len(self.history.measurements)} measurements, "
            f"{len(self.checkpoints)} checkpoints in {str(self.checkpoints.folder)!r})"
        )

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # While the model trains.

    def step(self, loss: float | Tensor | None = None, **metrics: float | Tensor) -> None:
        """Tell that the optimiser has made a step.

        Parameters
        ----------
        loss, **metrics : float or tensor of one number
            Of this step. A tensor on another device is read later, so that the training does not wait for it.
        """
        if self._optimisers is None:
            raise ValueError("this Watch is closed, or was loaded: make a new one to watch a training")
        row = checked_numbers({"loss": loss, **metrics})
        self._budget.begin_step()
        self.count += 1
        self._waiting.append((self.count, row))
        if len(self._waiting) > 64 or device_of(self._lens.model).type == "cpu":
            self._read_metrics()
        if self._is_due("measure"):
            self._safely("measure", self._measure)
        if self._is_due("checkpoint"):
            self._safely("checkpoint", self.checkpoint)
        if self._views and time.perf_counter() - self._told > _TELL_EVERY:
            self._safely("view", self._tell)
        self._budget.end_step()

    def _is_due(self, what: str) -> bool:
        if what not in self._done:
            return True
        (step, when), (growth, pause) = self._done[what], _PACE[what]
        if what == "measure" and self._every is not None:
            return self.count - step >= self._every
        due = self.count > growth * step or time.perf_counter() - when > pause
        seconds = 0.0 if self._optimisers is None else self._optimisers.seconds
        return due and (self._every is not None or self._budget.allows(what, seconds))

    def _safely(self, what: str, act: Any) -> None:
        if what in self._failed:
            return
        try:
            self._budget.timed(what, act)
        except Exception as error:
            self._failed.add(what)  # once: the training must not be slowed down by what fails each time
            message = f"watching the training: {what} is given up after {type(error).__name__}: {error}"
            warnings.warn(message, stacklevel=4)

    def _measure(self) -> None:
        """Figures of all layers, once an optimiser has made a step since the last time."""
        assert self._optimisers is not None
        seen = self._optimisers.finish()
        if seen is None:
            return
        self._read_metrics()
        recording = self._recorder(self._inputs)
        measurement = Measurement(
            step=self.count,
            seconds=time.perf_counter() - self._started,
            activations=activation_figures(recording, self.layers),
            weights=weight_figures(unwrapped(self._lens.model), *seen, self._starts),
        )
        self.history.add(measurement)
        for view in list(self._views):
            view.look(self.count, recording)
        self._done["measure"] = self.count, time.perf_counter()
        self._optimisers.look()

    def _read_metrics(self) -> None:
        waiting, self._waiting = self._waiting, []
        for step, row in waiting:
            values = {name: float(value) for name, value in row.items()}
            self.history.metrics.add(step, values)
            loss = values.get("loss", 0.0)
            if self._finite and loss - loss != 0:
                self._finite = False
                self._safely("search for the first NaN", lambda step=step, loss=loss: self._sound(step, loss))

    def _sound(self, step: int, loss: float) -> None:
        self.history.alarms.append(not_finite(self._lens.model, self._inputs, step, loss))

    def checkpoint(self) -> None:
        """Write a checkpoint of the model as it is now, and the history, whether or not one is due."""
        self._read_metrics()
        steps = self._optimisers
        beside = steps.state() if self._keeps_optimiser and steps is not None else None
        self.checkpoints.save(self.count, unwrapped(self._lens.model).state_dict(), beside)
        about = {"model": type(self._lens.model).__name__, "count": self.count, "layers": list(self.layers)}
        write_history(self.checkpoints.folder, self.history, **about)
        self._done["checkpoint"] = self.count, time.perf_counter()

    @property
    def _is_saved(self) -> bool:
        """Whether there is a checkpoint of the latest step."""
        return "checkpoint" in self._done and self._done["checkpoint"][0] == self.count

    def stop(self) -> None:
        """Ask the training to end: `stop_requested` becomes True. The loop reads it, or goes on."""
        self.stop_requested = True

    def close(self) -> None:
        """End watching, with a checkpoint of the last step."""
        if self._optimisers is None:
            return
        if not self._is_saved:
            self._safely("checkpoint", self.checkpoint)
        self._optimisers.close()
        self._optimisers = None
        if self._views:
            self._safely("view", self._tell)

    # What is shown.

    @documented(TrainingOptions)
    def view(self, **options: Unpack[TrainingOptions]) -> TrainingWidget:
        """A view of the training, which follows while it goes on; `watch` at the end of a cell shows the same.

        Parameters
        ----------
        **options
            See below.
        """
        from nnlens.widgets import TrainingWidget

        made = TrainingWidget(self.lens.session, self, **options)
        self._views.add(made)
        return made

    def _repr_mimebundle_(self, **keywords: Any) -> Any:
        return self.view()._repr_mimebundle_(**keywords)

    def _tell(self) -> None:
        for view in list(self._views):
            view.tell()
        self._told = time.perf_counter()

    @property
    def is_running(self) -> bool:
        """Whether it has not been closed."""
        return self._optimisers is not None

    @property
    def cost(self) -> float:
        """The share of the training's time that watching has taken so far."""
        spent = self._budget.spent + (0.0 if self._optimisers is None else self._optimisers.seconds)
        return spent / self._budget.trained if self._budget.trained else 0.0

    @property
    def first_input(self) -> Tensor | None:
        """The first of the watched inputs; None for a training that was loaded."""
        return None if self._inputs is None else self._inputs[:1]

    # Afterwards.

    def save(self, folder: str | Path) -> Path:
        """Copy the checkpoints and the history to a folder, which must be empty or not exist.

        A training that is still watched gets a checkpoint first.
        """
        to = empty_folder(folder)
        if self._optimisers is not None and not self._is_saved:
            self.checkpoint()
        shutil.copytree(self.checkpoints.folder, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
        return to

    @classmethod
    def load(cls, folder: str | Path, lens: Lens) -> Watch:
        """Open a training that was watched before, even one whose kernel was killed.

        Parameters
        ----------
        folder : path
            That of `save`, or of the watched training itself.
        lens : Lens
            Of a model of the same kind, whose weights do not matter.

        Raises
        ------
        ValueError
            For a folder without a watched training, or of another model.
        """
        path = Path(folder).expanduser()
        if not isinstance(lens, Lens):
            raise TypeError(f"lens must be a Lens, got a {type(lens).__name__}")
        history, data = read_history(path)
        made = object.__new__(cls)
        made._lens, made._optimisers, made._every, made._budget = lens, None, None, Budget(_SHARE)
        made.layers, made._inputs = tuple(data["layers"]), None
        made._begin(path, 1e12, 1 << 30)
        made.history, made.alarms, made.count = history, history.alarms, data["count"]
        check_weights(made.checkpoints, lens.model, data["model"])
        return made
