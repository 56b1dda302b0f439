"""Watching a model while it trains: figures of its layers, checkpoints, and views of any of them."""

from __future__ import annotations

import json
import numbers
import shutil
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from torch import Tensor, nn

from nnlens.kernels.training import Alarm, Checkpoints, History, Measurement, OptimiserSteps
from nnlens.kernels.training.alarms import not_finite
from nnlens.kernels.training.figures import activation_figures, weight_figures
from nnlens.kernels.training.history import Json
from nnlens.kernels.training.similarity import batch_layers
from nnlens.recording import Recorder, device_of
from nnlens.recording.record import copy_of, unwrapped
from nnlens.session.training.watched import run_folder, watched_batch
from nnlens.utils.files import replacing

from .lens import Lens

_FORMAT = 1
_HISTORY = "history.json"
_SHARE = 0.04  # of the time of the training
_LAYERS = 48
_GROWTH = 1.15  # from the step of one checkpoint to that of the next …
_SECONDS = 30.0  # … unless so much time has passed
_PAUSE = 10.0  # times the usual step: what takes longer is a pause of the training


class Watch:
    """Watches a model while any loop trains it. Call `step` after each step of the optimiser.

    The time that watching takes is measured, and how often the layers are looked at follows from it: at most 4 % of
    the training's time by default. Nothing that goes wrong in looking stops the training; a warning says what it was.

    Parameters
    ----------
    lens : Lens
        Of the model that is trained.
    images : tensor (n, ...), or images as for `Lens.dataset`
        The inputs on which the layers are looked at, in eval mode; of a data set the first 32.
    every : int, optional
        Look at the layers after so many steps, whatever it costs; by default as often as `share` allows.
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

    Attributes
    ----------
    history : History
        Metrics, measurements and alarms so far.
    checkpoints : Checkpoints
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
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    >>> optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> x = torch.eye(2)
    >>> with Watch(Lens(model), x, every=5, folder=tempfile.mkdtemp()) as watch:
    ...     for step in range(20):
    ...         loss = model(x).square().mean()
    ...         optimiser.zero_grad()
    ...         loss.backward()
    ...         optimiser.step()
    ...         watch.step(loss=loss)
    >>> len(watch.history.figure("zeros", "1")[0])
    4
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
        self._every, self._share = every, share
        self._inputs = watched_batch(lens.session, images)
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
        self._optimisers: OptimiserSteps | None = OptimiserSteps(unwrapped(model))
        self._optimisers.look()

    def _begin(self, folder: Path, megabytes: float, checkpoints: int) -> None:
        self.checkpoints = Checkpoints(folder, megabytes=megabytes, most=checkpoints)
        self.history = History()
        self.count = 0
        self.stop_requested = False
        self._replay: Lens | None = None
        self._waiting: list[tuple[int, dict[str, Any]]] = []  # numbers still on the device
        self._started = time.perf_counter()
        self._spent = 0.0  # seconds in watching
        self._trained = 0.0  # seconds between the steps, without pauses
        self._left: float | None = None  # when the latest step was told
        self._cost = {"measure": 0.0, "checkpoint": 0.0}  # seconds that each took when it was done last
        self._saved = (-1, -1e9)  # step and time of the latest checkpoint
        self._measured = 0
        self._finite = True
        self._failed = set[str]()

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

    @property
    def alarms(self) -> list[Alarm]:
        """What usually means that a training goes wrong, in the order in which it was seen."""
        return self.history.alarms

    # While the model trains.

    def step(self, loss: float | Tensor | None = None, **metrics: float | Tensor) -> None:
        """Tell that the optimiser has made a step.

        Parameters
        ----------
        loss, **metrics : float or tensor of one number
            Of this step. A tensor on another device is read later, so that the training does not wait for it.
        """
        begin = time.perf_counter()
        self._count_time(begin)
        if self._optimisers is None:
            raise ValueError("this Watch is closed, or was loaded: make a new one to watch a training")
        row = {name: value for name, value in {"loss": loss, **metrics}.items() if value is not None}
        for name, value in row.items():
            single = isinstance(value, Tensor) and value.numel() == 1
            if not single and (isinstance(value, Tensor) or not isinstance(value, numbers.Real)):
                raise TypeError(f"{name} must be a number or a tensor of one number, got {value!r}")
        self.count += 1
        self._waiting.append(
            (self.count, {name: value.detach() if isinstance(value, Tensor) else value for name, value in row.items()})
        )
        if len(self._waiting) > 64 or device_of(self._lens.model).type == "cpu":
            self._read_metrics()
        if self._is_due("measure"):
            self._safely("measure", self._measure)
        if self._is_due("checkpoint"):
            self._safely("checkpoint", self.checkpoint)
        self._left = time.perf_counter()
        self._spent += self._left - begin

    def _count_time(self, now: float) -> None:
        """Add the time of the training since the latest step; a much longer pause is not training."""
        if self._left is not None:
            usual = self._trained / (self.count - 1) if self.count > 1 else float("inf")
            self._trained += min(now - self._left, _PAUSE * usual)

    def _is_due(self, what: str) -> bool:
        if what in self._failed:
            return False
        if what == "measure":
            first = not self.history.measurements
            due = first or self.count - self._measured >= (self._every or 1)
        else:
            step, when = self._saved
            first = step < 0
            due = first or self.count >= _GROWTH * step + 1 or time.perf_counter() - when > _SECONDS
        if not due or first or self._every is not None:
            return due
        spent = self._spent + (0.0 if self._optimisers is None else self._optimisers.seconds)
        return spent + self._cost[what] <= self._share * self._trained

    def _safely(self, what: str, act: Any) -> None:
        begin = time.perf_counter()
        try:
            act()
        except Exception as error:
            self._failed.add(what)  # once: the training must not be slowed down by what fails each time
            message = f"watching the training: {what} is given up after {type(error).__name__}: {error}"
            warnings.warn(message, stacklevel=4)
        self._cost[what] = time.perf_counter() - begin

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
            weights=weight_figures(unwrapped(self._lens.model), *seen),
        )
        self.history.add(measurement)
        self._measured = self.count
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
        self.checkpoints.save(self.count, unwrapped(self._lens.model).state_dict())
        self._write_history()
        self._saved = self.count, time.perf_counter()

    def _write_history(self) -> None:
        data: dict[str, Json] = {
            "format": _FORMAT,
            "model": type(self._lens.model).__name__,
            "count": self.count,
            "layers": list(self.layers),
            "history": self.history.as_json(),
        }
        with replacing(self.checkpoints.folder / _HISTORY) as file:
            file.write(json.dumps(data).encode())

    def stop(self) -> None:
        """Ask the training to end: `stop_requested` becomes True. The loop reads it, or goes on."""
        self.stop_requested = True

    def close(self) -> None:
        """End watching, with a checkpoint of the last step."""
        if self._optimisers is None:
            return
        self._optimisers.close()
        self._optimisers = None
        if self._saved[0] != self.count:
            self._safely("checkpoint", self.checkpoint)

    # Afterwards, or in between.

    @property
    def lens(self) -> Lens:
        """A lens of a copy of the model, in which `go_to` loads checkpoints; its views follow.

        The model that trains is not touched.
        """
        if self._replay is None:
            self._replay = self._lens.with_model(copy_of(self._lens.model).eval())
        return self._replay

    def go_to(self, step: int) -> int:
        """Load the checkpoint that is nearest to a step into `lens`: all its open views show it.

        Returns
        -------
        int
            The step of the checkpoint.

        Raises
        ------
        ValueError
            Before the first checkpoint.
        """
        nearest = self.checkpoints.nearest(step)
        self.lens.model.load_state_dict(self.checkpoints.load(nearest))
        self.lens.session.renew_views()
        return nearest

    def at(self, step: int) -> Lens:
        """A lens of its own for the checkpoint that is nearest to a step, for example for `nnlens.compare`."""
        model: nn.Module = copy_of(self._lens.model).eval()
        model.load_state_dict(self.checkpoints.load(self.checkpoints.nearest(step)))
        return self._lens.with_model(model)

    def save(self, folder: str | Path) -> Path:
        """Copy the checkpoints and the history to a folder, which must be empty or not exist.

        A training that is still watched gets a checkpoint first.
        """
        to = Path(folder).expanduser()
        if to.exists() and (not to.is_dir() or any(to.iterdir())):
            raise ValueError(f"folder must be empty or not exist, got {str(folder)!r}")
        if self._optimisers is not None and self._saved[0] != self.count:
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
        try:
            data = json.loads((path / _HISTORY).read_text("utf-8"))
            known = data["format"] == _FORMAT
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"folder must hold a watched training, got {str(folder)!r}: {error}") from error
        if not known:
            raise ValueError(f"folder must hold a training of format {_FORMAT}, got format {data['format']!r}")
        made = object.__new__(cls)
        made._lens, made._optimisers, made._every, made._share = lens, None, None, _SHARE
        made.layers = tuple(data["layers"])
        made._begin(path, 1e12, 1 << 30)
        made.history, made.count = History.from_json(data["history"]), data["count"]
        steps = made.checkpoints.steps
        if steps:
            stored, own = made.checkpoints.load(steps[-1]), unwrapped(lens.model).state_dict()
            if {name: item.shape for name, item in stored.items()} != {name: item.shape for name, item in own.items()}:
                raise ValueError(
                    f"lens must be of a model with the same weights as the {data['model']} that was trained, "
                    f"got a {type(lens.model).__name__}"
                )
        return made
