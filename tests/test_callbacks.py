"""Watching the loops of Hugging Face and Lightning, where they are installed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import nnlens


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, x: torch.Tensor, labels: torch.Tensor | None = None):
        scores = self.layers(x)
        return scores if labels is None else {"loss": (scores[:, 0] - labels).square().mean(), "logits": scores}


ROWS = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))


def watch_of(model: nn.Module, folder) -> nnlens.Watch:
    return nnlens.Watch(nnlens.Lens(model), ROWS[:8], every=1, folder=folder)


def test_a_callback_of_transformers(tmp_path):
    """What a Trainer calls, in its order."""
    pytest.importorskip("transformers")
    from transformers import TrainerControl, TrainerState

    model = Model()
    watch = watch_of(model, tmp_path / "run")
    callback = nnlens.transformers_callback(watch)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    control = TrainerControl()
    for step in range(3):
        model(ROWS, ROWS[:, 0])["loss"].backward()
        optimiser.step()
        model.zero_grad()
        callback.on_step_end(None, TrainerState(), control)
        callback.on_log(None, TrainerState(), control, logs={"loss": 1.0 - step / 4, "epoch": 0.5, "note": "x"})
    assert watch.history.metrics.values["loss"][1:] == [1.0, 0.75]
    assert "epoch" not in watch.history.metrics.values
    assert len(watch.history.measurements) == 3
    assert not control.should_training_stop
    watch.stop()
    callback.on_step_end(None, TrainerState(), control)
    assert control.should_training_stop
    callback.on_train_end(None, TrainerState(), control)
    assert not watch.is_running


def test_a_trainer_of_transformers(tmp_path):
    pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    from transformers import Trainer, TrainingArguments

    model = Model()
    watch = watch_of(model, tmp_path / "run")
    settings = TrainingArguments(
        output_dir=str(tmp_path / "out"),
        num_train_epochs=2,
        per_device_train_batch_size=8,
        logging_steps=1,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
    )
    data = [{"x": row, "labels": row[0]} for row in ROWS]
    Trainer(model, settings, train_dataset=data, callbacks=[nnlens.transformers_callback(watch)]).train()
    assert watch.count == 16
    assert len(watch.history.measurements) == 16
    assert watch.history.measurements[-1].weights[0].gradient > 0
    assert watch.history.metrics.latest("loss") > 0
    assert not watch.is_running


@pytest.mark.filterwarnings("ignore")  # its own
def test_a_trainer_of_lightning(tmp_path):
    lightning = pytest.importorskip("pytorch_lightning")

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Model()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x)

        def training_step(self, batch: list[torch.Tensor], place: int) -> torch.Tensor:
            return (self(batch[0])[:, 0] - batch[0][:, 0]).square().mean()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.05)

    module = Module()
    watch = watch_of(module, tmp_path / "run")
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(ROWS), batch_size=8)
    trainer = lightning.Trainer(
        max_epochs=2,
        accelerator="cpu",
        accumulate_grad_batches=2,
        callbacks=[nnlens.lightning_callback(watch)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, loader)
    assert watch.count == 8
    assert len(watch.history.measurements) == 8
    assert watch.history.metrics.latest("loss") > 0
    assert not watch.is_running
