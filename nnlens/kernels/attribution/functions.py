"""Each method as a function of a model and an input."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from .registry import METHODS, attribution
from .result import Attribution


def _function(name: str) -> Callable[..., Attribution]:
    method = METHODS[name]

    def function(model: nn.Module, x: Tensor, *, target: int | None = None, **options: Any) -> Attribution:
        return attribution(model, x, name, target=target, **options)

    def keyword(name: str, default: object) -> inspect.Parameter:
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)

    shown = list(inspect.signature(function).parameters.values())[:-1]
    more = [keyword(item, default) for item, default in method.options.items()]
    subject = [keyword("score", method.score), *(keyword(item, None) for item in ("output", "recording", "prepared"))]
    function.__signature__ = inspect.Signature([*shown, *more, *subject])  # type: ignore[attr-defined]
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{method.steps.__doc__}\n\n    For `target`, `score`, `output`, … see `Subject`."
    return function


gradient = _function("gradient")
input_x_gradient = _function("input_x_gradient")
smoothgrad = _function("smoothgrad")
integrated_gradients = _function("integrated_gradients")
grad_cam = _function("grad_cam")
grad_cam_plus_plus = _function("grad_cam_plus_plus")
guided_grad_cam = _function("guided_grad_cam")
deconvnet = _function("deconvnet")
guided_backprop = _function("guided_backprop")
lime = _function("lime")
kernel_shap = _function("kernel_shap")
rise = _function("rise")
extremal_perturbation = _function("extremal_perturbation")
attention_rollout = _function("attention_rollout")
