"""The notebooks run from top to bottom; the tour is run in a browser, as the README's command opens it."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "notebooks"
# What the cells of a notebook print, where all went well.
SAID = {
    "01-your-own-model.ipynb": [
        "the extra beat lies at samples (",
        "costs the most",
        "hiding 6 × 6 pixels at",
        "the nearest is image 7",
    ],
    "02-weights.ipynb": ["directions are stronger than in random weights", "same top class on"],
    "03-reading.ipynb": [
        "the best cell of 1024",
        "held at",
        "read from the last state",
        "the word with the largest effect",
    ],
    "04-functions.ipynb": [
        "the largest difference from the network at 1000 points",
        "linear pieces; in the whole plane about 512 at initialisation",
        "the nearest border is",
        "relative changes are",
        "linear: fails at",
        "the largest exponent is",
    ],
    "05-training.ipynb": [
        "of the held-out digits are right",
        "change of zeros in layer 2",
        "% of the variance of the checkpoints",
        "more alike than with shuffled inputs",
        "gradient descent is stable below 6.67",
        "After 20 layers the theory says",
        "On digits the peak is at 200 features",
        "in full collapse all −0.11",
        "networks of 32 units",
        "ReLU: I(X; T)",
        "the nearest mean is right for",
    ],
}


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.ipynb") if path.name != "00-tour.ipynb"))
@pytest.mark.filterwarnings("ignore")
def test_a_notebook_runs(name):
    pytest.importorskip("efficientnet_lite_pytorch")
    book = nbformat.read(FOLDER / name, as_version=4)
    done = NotebookClient(book, timeout=240, kernel_name="python3").execute()
    for cell in done.cells:
        assert not [output for output in cell.get("outputs", []) if output.output_type == "error"]
    words = "\n".join(
        output.get("text", "")
        for cell in done.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    )
    for part in SAID[name]:
        assert part in words
