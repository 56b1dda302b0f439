"""The dependence of a map on the weights: the map with layers of the network randomised (Adebayo et al. 2018)."""

from __future__ import annotations

import copy
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from nnlens.kernels.attribution.registry import attribution_steps
from nnlens.kernels.attribution.result import Attribution
from nnlens.kernels.attribution.subject import Subject, given_count
from nnlens.recording import Recording, borrow
from nnlens.recording.record import unwrapped
from nnlens.utils.language import _, number

from .similarity import MapSimilarity, map_similarity

_PARAMETRISED = re.compile(r"\.parametrizations(?:\.|$)|^parametrizations(?:\.|$)")
# What a layer and its adapters are made of.
_LINEAR = {"linear", "convolution", "arithmetic", "dropout", "reshape", "join"}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Randomisation:
    """The similarity of a map to the maps of randomised networks (arXiv:1810.03292).

    Attributes
    ----------
    layers : tuple of str
        The modules down to which weights were randomised, the last of the network first.
    cascading : tuple of MapSimilarity
        With all weights from the network's end down to each of these layers randomised.
    independent : tuple of MapSimilarity
        With each of these layers randomised alone.
    complete : bool
        Whether all of them were tried.
    maps : tuple of Attribution
        The maps of the cascade.
    """

    layers: tuple[str, ...]
    cascading: tuple[MapSimilarity, ...]
    independent: tuple[MapSimilarity, ...]
    complete: bool
    maps: tuple[Attribution, ...] = ()

    @property
    def remaining(self) -> float:
        """The similarity that remains after randomisation: the larger rank correlation, signed or absolute."""
        return max(self.cascading[0].signed, self.cascading[0].absolute)

    @property
    def last(self) -> MapSimilarity:
        """With all weights randomised."""
        return self.cascading[-1]

    def describe(self) -> str:
        """The similarities after randomisation, in words."""
        last = self.last
        return _(
            "with the weights randomised from the end down to {layer}, the map's rank correlation with the original is "
            "{absolute} ({signed} with signs, SSIM {structure})",
            layer=self.layers[len(self.cascading) - 1],
            absolute=number(f"{last.absolute:.2f}"),
            signed=number(f"{last.signed:.2f}"),
            structure=number(f"{last.structure:.2f}"),
        )

    def __repr__(self) -> str:
        return f"Randomisation({self.describe() if self.cascading else 'nothing yet'})"


def weighted_layers(model: nn.Module, recording: Recording) -> list[str]:
    """The modules that have weights, in the order in which these were first used in the pass.

    A weight that is computed from others (weight norm, any parametrisation) counts for the module that uses it. Modules
    that together form one linear layer, such as a layer and its adapters, count as one: "head.*", all weights below
    `head`.
    """
    model = unwrapped(model)
    owners: dict[int, str] = {}
    for path, module in model.named_modules():
        for parameter in module.parameters(recurse=False):
            owners.setdefault(parameter.data_ptr(), path)
    result: dict[str, None] = {}
    for operation in recording:
        for source in operation.sources:
            if source.value is not None and source.value.data_ptr() in owners:
                result[_PARAMETRISED.split(owners[source.value.data_ptr()])[0]] = None
    kinds: dict[str, set[str]] = defaultdict(set)
    for operation in recording:
        for path in _and_above(operation.module):
            kinds[path].add(operation.kind)
    # Of nested modules that form one linear layer, the innermost: a chain of layers is not one.
    merged: dict[str, None] = {}
    for path in result:
        group = next((above for above in _and_above(path)[1:] if _is_one_layer(model, above, kinds, result)), None)
        merged[path if group is None else f"{group}.*"] = None
    return list(merged)


def _and_above(path: str) -> list[str]:
    """A path and those of the modules that it is in, without the model itself."""
    parts = path.split(".") if path else []
    return [".".join(parts[:end]) for end in range(len(parts), 0, -1)]


def _is_one_layer(model: nn.Module, path: str, kinds: Mapping[str, set[str]], result: Mapping[str, None]) -> bool:
    """Whether several modules with weights do nothing but add up linear functions of one input."""
    if isinstance(model.get_submodule(path), (nn.Sequential, nn.ModuleList, nn.ModuleDict)):
        return False
    inside = sum(item == path or item.startswith(f"{path}.") for item in result)
    return inside > 1 and kinds[path] <= _LINEAR


