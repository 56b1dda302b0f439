"""The notebooks run from top to bottom; the tour is run in a browser, as the README's command opens it."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "notebooks"


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
    assert "directions are stronger than in random weights" in words
    assert "same top class on" in words
