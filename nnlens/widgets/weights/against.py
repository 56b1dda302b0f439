"""The models that a view of weights compares with."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from torch import Tensor, nn

from nnlens.utils.language import _


def other_models(model: nn.Module, against: Any, option: str = "against") -> dict[str, nn.Module]:
    """The models in an option, by name; errors name the option.

    A model, a lens, or a state dictionary of the same model; or several of them by name.

    Raises TypeError or ValueError where it is none of these, or the state does not fit.
    """
    if against is None:
        return {}
    is_state = isinstance(against, Mapping) and all(isinstance(value, Tensor) for value in against.values())
    if isinstance(against, Mapping) and not is_state:
        if "initial" in against:
            raise ValueError(f'{option} must not use the name "initial", which stands for the initialisation')
        return {str(name): _model(model, value, option) for name, value in against.items()}
    return {_("the other model"): _model(model, against, option)}


def _model(model: nn.Module, given: Any, option: str) -> nn.Module:
    other = given if isinstance(given, (nn.Module, Mapping)) else getattr(given, "model", None)
    if isinstance(other, nn.Module):
        return other
    if isinstance(other, Mapping):
        copy = deepcopy(model)
        try:
            copy.load_state_dict(dict(other))
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"{option} must be a state of the same model: {error}") from error
        return copy
    raise TypeError(
        f"{option} must be a model, a lens, a state dictionary of the model, or several of them by name, got a "
        f"{type(given).__name__}"
    )
