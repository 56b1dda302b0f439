from __future__ import annotations

import numpy as np
import pytest
import torch
from nets import LABELS, Net
from PIL import Image

import nnlens
from nnlens.kernels.occlusion import engine
from nnlens.passes import whole_passes


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _windows_of_small_images(monkeypatch):
    """Small images are computed on windows too, whatever is faster here: what a test sees must not hang on time."""
    monkeypatch.setattr(engine, "SMALL", 0)


@pytest.fixture(autouse=True)
def _one_engine(monkeypatch):
    """What takes long stays with the engine that it began on, for the same reason."""
    monkeypatch.setattr(whole_passes, "PATIENT", float("inf"))


@pytest.fixture(autouse=True)
def _automatic_mode():
    yield
    nnlens.set_mode(None)


@pytest.fixture
def net() -> Net:
    model = Net()
    # Running statistics that are not the initial ones: a borrower that moves them is caught.
    model(torch.randn(4, 3, 32, 32))
    return model.eval()


@pytest.fixture
def photo() -> np.ndarray:
    rows, columns = np.mgrid[0:40, 0:48]
    return np.stack([rows * 6, columns * 5, (rows + columns) % 255], 2).astype(np.uint8)


@pytest.fixture
def picture(photo: np.ndarray) -> Image.Image:
    return Image.fromarray(photo)


@pytest.fixture
def lens(net: Net) -> nnlens.Lens:
    return nnlens.Lens(net, preprocess={"size": 32, "mean": 0.5, "std": 0.25}, labels=LABELS)
