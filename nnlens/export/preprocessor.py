"""Freezing on the way through nbconvert."""

from __future__ import annotations

from typing import Any

from nbconvert.preprocessors import Preprocessor

from .freeze import freeze_notebook


class FreezePreprocessor(Preprocessor):
    """Makes nnlens's outputs stand alone; other packages' widgets stay as they are.

    `jupyter nbconvert --to html --Exporter.preprocessors=nnlens.export.preprocessor.FreezePreprocessor lesson.ipynb`
    """

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        freeze_notebook(nb)
        return nb, resources
