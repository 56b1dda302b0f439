"""Two models side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import Unpack

from nnlens.widgets.base.documented import documented
from nnlens.widgets.base.options import CompareOptions

from .inputs import given_inputs
from .lens import Lens

if TYPE_CHECKING:
    from nnlens.widgets import CompareWidget


@documented(CompareOptions)
def compare(first: Lens, second: Lens, image: Any, **options: Unpack[CompareOptions]) -> CompareWidget:
    """Two models, or two checkpoints of one, side by side on one image, with the differences.

    Parameters
    ----------
    first, second : Lens
        Two models with the same classes; layers are compared that have the same name in both.
    image : as for `Lens.explore`
        It must become an input of the same size for both.
    **options
        See below.
    """
    from nnlens.widgets import CompareWidget

    for name, lens in (("first", first), ("second", second)):
        if not isinstance(lens, Lens):
            raise TypeError(f"{name} must be a Lens, got a {type(lens).__name__}")
    with first.session.selections.unchanged_on_error():
        (one, chosen), (other, _none) = (
            given_inputs(lens.session, image, options, CompareOptions) for lens in (first, second)
        )
        return CompareWidget(first.session, one, second.session, other, **chosen)
