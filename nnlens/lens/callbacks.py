"""Watching the training loops of Hugging Face and of PyTorch Lightning."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .watch import Watch


def transformers_callback(watch: Watch) -> Any:
    """A callback for `transformers.Trainer(…, callbacks=[…])`.

    What the Trainer logs (loss, learning rate) appears at the step after the one that it was logged at: a Trainer tells
    its callbacks of a step before it computes these numbers. `watch.stop` ends the training after the current step.

    Parameters
    ----------
    watch : Watch
        Of the model that the Trainer trains; closed when the training ends.

    Raises
    ------
    ImportError
        Without the package `transformers`.
    """
    from transformers import TrainerCallback

    class WatchCallback(TrainerCallback):
        def __init__(self) -> None:
            self.logged: dict[str, float] = {}

        def on_step_end(self, args: Any, state: Any, control: Any, **keywords: Any) -> Any:
            numbers, self.logged = self.logged, {}
            watch.step(**numbers)
            if watch.stop_requested:
                control.should_training_stop = True
            return control

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **keywords: Any) -> None:
            plain = {name: value for name, value in (logs or {}).items() if isinstance(value, (int, float))}
            self.logged = {name: value for name, value in plain.items() if name != "epoch"}

        def on_train_end(self, args: Any, state: Any, control: Any, **keywords: Any) -> None:
            watch.close()

    return WatchCallback()


def lightning_callback(watch: Watch) -> Any:
    """A callback for the `Trainer` of PyTorch Lightning.

    Parameters
    ----------
    watch : Watch
        Of the LightningModule, or of a model in it; closed when the training ends. With accumulated gradients it is
        told of the steps of the optimiser only.

    Raises
    ------
    ImportError
        Without the package `lightning` or `pytorch_lightning`.
    """
    try:
        from lightning.pytorch import Callback
    except ImportError:
        from pytorch_lightning import Callback

    class WatchCallback(Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.seen = 0

        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *_: Any) -> None:
            if trainer.global_step == self.seen:
                return
            self.seen = trainer.global_step
            loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
            watch.step(loss=loss if isinstance(loss, Tensor) else None)
            if watch.stop_requested:
                trainer.should_stop = True

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            watch.close()

    return WatchCallback()
