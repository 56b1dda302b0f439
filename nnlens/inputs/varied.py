"""A model as a function of one of its inputs, laid out as an image, while the others are held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from nnlens.utils.nests import at_path, mapped, replaced

from .as_image import AsImage

Path = tuple[int | str, ...]  # into (args, keywords): 0, "depth", or (0, "rgb") for an entry of the first argument


@dataclass(frozen=True, eq=False, kw_only=True)
class Around:
    """What a model is called with, and which of its inputs is varied.

    Attributes
    ----------
    args, keywords
        The arguments of the model's forward, batches of one.
    path : tuple
        Where the varied input is: the number of an argument or the name of a keyword, then the way into it.
    as_image : AsImage
        How it is laid out as an image.
    names : dict
        The paths of all inputs that are tensors, with the names by which a person knows them.
    layouts : dict
        The paths of those that can be varied, with the way in which they are laid out as images.
    """

    args: tuple[Any, ...]
    keywords: dict[str, Any]
    path: Path
    as_image: AsImage
    names: dict[Path, str]
    layouts: dict[Path, AsImage] = field(default_factory=dict)

    @property
    def value(self) -> Tensor:
        """The input that is varied, as the model takes it."""
        found: Tensor = self.get(self.path)
        return found

    def get(self, path: Path) -> Any:
        """The input at a path."""
        first, *rest = path
        return at_path(self.args[first] if isinstance(first, int) else self.keywords[first], tuple(rest))

    def call_with(self, value: Any, path: Path | None = None) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments and keywords with another value at a path; at that of the varied input if it is left out."""
        first, *rest = self.path if path is None else path
        if isinstance(first, int):
            own = replaced(self.args[first], tuple(rest), value)
            return (*self.args[:first], own, *self.args[first + 1 :]), self.keywords
        return self.args, {**self.keywords, first: replaced(self.keywords[first], tuple(rest), value)}


class Varied(nn.Module):
    """A model whose only input is an image (n, channels, rows, columns): what is varied of its inputs.

    Its modules have the names that they have in the model, and they are the same modules: what is recorded of it are
    the model's own operations.

    Parameters
    ----------
    model : torch.nn.Module
    around : Around
        What the model is called with. Tensors with a first axis of 1 are repeated for each image of a batch; those
        along whose second axis the batch runs, too, where the varied input's axes begin with time; others are shared
        by all images.
    """

    def __init__(self, model: nn.Module, around: Around):
        super().__init__()
        self.training = model.training  # of the wrapper alone: the model's own flags stay as they are
        self._modules[""] = model  # without a name of its own: paths are those in the model
        self._around = (around,)  # inside of a tuple: no attribute of the model

    @property
    def model(self) -> nn.Module:
        """The model itself."""
        found = self._modules[""]
        assert found is not None
        return found

    def forward(self, image: Tensor) -> Any:
        """The model's output for each image of a batch."""
        (around,) = self._around
        value = around.as_image.value(image, around.value)
        place = around.as_image.axes.index("n")
        count = len(image)
        with torch._C.DisableTorchFunction():  # what is held is no operation of the model
            args, keywords = mapped((around.args, around.keywords), lambda held: _repeated(held, count, place))
        args, keywords = replace(around, args=args, keywords=keywords).call_with(value)
        return self.model(*args, **keywords)

    def get_submodule(self, target: str) -> nn.Module:
        """A module by its path in the model."""
        return self.model.get_submodule(target)

    def state_dict(self, *args: Any, **keywords: Any) -> Any:
        """The model's own state."""
        return self.model.state_dict(*args, **keywords)

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **keywords: Any) -> Any:
        """Load the model's own state."""
        return self.model.load_state_dict(state_dict, *args, **keywords)


def whole_model(model: nn.Module) -> nn.Module:
    """The model itself, whichever of its inputs is varied."""
    return model.model if isinstance(model, Varied) else model


def _repeated(held: Tensor, count: int, place: int) -> Tensor:
    """A held tensor for a batch of `count`; a copy, which the forward may write into."""
    for axis in (0, place):
        if held.ndim > axis and held.shape[axis] == 1:
            return held.repeat_interleave(count, axis)
    return held.clone()
