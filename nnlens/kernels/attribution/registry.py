"""The methods by name: what they need, what they cost, and each as a function of a model and an input."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from nnlens.kernels.occlusion.occluder import pair
from nnlens.scores.meaning import ScoreKind
from nnlens.utils.suggestions import nearest

from .methods import class_maps, gradients
from .methods.extremal_perturbation import extremal_perturbation
from .methods.kernel_shap import kernel_shap
from .methods.lime import lime
from .methods.occluding import occlusion_attribution
from .methods.rise import rise
from .result import Attribution
from .subject import Subject

MethodName = Literal[
    "gradient",
    "input_x_gradient",
    "smoothgrad",
    "integrated_gradients",
    "grad_cam",
    "grad_cam_plus_plus",
    "guided_grad_cam",
    "deconvnet",
    "guided_backprop",
    "occlusion",
    "lime",
    "kernel_shap",
    "rise",
    "extremal_perturbation",
    "attention_rollout",
]


@dataclass(frozen=True)
class Method:
    """A way to attribute a score to the places of an input.

    Attributes
    ----------
    name, title : str
        "grad_cam", and as it is written: "Grad-CAM".
    steps : callable
        From a `Subject` and options to growing `Attribution`s.
    passes : callable
        Options and the image's height and width → how many forward passes it takes, a backward pass counting as two.
    score : "logit" or "probability"
        Which it explains unless it is told.
    gradient : bool
        Whether it needs one.
    random : bool
        Whether it depends on a seed.
    class_specific : bool
        Whether it knows of the class at all.
    """

    name: MethodName
    title: str
    steps: Callable[..., Iterator[Attribution]]
    passes: Callable[[dict[str, Any], tuple[int, int]], int]
    score: ScoreKind = "logit"
    gradient: bool = False
    random: bool = False
    class_specific: bool = True

    @property
    def options(self) -> dict[str, Any]:
        """The options with their defaults."""
        parameters = inspect.signature(self.steps).parameters.values()
        return {one.name: one.default for one in parameters if one.kind is one.KEYWORD_ONLY}

    def cost(self, image: tuple[int, int] = (224, 224), **options: Any) -> int:
        """About how many forward passes it takes with these options on an image of this height and width."""
        return self.passes({**self.options, **options}, image)


def _positions(options: dict[str, Any], image: tuple[int, int]) -> int:
    size = pair(max(1, min(image) // 4) if options["size"] is None else options["size"], "size")
    stride = pair(max(1, min(size) // 2) if options["stride"] is None else options["stride"], "stride")
    down, across = (-(-(side - part) // by) + 1 for side, part, by in zip(image, size, stride, strict=True))
    return down * across + 1


def _samples(options: dict[str, Any], image: tuple[int, int]) -> int:
    return int(options["samples"])


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("gradient", "gradient", gradients.gradient, lambda *_: 3, gradient=True),
        Method("input_x_gradient", "input × gradient", gradients.input_x_gradient, lambda *_: 3, gradient=True),
        Method(
            "smoothgrad", "SmoothGrad", gradients.smoothgrad, lambda o, _: 3 * o["samples"], gradient=True, random=True
        ),
        Method(
            "integrated_gradients",
            "integrated gradients",
            gradients.integrated_gradients,
            lambda o, _: 3 * o["steps"] + 1,
            gradient=True,
        ),
        Method("grad_cam", "Grad-CAM", class_maps.grad_cam, lambda *_: 3, gradient=True),
        Method("grad_cam_plus_plus", "Grad-CAM++", class_maps.grad_cam_plus_plus, lambda *_: 3, gradient=True),
        Method("guided_grad_cam", "Guided Grad-CAM", class_maps.guided_grad_cam, lambda *_: 6, gradient=True),
        Method("deconvnet", "deconvnet", gradients.deconvnet, lambda *_: 3, gradient=True),
        Method("guided_backprop", "guided backprop", gradients.guided_backprop, lambda *_: 3, gradient=True),
        Method("occlusion", "occlusion", occlusion_attribution, _positions, "probability"),
        Method("lime", "LIME", lime, _samples, "probability", random=True),
        Method("kernel_shap", "KernelSHAP", kernel_shap, lambda o, _: o["samples"] + 2, "probability", random=True),
        Method("rise", "RISE", rise, _samples, "probability", random=True),
        Method(
            "extremal_perturbation",
            "extremal perturbation",
            extremal_perturbation,
            lambda o, _: 3 * o["steps"],
            gradient=True,
        ),
        Method(
            "attention_rollout", "attention rollout", class_maps.attention_rollout, lambda *_: 1, class_specific=False
        ),
    )
}


def method_named(name: Any, argument: str = "method") -> Method:
    """A method by its name; ValueError, which names the argument, with the names there are."""
    if isinstance(name, str):
        plain = name.strip().lower().replace("++", "_plus_plus").replace("×", "x").replace("-", "_").replace(" ", "_")
        if plain in METHODS:
            return METHODS[plain]
    hint = nearest(str(name), METHODS)
    raise ValueError(f"{argument} must be one of {', '.join(METHODS)}, got {name!r}{hint}")


def attribution_steps(subject: Subject, method: str, **options: Any) -> Iterator[Attribution]:
    """The attribution of a subject as it grows, the last one whole. For the options see the method's own function."""
    one = method_named(method)
    unknown = [name for name in options if name not in one.options]
    if unknown:
        known = ", ".join(one.options) or "none"
        hint = nearest(unknown[0], one.options)
        raise TypeError(f"{one.name} has no option {unknown[0]!r}{hint}; it takes {known}")
    subject.forwards = subject.backwards = 0
    return one.steps(subject, **options)


_OF_SUBJECT = ("output", "recording", "prepared")


def attribution(
    model: nn.Module,
    x: Tensor,
    method: str,
    *,
    target: int | None = None,
    score: ScoreKind | None = None,
    **options: Any,
) -> Attribution:
    """How much each place of an input has to do with one score, by the method of that name.

    Parameters
    ----------
    x : tensor (1, channels, height, width)
        The gradient's methods take other inputs too.
    method : str
        One of `METHODS`.
    target : int, optional
        The class; the most probable one if left out.
    score : "logit" or "probability", optional
        What is explained; methods that follow a gradient take the logit, the others the probability, unless told.
    **options
        The method's own, and `output`, `recording`, `prepared` of a `Subject`.

    Returns
    -------
    Attribution
        `.values`, `.signed()`, `.magnitude()`, `.importance()`, `.describe()`.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2))
    >>> attribution(model, torch.ones(1, 1, 4, 4), "integrated_gradients", target=1).signed().shape
    (4, 4)
    """
    given = {name: options.pop(name) for name in _OF_SUBJECT if name in options}
    subject = Subject(model, x, target=target, score=score, usual=method_named(method).score, **given)
    *_, last = attribution_steps(subject, method, **options)
    return last
