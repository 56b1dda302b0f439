"""The options of the views: each is defined once, for type checkers, `?`, tab completion and the views themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from torch import nn
from typing_extensions import TypedDict, get_type_hints

from nnlens.recording.record import unwrapped
from nnlens.scale import Sharding
from nnlens.utils.suggestions import nearest

# Controls that a pane is of little use without: `show` leaves them in with it.
NEEDED = {"size": "occlusion_map", "filter": "layers", "number": "unit", "overlay": "unit"}


class SelectionOptions(TypedDict, total=False):
    """What a view shows first."""

    layer: Annotated[str | nn.Module, "an operation or a module: its name, or the module itself"]
    unit: Annotated[int, "a unit (channel) of the layer; by default one whose map has high contrast"]
    target: Annotated[
        int | str | tuple[Any, ...],
        "the class that is explained: an index or a label; (class, row, column) or (class, region) of a map of scores",
    ]
    grid: Annotated[tuple[int, int] | Literal["strip"], "how the tokens of a layer are laid out; by default detected"]
    scale: Annotated[Literal["unit", "layer", "locked"], 'which values set the colour range; "layer" by default']


class WorkersOptions(TypedDict, total=False):
    """Who computes what runs over a data set."""

    workers: Annotated[
        Any,
        "who computes: so many processes of this machine, or a Dask cluster by its scheduler's address or a client "
        "(extra `dask`); the view's own process by default",
    ]
    shard_size: Annotated[int, "how many inputs are computed as one piece, and kept on disk when it is done"]
    build: Annotated[Any, 'with a cluster: what builds the model there, a function or its path "module:function"']
    allow_pickle: Annotated[bool, "with a cluster: whether the model may be sent as a pickle"]


class ViewOptions(TypedDict, total=False):
    """What a view leaves out, and what it shares."""

    hide: Annotated[str | Sequence[str], 'panes and controls that are left out; "controls" for all that change a view']
    show: Annotated[str | Sequence[str], "instead of hide: the panes and controls that are left in"]
    state: Annotated[str, "what the view shows first, as `view.state` gives it; it replaces what other options choose"]
    link: Annotated[bool, "whether it follows the other views of this image (default) or has a selection of its own"]


class OccluderOptions(TypedDict, total=False):
    """The occluder and its map."""

    size: Annotated[int, "the occluder's side in pixels of the model's input; about a quarter of the image by default"]
    stride: Annotated[int, "the steps of the experiment in pixels; about a fourteenth of the image by default"]
    fill: Annotated[
        str | float | tuple[int, int, int],
        'what the occluder shows: "background", "grey", "mean", "blur", "noise", "surround", a value of the model\'s '
        'input, or a colour ("red", "#ff0000", (255, 0, 0))',
    ]
    shape: Annotated[Literal["rectangle", "circle"], "which pixels of its window the occluder covers"]
    score: Annotated[Literal["probability", "logit"], "which score the map shows"]
    sizes: Annotated[Sequence[int], "the occluder sizes for which a saved page holds maps"]


class LayerOptions(TypedDict, total=False):
    """The mosaic and the layer picker."""

    sort: Annotated[Literal["index", "mean", "maximum", "zeros"], "the order of the mosaic's tiles"]
    layers: Annotated[Sequence[str], "the layers that a saved page can show; a spread of them by default"]


class InputOptions(TypedDict, total=False):
    """What is varied."""

    varied: Annotated[str, "of several inputs: the name of the one that is varied, while the others are held"]


class ExploreOptions(InputOptions, SelectionOptions, OccluderOptions, LayerOptions, ViewOptions, total=False):
    """Of `Lens.explore`."""

    card: Annotated[bool, "whether the unit card is open from the start"]


class ActivationsOptions(InputOptions, SelectionOptions, LayerOptions, ViewOptions, total=False):
    """Of `Lens.activations`."""


class OcclusionOptions(InputOptions, SelectionOptions, OccluderOptions, ViewOptions, total=False):
    """Of `Lens.occlusion`."""


class UnitOptions(InputOptions, SelectionOptions, LayerOptions, ViewOptions, total=False):
    """Of `Lens.unit`."""

    channel: Annotated[int, "another name for unit"]
    rule: Annotated[
        Literal["gradient", "input × gradient", "deconvnet", "guided backprop"],
        "how the back-projection treats rectifiers",
    ]
    position: Annotated[tuple[int, int], "a place on the unit's map, (row, column), from which it is projected back"]


class ExamplesOptions(WorkersOptions, SelectionOptions, ViewOptions, total=False):
    """Of `Lens.examples`, besides its data set."""


class TrainingOptions(ViewOptions, total=False):
    """Of `Watch.view`."""

    layer_figure: Annotated[
        Literal[
            "zeros",
            "dead",
            "saturated",
            "size",
            "spread",
            "weight",
            "gradient",
            "update",
            "ratio",
            "singular",
            "rank",
        ],
        'which figure of the layers is shown; "zeros" by default',
    ]
    film_layer: Annotated[str, "the layer whose maps are shown at each checkpoint; one in the middle by default"]


class LandscapeOptions(WorkersOptions, ViewOptions, total=False):
    """Of `Lens.landscape`, besides its data set, training and other model."""

    directions: Annotated[
        Literal["one", "two", "path"],
        "one or two random directions, or the plane of the training's path (default where there is one)",
    ]
    span: Annotated[float, "how far the random directions are followed, in lengths of the weights; 1 by default"]
    points: Annotated[int, "along each direction, odd; 41 along one and 21 along two by default"]
    seed: Annotated[int, "of the random directions"]
    count: Annotated[int, "how many examples of the data set are used, evenly spread; 256 by default"]
    loss: Annotated[
        Literal["cross entropy", "binary cross entropy", "squared error"], "the loss; by default what fits the targets"
    ]
    rate: Annotated[float, "the learning rate, whose bound 2 ÷ rate is shown beside the sharpness"]


class SimilarityOptions(ViewOptions, total=False):
    """Of `Lens.similarity`, besides its other model and images."""

    layers: Annotated[Sequence[str], "the layers of this model; its activation functions by default"]
    other_layers: Annotated[Sequence[str], "those of the other one; the same names, or its activation functions"]
    count: Annotated[int, "how many of the images are used, evenly spread; 128 by default"]


class TheoryOptions(ViewOptions, total=False):
    """Of `theory`, besides its name."""

    settings: Annotated[
        Mapping[str, float | str], 'what is changed in the experiment, such as {"rate": 0.1}; see `view.settings`'
    ]


class RegionsOptions(ViewOptions, total=False):
    """Of `Lens.regions`, besides its points and images."""

    box: Annotated[
        Sequence[Sequence[float]], "the part of the plane, ((left, right), (bottom, top)); around the points by default"
    ]
    fill_by: Annotated[Literal["class", "slope", "layer"], 'what colours the pieces; "class" by default']
    rate: Annotated[float, "the learning rate of the training; 0.01 by default"]
    steps: Annotated[int, "training steps between two drawings; 5 by default"]


class FormulaOptions(ViewOptions, total=False):
    """Of `Lens.formula`, besides its input."""

    digits: Annotated[int, "significant digits of the numbers that are shown, 1…17; 4 by default"]
    form: Annotated[
        Literal["layers", "whole", "simplified"],
        'named sub-expressions by layer, one expression for each output, or that simplified; "layers" by default',
    ]


class LocalMapOptions(SelectionOptions, ViewOptions, total=False):
    """Of `Lens.local_map`, besides its images."""

    map_of: Annotated[
        Literal["class", "lead"], 'the score of the class, or its lead over the best of the others; "lead" by default'
    ]


class SensitivityOptions(SelectionOptions, ViewOptions, total=False):
    """Of `Lens.sensitivity`, besides its image."""

    weight_scale: Annotated[float, "the factor of all weights of a copy that is compared, 0.1…10; 1 by default"]


class ExponentsOptions(ViewOptions, total=False):
    """Of `Lens.exponents`, besides its text."""

    recurrent_layer: Annotated[str, "the operation of the recurrent layer; the first one by default"]


class FiltersOptions(ViewOptions, total=False):
    """Of `Lens.filters`, besides its layer and image."""

    filter: Annotated[int, "the filter that is shown first"]
    order: Annotated[Literal["index", "norm", "orientation", "frequency", "similarity"], "the order of the filters"]


class WeightsOptions(ViewOptions, total=False):
    """Of `Lens.weights`, besides what it compares with."""

    draws: Annotated[int, "how often each layer is initialised anew to see what chance gives; 10 by default"]


class ReplacementsOptions(WorkersOptions, ViewOptions, total=False):
    """Of `Lens.replacements`, besides its layer and data set."""

    methods: Annotated[
        Sequence[Literal["low-rank", "separable", "depthwise-separable", "gabor", "prune"]],
        "which replacements are tried; all that fit the layer by default",
    ]
    settings: Annotated[Sequence[float], "the ranks, or shares of weights, that are tried; only with one method"]
    count: Annotated[int, "how many images of the data set are used, evenly spread; 256 by default"]
    loss: Annotated[float, "the share of the images that a replacement may lose; 0.01 by default"]


class CellsOptions(WorkersOptions, ViewOptions, total=False):
    """Of `Lens.cells`."""

    layer: Annotated[str | nn.Module, "an operation or a module: its name, or the module itself"]
    unit: Annotated[int, "the cell: a unit of the layer; by default one that varies much"]
    scale: Annotated[Literal["unit", "layer", "locked"], 'which values set the colour range; "unit" by default']
    order: Annotated[Literal["index", "variation", "similarity", "found"], "the order of the cells"]
    find: Annotated[
        str,
        "a property of the text that cells are ranked by: a name of `kernels.text.PROPERTIES`, or a regular expression "
        'as "re:…"',
    ]
    corpus: Annotated[
        str | Path | Sequence[str | Path],
        "a long text in which the contexts of cells are found: the text itself, a Path of a file, or several files",
    ]
    predictions: Annotated[bool, "whether what the model predicts is shown below each token"]


class AttentionOptions(ViewOptions, total=False):
    """Of `Lens.attention`."""

    layer: Annotated[int | str | nn.Module, "a layer with attention: its number, its name or that of its module"]
    head: Annotated[int, "the head that is shown first"]
    target: Annotated[int | str, "the class whose probability heads are judged by, in a model that gives classes"]


class LogitLensOptions(ViewOptions, total=False):
    """Of `Lens.logit_lens`."""

    token: Annotated[int, "the token whose predictions are followed through the layers; the last one by default"]


class CompareOptions(SelectionOptions, OccluderOptions, ViewOptions, total=False):
    """Of `Lens.compare`."""


class AttributionOptions(InputOptions, ViewOptions, total=False):
    """Of `Lens.attribution`."""

    target: Annotated[Any, "the class that is explained, or a list of up to six classes that are compared, a row each"]
    token: Annotated[
        int, "of a model that gives scores for each token of a text: whose are explained; the last one by default"
    ]
    methods: Annotated[
        str | Sequence[str], "the columns: names of `kernels.METHODS`; five of different kinds by default"
    ]
    score: Annotated[
        Literal["logit", "probability"], "what every method explains; by default what is usual for the method"
    ]
    cam_layer: Annotated[str, "the layer of Grad-CAM and its variants; by default the last one with spatial maps"]
    samples: Annotated[int, "of LIME, KernelSHAP and RISE; 1000 by default"]
    segments: Annotated[int, "about how many superpixels; 50 by default"]
    segmentation: Annotated[
        Literal["slic", "quickshift", "felzenszwalb", "grid"],
        "how superpixels are made; SLIC where scikit-image is installed, else a grid",
    ]
    width: Annotated[float, "of LIME's kernel; 0.25 by default"]
    seed: Annotated[int, "of the methods that draw random numbers"]
    upsample: Annotated[Literal["bilinear", "nearest"], "how Grad-CAM's maps are brought to the image's size"]
    checks: Annotated[
        Sequence[Literal["faithfulness", "randomisation", "seeds", "sensitivity"]],
        "which evidence is computed; all by default",
    ]
    max_passes: Annotated[
        int | None, "how many forward passes a check may take without being asked for; 400 by default, None: any number"
    ]
    signs: Annotated[
        Literal["own", "signed", "magnitude"], "maps with signs, as magnitudes, or as suits each method (default)"
    ]
    maps_scale: Annotated[Literal["each", "method", "all"], "which maps share a colour scale"]
    opacity: Annotated[float, "of the maps over the photograph, 0…1"]


def sharding_options(options: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """The options of `WorkersOptions` that were given, checked, and then some more, such as `store`."""
    given = {name: options[name] for name in WorkersOptions.__annotations__ if options.get(name) is not None}
    Sharding(**given)
    return {**given, **more} if given else {}


def known_options(view: str, option_type: type, options: Mapping[str, Any]) -> None:
    """Raise TypeError for an option that the view does not have."""
    known = list(get_type_hints(option_type))
    for name in options:
        if name not in known:
            raise TypeError(f"{view} has no option {name!r}{nearest(name, known)}; it takes {', '.join(known)}")


def selection_choices(model: nn.Module, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a selection takes."""
    choices = {name: options.get(name) for name in ("target", "layer", "unit", "grid", "scale")}
    if isinstance(choices["layer"], nn.Module):
        choices["layer"] = _path_of(model, choices["layer"])
    return choices


