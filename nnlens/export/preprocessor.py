"""Freezing notebooks during nbconvert."""

from __future__ import annotations

from typing import Any

from nbconvert.preprocessors import Preprocessor

from .freeze import freeze_notebook


class FreezePreprocessor(Preprocessor):
    """Makes nnlens's outputs independent of a kernel; other packages' widgets are not changed.

    `jupyter nbconvert --to html --Exporter.preprocessors=nnlens.export.preprocessor.FreezePreprocessor lesson.ipynb`
    """

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Freeze the notebook `nb`; `resources` is returned unchanged."""
        freeze_notebook(nb)
        return nb, resources
