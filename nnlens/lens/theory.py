"""Theories of learning as views."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import Unpack

from nnlens import zoo
from nnlens.widgets.base.documented import documented
from nnlens.widgets.base.options import TheoryOptions

from .lens import Lens

if TYPE_CHECKING:
    from nnlens.widgets import TheoryWidget


@documented(TheoryOptions)
def theory(name: str = "edge of stability", lens: Lens | None = None, **options: Unpack[TheoryOptions]) -> TheoryWidget:
    """A theory of learning beside a small experiment that takes seconds: its curve and what is measured on one chart.

    Parameters
    ----------
    name : str
        "edge of stability", "edge of chaos", "double descent", "neural collapse", "tangent kernel",
        "information plane" or "scattering".
    lens : Lens, optional
        Of a trained model, whose layers "edge of chaos" shows beside the theory; `zoo.digits` by default.
    **options
        See below.

    Raises
    ------
    ValueError
        For another name, and settings that do not fit.
    """
    from nnlens.widgets import TheoryWidget

    if lens is None:
        model, preprocess, labels = zoo.digits()
        lens = Lens(model, preprocess=preprocess, labels=labels)
    elif not isinstance(lens, Lens):
        raise TypeError(f"lens must be a Lens, got a {type(lens).__name__}")
    with lens.session.selections.unchanged_on_error():
        return TheoryWidget(lens.session, name, **options)
