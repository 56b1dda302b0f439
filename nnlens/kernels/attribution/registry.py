"""The methods by name: what they need, what they cost, and each as a function of a model and an input."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Shaped
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


@dataclass(frozen=True, kw_only=True)
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
        Which one it explains by default.
    gradient : bool
        Whether it needs one.
    random : bool
        Whether it depends on a seed.
    class_specific : bool
        Whether it depends on the class.
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
        return {
            parameter.name: parameter.default for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY
        }

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
        Method(name="gradient", title="gradient", steps=gradients.gradient, passes=lambda *_: 3, gradient=True),
        Method(
            name="input_x_gradient",
            title="input × gradient",
            steps=gradients.input_x_gradient,
            passes=lambda *_: 3,
            gradient=True,
        ),
        Method(
            name="smoothgrad",
            title="SmoothGrad",
            steps=gradients.smoothgrad,
            passes=lambda o, _: 3 * o["samples"],
            gradient=True,
            random=True,
        ),
        Method(
            name="integrated_gradients",
            title="integrated gradients",
            steps=gradients.integrated_gradients,
            passes=lambda o, _: 3 * o["steps"] + 1,
            gradient=True,
        ),
        Method(name="grad_cam", title="Grad-CAM", steps=class_maps.grad_cam, passes=lambda *_: 3, gradient=True),
        Method(
            name="grad_cam_plus_plus",
            title="Grad-CAM++",
            steps=class_maps.grad_cam_plus_plus,
            passes=lambda *_: 3,
            gradient=True,
        ),
        Method(
            name="guided_grad_cam",
            title="Guided Grad-CAM",
            steps=class_maps.guided_grad_cam,
            passes=lambda *_: 6,
            gradient=True,
        ),
        Method(name="deconvnet", title="deconvnet", steps=gradients.deconvnet, passes=lambda *_: 3, gradient=True),
        Method(
            name="guided_backprop",
            title="guided backprop",
            steps=gradients.guided_backprop,
            passes=lambda *_: 3,
            gradient=True,
        ),
        Method(
            name="occlusion", title="occlusion", steps=occlusion_attribution, passes=_positions, score="probability"
        ),
        Method(name="lime", title="LIME", steps=lime, passes=_samples, score="probability", random=True),
        Method(
            name="kernel_shap",
            title="KernelSHAP",
            steps=kernel_shap,
            passes=lambda o, _: o["samples"] + 2,
            score="probability",
            random=True,
        ),
        Method(name="rise", title="RISE", steps=rise, passes=_samples, score="probability", random=True),
        Method(
            name="extremal_perturbation",
            title="extremal perturbation",
            steps=extremal_perturbation,
            passes=lambda o, _: 3 * o["steps"],
            gradient=True,
        ),
        Method(
            name="attention_rollout",
            title="attention rollout",
            steps=class_maps.attention_rollout,
            passes=lambda *_: 1,
            class_specific=False,
        ),
    )
}


def method_named(name: object, argument: str = "method") -> Method:
    """A method by its name; otherwise a ValueError that names the argument and lists the known names."""
    if isinstance(name, str):
        plain = name.strip().lower().replace("++", "_plus_plus").replace("×", "x").replace("-", "_").replace(" ", "_")
        if plain in METHODS:
            return METHODS[plain]
    hint = nearest(str(name), METHODS)
    raise ValueError(f"{argument} must be one of {', '.join(METHODS)}, got {name!r}{hint}")


def attribution_steps(subject: Subject, method: str, **options: Any) -> Iterator[Attribution]:
    """The attribution of a subject as it improves; the last one is complete. Options: see the method's function."""
    item = method_named(method)
    unknown = [name for name in options if name not in item.options]
    if unknown:
        known = ", ".join(item.options) or "none"
        hint = nearest(unknown[0], item.options)
        raise TypeError(f"{item.name} has no option {unknown[0]!r}{hint}; it takes {known}")
    subject.forwards = subject.backwards = 0
    return item.steps(subject, **options)


_OF_SUBJECT = ("output", "recording", "prepared")


def attribution(
    model: nn.Module,
    x: Shaped[Tensor, "1 ..."],
    method: str,
    *,
    target: int | None = None,
    score: ScoreKind | None = None,
    **options: Any,
) -> Attribution:
    """How much each place of an input contributes to one score, by the named method.

    Parameters
    ----------
    x : tensor (1, channels, height, width)
        Gradient methods accept other inputs too.
    method : str
        One of `METHODS`.
    target : int, optional
        The class; the most probable one if left out.
    score : "logit" or "probability", optional
        What is explained; by default the logit for gradient methods, and the probability for the others.
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
    value = {name: options.pop(name) for name in _OF_SUBJECT if name in options}
    subject = Subject(model, x, target=target, score=score, usual=method_named(method).score, **value)
    *_, last = attribution_steps(subject, method, **options)
    return last
