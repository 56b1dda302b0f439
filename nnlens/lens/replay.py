"""Going back in a training that was watched: its checkpoints in views, in films and beside each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from typing_extensions import Unpack

from nnlens.kernels.training import Checkpoints, Film, film_steps
from nnlens.recording.record import copy_of
from nnlens.widgets.base.documented import documented
from nnlens.widgets.base.options import CompareOptions

from .inputs import given_inputs
from .lens import Lens

if TYPE_CHECKING:
    from nnlens.widgets import CompareWidget, TrainingWidget


class Replay:
    """What `Watch` inherits: any checkpoint in any view."""

    checkpoints: Checkpoints
    _lens: Lens
    _replay: Lens | None
    _views: Iterable[TrainingWidget]

    @property
    def first_input(self) -> Tensor | None:
        """The first of the watched inputs; None for a training that was loaded."""
        raise NotImplementedError

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
            The step of the checkpoint; ValueError before the first one.
        """
        nearest = self.checkpoints.nearest(step)
        self.load_at(nearest)
        for view in list(self._views):
            view.shown_step = nearest
        return nearest

    def load_at(self, step: int) -> None:
        """Load a checkpoint into `lens`, and show it in its views."""
        self.lens.model.load_state_dict(self.checkpoints.load(step))
        self.lens.session.renew_views()

    def at(self, step: int) -> Lens:
        """A lens of its own for the checkpoint that is nearest to a step, for example for `nnlens.compare`."""
        model: nn.Module = copy_of(self._lens.model).eval()
        model.load_state_dict(self.checkpoints.load(self.checkpoints.nearest(step)))
        return self._lens.with_model(model)

    def optimiser_at(self, step: int) -> dict[str, dict[str, Tensor]]:
        """Gradients and the optimisers' states at the checkpoint that is nearest to a step.

        Returns
        -------
        dict
            Of each parameter by its name: "gradient", and what its optimiser keeps ("exp_avg", "momentum_buffer", …).

        Raises
        ------
        ValueError
            If the Watch was not made with `optimiser=True`.
        """
        found = self.checkpoints.load_beside(step)
        if not found:
            raise ValueError("the checkpoints hold no optimiser: make the Watch with optimiser=True")
        return found

    def film(self, layer: str, *, units: Sequence[int] | int = 16, image: Any = None) -> Film:
        """The maps of a layer's units at every checkpoint; `.save("units.gif")` writes an animation.

        Parameters
        ----------
        layer : str
            An operation or a module's path.
        units : sequence of int, or int
            Which, or how many: then those whose maps vary most at the latest checkpoint.
        image : as for `Lens.explore`, optional
            The input; the first of the watched ones by default.
        """
        x = self.first_input if image is None else self._lens.session.input_of(image).x
        if x is None:
            raise ValueError("image must be given for a training that was loaded")
        return list(film_steps(self._lens.model, self.checkpoints, x, layer, units=units))[-1]

    @documented(CompareOptions)
    def compare(
        self,
        image: Any = None,
        *,
        first: int | None = None,
        second: int | None = None,
        **options: Unpack[CompareOptions],
    ) -> CompareWidget:
        """Any two checkpoints side by side on one image, with their differences, and a slider for each.

        Parameters
        ----------
        image : as for `Lens.explore`, optional
            The first of the watched inputs by default.
        first, second : int, optional
            Steps of which the nearest checkpoints are shown first; the earliest and the latest by default.
        **options
            See below.

        Raises
        ------
        ValueError
            Before the first checkpoint; without an image for a training that was loaded.
        """
        from nnlens.widgets import CompareWidget

        shown = self.first_input if image is None else image
        if shown is None:
            raise ValueError("image must be given for a training that was loaded")
        steps = self.checkpoints.steps
        chosen = [
            self.checkpoints.nearest(asked if asked is not None else steps[place] if steps else 0)
            for asked, place in ((first, 0), (second, -1))
        ]
        sides = [self.at(step).session for step in chosen]
        (one, others), (other, _none) = (given_inputs(side, shown, options, CompareOptions) for side in sides)
        checkpoints = self.checkpoints, chosen[0], chosen[1]
        return CompareWidget(sides[0], one, sides[1], other, checkpoints=checkpoints, **others)