def _path_of(model: nn.Module, module: nn.Module) -> str:
    """The path of a module of the model, as a layer's name."""
    for path, candidate in unwrapped(model).named_modules():
        if candidate is module:
            result: str = path
            return result
    raise ValueError(f"layer must be a module of the model, got a {type(module).__name__} that is not in it")


def chosen_panes(panes: Sequence[str], controls: Sequence[str], hide: Any, show: Any) -> list[str]:
    """The panes and controls that are left out, from the options `hide` and `show`."""
    every = tuple(dict.fromkeys((*panes, *controls)))
    if hide is not None and show is not None:
        raise ValueError("hide and show must not both be given")
    item = show if hide is None else hide
    names = [item] if isinstance(item, str) else list(item or ())
    names = [name for group in names for name in (controls if group == "controls" else (group,))]
    for name in names:
        if name not in every:
            which = "hide" if hide is not None else "show"
            hint = nearest(str(name), every)
            raise ValueError(
                f'{which} must name panes and controls of {", ".join(every)}, or "controls", got {name!r}{hint}'
            )
    if show is None:
        return names
    return [name for name in every if name not in names and NEEDED.get(name) not in names]


def one_of(value: Any, name: str, known: Sequence[str], default: str) -> str:
    """An option that must be one of some names."""
    if value is None:
        return default
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}{nearest(str(value), known)}")
    return str(value)