def randomised_copy(model: nn.Module, layers: Sequence[str], seed: int = 0) -> nn.Module:
    """A copy of a model with random new weights in these modules.

    Drawn from normal distributions with each tensor's own mean and deviation; running statistics are kept. Weights that
    are computed from others are drawn as the layer uses them. They are drawn in the order of the layers: adding one at
    the end does not change the others' draws. A name that ends in ".*" stands for all weights below.

    Raises ValueError for a model that cannot be copied.
    """
    model = unwrapped(model)
    try:
        with borrow(model):
            twin = copy.deepcopy(model)
            _make_plain(twin)
    except Exception as error:
        raise ValueError(f"the model cannot be copied, so its weights cannot be randomised: {error}") from error
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for path in layers:
            every = path.endswith(".*")
            for parameter in twin.get_submodule(path.removesuffix(".*")).parameters(recurse=every):
                parameter.data = _drawn(parameter, generator)
    return twin


def _make_plain(model: nn.Module) -> None:
    """Turn weights that are computed from others into plain parameters of the same values."""
    for module in model.modules():
        if parametrize.is_parametrized(module):
            # A copied module shares its class, made for this parametrisation, with the user's own: that is left alone.
            own = {name: item for name, item in vars(type(module)).items() if name not in ("__dict__", "__weakref__")}
            module.__class__ = type(type(module).__name__, type(module).__bases__, own)
            assert isinstance(module.parametrizations, nn.ModuleDict)
            for name in list(module.parametrizations):
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)
                if name in module._buffers:  # which it becomes, where it was made of several parameters
                    value = module._buffers.pop(name)
                    assert value is not None
                    module.register_parameter(name, nn.Parameter(value.detach().clone()))
        for hook in list(module._forward_pre_hooks.values()):
            # The older forms of the same, made by hooks.
            if isinstance(hook, WeightNorm):
                nn.utils.remove_weight_norm(module, hook.name)
            elif isinstance(hook, SpectralNorm):
                nn.utils.remove_spectral_norm(module, hook.name)


def _drawn(like: Tensor, generator: torch.Generator) -> Tensor:
    own = like.detach().float()
    drawn = torch.randn(like.shape, generator=generator, dtype=torch.float32).to(own)
    deviation = own.std() if own.numel() > 1 else own.abs().mean()
    return (own.mean() + drawn * deviation).to(like.dtype)


def randomisation_steps(
    subject: Subject,
    original: Attribution,
    options: dict[str, Any],
    *,
    levels: int = 5,
    independent: bool = True,
    seed: int = 0,
) -> Iterator[Randomisation]:
    """The map of a method at several levels of randomised weights.

    Parameters
    ----------
    original : Attribution
        Of this subject; `options` are those that it was made with.
    levels : int
        How many layers to stop at, evenly spread from the last to the first.
    independent : bool
        Whether each of these layers is randomised alone, too.

    Each level costs what the method costs, and a recorded pass.
    """
    given_count(levels, "levels")
    names = weighted_layers(subject.model, subject.recording)[::-1]
    if not names:
        raise ValueError("the model has no weights to randomise")
    count = min(levels, len(names))
    stops = [round((index + 1) * len(names) / count) for index in range(count)]
    layers = tuple(names[stop - 1] for stop in stops)
    cascading: list[MapSimilarity] = []
    alone: list[MapSimilarity] = []
    maps: list[Attribution] = []
    if original.surrogate is not None and original.surrogate.labels is not None:
        options = {**options, "segments": original.surrogate.labels}
    for stop in stops:
        for item in _again(subject, original, options, names[:stop], seed):
            if not item.complete:
                # A pause for more urgent work, and a chance to stop.
                yield Randomisation(
                    layers=layers, cascading=tuple(cascading), independent=(), complete=False, maps=tuple(maps)
                )
        maps.append(item)
        cascading.append(map_similarity(original, item))
        yield Randomisation(
            layers=layers,
            cascading=tuple(cascading),
            independent=(),
            complete=count == len(cascading) and not independent,
            maps=tuple(maps),
        )
    for name in layers if independent else ():
        for item in _again(subject, original, options, [name], seed):
            if not item.complete:
                yield Randomisation(
                    layers=layers,
                    cascading=tuple(cascading),
                    independent=tuple(alone),
                    complete=False,
                    maps=tuple(maps),
                )
        alone.append(map_similarity(original, item))
        yield Randomisation(
            layers=layers,
            cascading=tuple(cascading),
            independent=tuple(alone),
            complete=len(alone) == count,
            maps=tuple(maps),
        )


def _again(
    subject: Subject, original: Attribution, options: dict[str, Any], layers: Sequence[str], seed: int
) -> Iterator[Attribution]:
    twin = randomised_copy(subject.model, layers, seed)
    other = Subject(twin, subject.x, target=subject.target, score=subject.score, output=subject.output)
    other.passes.trust(subject.passes)
    return attribution_steps(other, original.method, **options)
