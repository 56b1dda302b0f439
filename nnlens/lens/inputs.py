"""The methods of `Lens` that look at an image, or at another input of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import numpy as np
from torch import Tensor
from typing_extensions import Unpack

from nnlens.inputs.laid_out import forward_names, takes_any_name
from nnlens.recording.record import unwrapped
from nnlens.session.session import Session
from nnlens.session.text.explained import explained
from nnlens.session.varying.changes import other_varied
from nnlens.widgets.base.documented import documented
from nnlens.widgets.base.options import (
    ActivationsOptions,
    AttributionOptions,
    CompareOptions,
    ExamplesOptions,
    ExploreOptions,
    OcclusionOptions,
    UnitOptions,
    sharding_options,
)

if TYPE_CHECKING:
    from nnlens.widgets import (
        ActivationsWidget,
        AttributionWidget,
        CompareWidget,
        ExamplesWidget,
        Explorer,
        OcclusionWidget,
        UnitWidget,
    )


class InputViews:
    """What `Lens` inherits: views of an input, and of what the model computes from it."""

    _session: Session

    @documented(ExploreOptions)
    def explore(self, image: Any = None, **options: Unpack[ExploreOptions]) -> Explorer:
        """The explorer: photograph, occluder, layers, mosaic and unit, all linked.

        Parameters
        ----------
        image : path, bytes, PIL image, uint8 array or ready tensor, optional
            The image; the latest one if left out.
        **options
            See below.
        """
        from nnlens.widgets import Explorer

        with self._session.selections.unchanged_on_error():
            value, chosen = given_inputs(self._session, image, options, ExploreOptions)
            return Explorer(self._session, value, **chosen)

    @documented(ActivationsOptions)
    def activations(self, image: Any = None, **options: Unpack[ActivationsOptions]) -> ActivationsWidget:
        """The layer picker, the mosaic of a layer's maps and one unit enlarged.

        Parameters
        ----------
        image : optional
            Any input of the model (an image, a tensor of token ids, a dictionary of keywords); the latest one if left
            out. The model need not give scores.
        **options
            See below.
        """
        from nnlens.widgets import ActivationsWidget

        with self._session.selections.unchanged_on_error():
            value, chosen = given_inputs(self._session, image, options, ActivationsOptions, any_input=True)
            return ActivationsWidget(self._session, value, **chosen)

    @documented(OcclusionOptions)
    def occlusion(self, image: Any = None, **options: Unpack[OcclusionOptions]) -> OcclusionWidget:
        """The photograph with the occluder under the mouse, and the map of the whole experiment.

        Parameters
        ----------
        image : optional
            As for `explore`.
        **options
            See below.
        """
        from nnlens.widgets import OcclusionWidget

        with self._session.selections.unchanged_on_error():
            value, chosen = given_inputs(self._session, image, options, OcclusionOptions)
            return OcclusionWidget(self._session, value, **chosen)

    @documented(UnitOptions)
    def unit(self, image: Any = None, **options: Unpack[UnitOptions]) -> UnitWidget:
        """One unit: its map, back-projection, examples, synthesised image, connections and ablation.

        Parameters
        ----------
        image : optional
            As for `explore`.
        **options
            See below.
        """
        from nnlens.widgets import UnitWidget

        with self._session.selections.unchanged_on_error():
            value, chosen = given_inputs(self._session, image, options, UnitOptions)
            return UnitWidget(self._session, value, **chosen)

    @documented(AttributionOptions)
    def attribution(self, image: Any = None, **options: Unpack[AttributionOptions]) -> AttributionWidget:
        """Attributions side by side, a column for each method, and under each the evidence that could refute it.

        Parameters
        ----------
        image : optional, or a list
            As for `explore`. A list of up to six images gives a row to each. For a lens with a tokenizer, a text: its
            tokens are shown as cells of a picture, and words take the place of superpixels.
        **options
            See below.
        """
        from nnlens.widgets import AttributionWidget

        with self._session.selections.unchanged_on_error():
            selections = self._session.selections
            latest = None if image is not None or selections.is_empty else selections.latest.sample.input
            if latest is not None and latest.is_tokens and latest.text is not None:
                image = latest.text.text
            if isinstance(image, str) and self._session.setup.codec is not None:
                session, value = explained(self._session, image, options.get("token"))
                return AttributionWidget(session, value, **options)
            value, chosen = given_inputs(self._session, image, options, AttributionOptions)
            return AttributionWidget(self._session, value, **chosen)

    @documented(CompareOptions)
    def compare(self, first: Any, second: Any, **options: Unpack[CompareOptions]) -> CompareWidget:
        """Two images side by side: their scores, a layer's activations and the occlusion maps, with the differences.

        `nnlens.compare` does the same with two models.

        Parameters
        ----------
        first, second : optional
            As for `explore`: two images that become inputs of the same size.
        **options
            See below.
        """
        from nnlens.widgets import CompareWidget

        with self._session.selections.unchanged_on_error():
            (one, chosen), (other, _none) = (
                given_inputs(self._session, image, options, CompareOptions) for image in (first, second)
            )
            return CompareWidget(self._session, one, self._session, other, **chosen)

    @documented(ExamplesOptions)
    def examples(
        self,
        dataset: Any,
        *,
        layers: Sequence[str] | None = None,
        store: str | Path | bool = True,
        **options: Unpack[ExamplesOptions],
    ) -> ExamplesWidget:
        """Search a data set, in the background, for the best images of every unit of some layers.

        What is found so far is shown at once, in this view and in every unit card of the lens; it is kept on disk, so
        that a search that was stopped continues, and a finished one is there at once. `kernels.examples` does the same
        in a script.

        Parameters
        ----------
        dataset : folder, torch Dataset, tensor (n, c, h, w) or sequence of images
            See `inputs.datasets.ImageDataset`. Of signals, volumes or vectors: tensors (n, …), or a sequence of them.
        layers : sequence of str, optional
            Operations or modules' paths; by default up to five activation functions, evenly spread.
        store : bool or folder
            Where it is kept: the user's cache (or the folder in NNLENS_CACHE), a folder, or not at all (False).
        **options
            See below.
        """
        from nnlens.widgets import ExamplesWidget

        session = self._session
        with session.selections.unchanged_on_error():
            sample = session.search_dataset(dataset, layers=layers, store=store, **sharding_options(options))
            selections, search = session.selections, session.search
            if options.get("layer") is None and (selections.is_empty or selections.latest.layer not in search):
                options["layer"] = search.layers[-1]
            return ExamplesWidget(session, sample.input, **options)


def given_inputs(
    session: Session, image: Any, options: Mapping[str, Any], option_type: type, *, any_input: bool = False
) -> tuple[Any, dict[str, Any]]:
    """The inputs for a view, and its options: keywords that the forward has, and the view has not, are inputs."""
    known, model = get_type_hints(option_type), unwrapped(session.model)
    names, any_name = forward_names(model), takes_any_name(model)
    inputs = {name: value for name, value in options.items() if name not in known and (name in names or any_name)}
    chosen = {name: value for name, value in options.items() if name not in inputs}
    varied = chosen.pop("varied", None)
    several = isinstance(image, (tuple, Mapping)) or (isinstance(image, list) and option_type is not AttributionOptions)
    other = isinstance(image, np.ndarray) and session.setup.preprocess is None
    other = other or (isinstance(image, Tensor) and image.is_floating_point())
    if image is None and not inputs:
        if varied is None:
            return None, chosen
        image = session.selections.latest.sample.input
    if inputs or several or other or any_input or varied is not None:
        args = () if image is None else image if inputs and isinstance(image, tuple) else (image,)
        value = session.input_of(*args, **inputs)
        return value if varied is None else other_varied(session.setup, value, varied), chosen
    return image, chosen
