"""A model prepared for many passes over variations of its input."""

from __future__ import annotations

import copy
import inspect
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nnlens.inputs.varied import whole_model
from nnlens.recording import (
    Operation,
    Recording,
    Replacement,
    Source,
    borrow,
    observed,
    record,
    substituting,
    version_of,
)
from nnlens.recording.record import unwrapped
from nnlens.scores.detection import meaning_of
from nnlens.scores.meaning import Output, ScoreMeaning, pick_output
from nnlens.utils.cache import Cache

from . import strided
from .convolutions import channels_last, convolution_arguments, convolution_of, first, is_plain, pair
from .onnx_runtime import OnnxPasses
from .strided import Strided
from .trust import Trust
from .winograd import Winograd, is_worth_it, padded

WHOLE: Literal["whole"] = "whole"  # the way of whole passes, of which the pace is noted
TRIALS = 2  # of a way, before it is compared with others: the first one may prepare something

# Operations whose output has memory of its own, which its only reader may overwrite.
_FRESH = {"conv1d", "conv2d", "conv3d", "batch_norm", "add", "sub", "mul", "linear", "cat"}


class Prepared:
    """A model with its recorded pass on one input, ready to run on many inputs of the same size.

    Batch normalisation is folded into the convolution before it, weights and images are kept with their channels last,
    and activation functions overwrite what only they read. The model is not changed: its own forward runs, and single
    calls are replaced (see `recording.substituting`). Changes that `version_of` does not detect go unnoticed
    here too: after them, prepare the model again.

    Parameters
    ----------
    x : tensor (1, channels, height, width)
    output : str, int, callable or ScoreMeaning, optional
        Which of several outputs holds the scores, or what they mean.
    recording : Recording, optional
        The whole pass on `x` in eval mode, if available.
    like : Prepared, optional
        Of the same model with another input: its prepared weights are reused if they are still valid.
    transforms : bool
        Whether wide 3 × 3 convolutions may be transformed (see `winograd`): faster, but the transformed kernels are
        four times as large as the weights.

    Attributes
    ----------
    recording : Recording
    meaning : ScoreMeaning
        What the scores mean, as given or detected.
    clean : tensor (classes,)
        The scores of `x`.
    """

    @torch.inference_mode(False)
    def __init__(
        self,
        model: nn.Module,
        x: Tensor,
        *,
        output: Output = None,
        recording: Recording | None = None,
        like: Prepared | None = None,
        transforms: bool = True,
    ):
        self.model = unwrapped(model)
        self.x, self.output, self.transforms = x.detach().clone(), output, transforms
        self.recording = record(self.model, self.x) if recording is None else recording
        self.meaning: ScoreMeaning = meaning_of(output, self.recording.output, self.recording)
        scores = self.meaning.read(self.recording.output, 1)
        if len(scores) != 1:
            raise ValueError(f"the model must give one row of scores for one image, got {tuple(scores.shape)}")
        self.clean = scores[0].detach()
        # The relative precision of a score.
        stored = self.x.dtype, pick_output(self.recording.output, self.meaning.output).dtype
        self.eps = max(torch.finfo(item).eps for item in stored if item.is_floating_point)
        self.consumers: dict[str, list[Operation]] = defaultdict(list)
        self.seeing = {"input"}  # whose values come from the input
        for operation in self.recording:
            for name in operation.inputs:
                self.consumers[name].append(operation)
            if not self.seeing.isdisjoint(operation.inputs):
                self.seeing.add(operation.name)
        self.version = version_of(self.model)
        self.folded: dict[str, tuple[Tensor, Tensor | None]] = {}  # convolution → weights, normalisation folded in
        self.idle: set[str] = set()  # operations that were folded into others
        self._transformed: dict[str, Winograd] = {}
        self._strided: dict[str, Strided] = {}
        self.patient = False  # whether many passes follow, so that slow preparations pay off
        self.trust = Trust()
        self._differentiable: bool | None = None
        self.onnx: OnnxPasses | None = None  # runs whole passes, where that is faster or requested
        self.reproducible = False  # whether the way of computing is not to depend on how long ways take
        self.may_switch = True  # to ONNX Runtime, where that is found to be faster
        self.paces: dict[Any, list[float]] = defaultdict(list)  # seconds for one image, by the way it was computed
        # Of the same model; another of its inputs may be varied.
        same = like is not None and (whole_model(like.model), like.version) == (whole_model(self.model), self.version)
        if like is not None and same:
            if like.recording.calls == self.recording.calls:
                self.folded, self._transformed, self.patient = like.folded, like._transformed, like.patient
                self._strided = like._strided
            if like.x.shape == self.x.shape:
                self.trust, self._differentiable = replace(like.trust), like._differentiable
                self.paces = like.paces
                # It holds the other inputs, and which of the outputs is read.
                if like.onnx is not None and like.model is self.model and like.meaning.output == self.meaning.output:
                    self.onnx = like.onnx.reading(self.meaning)
        self.cache = Cache()  # plans and memory of experiments, kept from one to the next
        with torch.no_grad():
            self.replacements = self._replacements()

    def __call__(
        self,
        batch: Tensor,
        instead: Mapping[int, Replacement] | None = None,
        watch: Callable[[Tensor], None] | None = None,
        watched: str = "",
    ) -> Tensor:
        """The scores (n, classes) of a batch (n, channels, height, width); the model must be borrowed.

        `instead` holds further replacements, which have priority over those of the preparation. `watch` is called with
        the value of the operation `watched`.

        Raises
        ------
        OtherPathError
            If the forward takes another path than for `x`.
        """
        replacements = {**self.replacements, **instead} if instead else self.replacements
        if watch is not None:
            operation = self.recording.operation(watched)
            assert operation.number is not None
            # A copy: the next operation may write into it.
            told = observed(operation, lambda value: watch(value.clone()), replacements.get(operation.number))
            replacements = {**replacements, operation.number: told}
        with substituting(self.model, self.recording.calls, replacements):
            output = self.model(batch)
        return self.meaning.read(output, len(batch))

    def whole(self, batch: Tensor) -> Tensor:
        """The scores of a batch by a whole pass, on ONNX Runtime where that was asked for."""
        return self(batch) if self.onnx is None else self.onnx(batch)

    def pace(self, way: Any) -> float:
        """The least seconds that one image took in a way; 0 for one that was not tried often enough to tell."""
        known = self.paces[way]
        return min(known) if len(known) >= TRIALS else 0.0

    def note_pace(self, way: Any, seconds: float) -> None:
        """Note how long one image took in a way."""
        self.paces[way] = [*self.paces[way][1 - 2 * TRIALS :], seconds]

    def has_gradients(self) -> bool:
        """Whether the gradients of this pass are the model's own: compared once, on `x`.

        They are not, for example, where a hook changes the gradient of an operation that is folded into another one.
        """
        if self._differentiable is None:
            weights = torch.linspace(1, 2, self.clean.numel(), device=self.x.device)

            def gradient(run: Callable[[Tensor], Tensor]) -> Tensor | None:
                start = self.x.clone().requires_grad_()
                scores = run(start * 1)[0]
                known = torch.where(torch.isfinite(scores), scores, 0)
                return torch.autograd.grad((known * weights).sum(), start, allow_unused=True)[0]

            with borrow(self.model), torch.enable_grad():
                try:
                    result = gradient(self)
                    own = gradient(lambda batch: self.meaning.read(self.model(batch), 1))
                except RuntimeError:
                    self._differentiable = False
                else:
                    self._differentiable = result is not None and own is not None and _alike(result, own, self.eps)
        return self._differentiable

    def reading(self, meaning: ScoreMeaning) -> Prepared:
        """The same, but its scores are read in another way."""
        if meaning == self.meaning:
            return self
        twin = copy.copy(self)
        twin.trust, twin.cache = replace(self.trust), Cache()
        twin.meaning = twin.output = meaning
        twin.clean = meaning.read(self.recording.output, 1)[0].detach()
        twin.onnx = None if self.onnx is None else self.onnx.reading(meaning)
        return twin

    def value(self, source: Any) -> Any:
        """A recorded argument as it was in the pass: a tensor's value for its `Source`."""
        if isinstance(source, Source):
            name = source.name
            return source.value if name is None else self.x if name == "input" else self.recording[name]
        if isinstance(source, tuple):
            return tuple(self.value(item) for item in source)
        return source

    def can_watch(self, name: str) -> bool:
        """Whether the value of an operation is computed: not if the operation is folded into the next one."""
        operation = self.recording.operation(name)
        reader = self.only_reader(name)
        folded = operation.name in self.folded and reader is not None and reader.name in self.idle
        several = sum(item.number == operation.number for item in self.recording) > 1
        return operation.number is not None and not folded and not several and operation.op != "pad"

    def only_reader(self, name: str) -> Operation | None:
        """The only operation that reads the value of `name`, if there is exactly one."""
        readers = self.consumers.get(name, ())
        if name in self.recording.returned or len(readers) != 1 or any(source.shared for source in readers[0].sources):
            return None
        return readers[0] if sum(source.name == name for source in readers[0].sources) == 1 else None

    def _replacements(self) -> dict[int, Replacement]:
        result: dict[int, Replacement] = {}
        for operation in self.recording:
            if operation.number is None:
                continue
            if operation.op in ("conv1d", "conv2d", "conv3d"):
                self._convolution(operation, result)
            elif operation.name in self.idle:
                result[operation.number] = first
            elif operation.op == "view":
                # A view that is valid for channels first may not be valid for channels last.
                result[operation.number] = _reshaped
            else:
                written = in_place(operation)
                argument = operation.inputs[0] if len(operation.inputs) == 1 else ""
                if written is not None and argument in self.recording and self.only_reader(argument) is operation:
                    made_by = self.recording.operation(argument)
                    if made_by.op in _FRESH and made_by.shape == operation.shape:
                        result[operation.number] = partial(_write, written)
        return result

    def _convolution(self, operation: Operation, result: dict[int, Replacement]) -> None:
        """Fold what is possible into a convolution, and add its replacement."""
        arguments = convolution_arguments(operation)
        weight, bias = self.value(arguments.pop("weight")), self.value(arguments.pop("bias"))
        source = arguments.pop("input")
        if not isinstance(source, Source) or len(operation.shape) != weight.ndim:
            return
        if operation.dtype != weight.dtype:
            return  # under autocast, which would not be active
        if any(item.name is not None and item.name in self.seeing for item in operation.sources[1:]):
            return  # weights that come from the input
        reader = self.only_reader(operation.name)
        if reader is not None and reader.op == "batch_norm" and reader.number is not None:
            scale_shift = self.normalisation(reader)
            if scale_shift is not None:
                self.idle.add(reader.name)
                if operation.name not in self.folded:
                    scale, shift = scale_shift
                    bias = (shift if bias is None else shift + bias.double() * scale).to(weight.dtype)
                    weight = (weight.double() * scale.view(-1, *(1,) * (weight.ndim - 1))).to(weight.dtype)
        if operation.name not in self.folded:
            # Of a signal as for an image of one row, for which convolutions are faster.
            self.folded[operation.name] = channels_last(weight.unsqueeze(2) if weight.ndim == 3 else weight), bias
        weight, bias = self.folded[operation.name]
        if operation.op != "conv2d":
            result[operation.number or 0] = convolution_of(operation.op, weight, bias, arguments)
            return
        before = self._padding(operation, source)
        if before is not None:
            padding, pad = before
            arguments["padding"] = padding
            result[pad] = first
        plain = is_plain(arguments)
        height, width = operation.shape[2:]
        steps, spread = pair(arguments["stride"]), pair(arguments["dilation"])
        slow = strided.is_worth_it(weight, steps, spread, arguments["groups"], arguments["padding"])

        def run(function: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Tensor:
            x = first(function, args, keywords)
            if slow and x.requires_grad and torch.is_grad_enabled():
                if operation.name not in self._strided:
                    self._strided[operation.name] = Strided(weight, bias, steps[0], pair(arguments["padding"]))
                return self._strided[operation.name](x)
            # Not differentiable: its sums are written into memory that is used again.
            wanted = plain and not (x.requires_grad and torch.is_grad_enabled())
            transformed = self.transformed(operation.name, len(x), height, width) if wanted else None
            if transformed is not None:
                window = padded(x, pair(arguments["padding"]), height, width)
                return transformed(window, height, width).permute(0, 3, 1, 2)
            return F.conv2d(x, weight, bias, **arguments)

        result[operation.number or 0] = run

    def _padding(self, operation: Operation, source: Source) -> tuple[tuple[int, int], int] | None:
        """Zero padding by a separate operation, as the convolution's padding; and that operation's number."""
        if source.name is None or source.name not in self.recording:
            return None
        pad = self.recording.operation(source.name)
        if pad.op != "pad" or pad.number is None or self.only_reader(pad.name) is not operation:
            return None
        if pair(convolution_arguments(operation)["padding"]) != (0, 0):
            return None
        amounts = pad.arguments[1] if len(pad.arguments) > 1 else pad.keywords.get("pad", ())
        rest = (*pad.arguments[2:], *pad.keywords.values())
        if any(item not in ("constant", 0, None, amounts) for item in rest) or len(amounts) != 4:
            return None
        left, right, top, bottom = amounts
        return ((top, left), pad.number) if left == right >= 0 and top == bottom >= 0 else None

    def transformed(self, name: str, count: int, height: int, width: int) -> Winograd | None:
        """A plain convolution for `winograd`, where that pays for `count` maps of height × width outputs.

        Its kernels are computed when first needed: that takes time, and they are four times as large.
        """
        if not (self.transforms and is_worth_it(self.folded[name][0], count, height, width)):
            return None
        if name not in self._transformed and self.patient:
            self._transformed[name] = Winograd(*self.folded[name])
        return self._transformed.get(name)

    def normalisation(self, operation: Operation) -> tuple[Tensor, Tensor] | None:
        """Scale and shift per channel, float64, of a normalisation by running statistics."""
        names = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
        if operation.function is torch.batch_norm:
            names = ("input", "weight", "bias", "running_mean", "running_var", "training", "momentum", "eps")
        argument = dict(zip(names, operation.arguments, strict=False)) | dict(operation.keywords)
        mean, variance = self.value(argument.get("running_mean")), self.value(argument.get("running_var"))
        if mean is None or variance is None or argument.get("training", False):
            return None
        scale = (variance.double() + argument.get("eps", 1e-5)).rsqrt()
        weight, bias = self.value(argument.get("weight")), self.value(argument.get("bias"))
        if weight is not None:
            scale = scale * weight.double()
        shift = -mean.double() * scale
        return scale, shift if bias is None else shift + bias.double()


def _alike(result: Tensor, own: Tensor, eps: float) -> bool:
    """Whether two gradients are equal up to rounding, which may switch a few rectifiers."""
    return bool((result - own).norm() <= max(1e-2, 64 * eps) * own.norm() + 1e-12)


def _reshaped(function: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    try:
        return function(*args, **keywords)
    except RuntimeError:
        return args[0].reshape(*args[1:], **keywords)


def in_place(operation: Operation) -> Callable[[Tensor], Tensor] | None:
    """The in-place form of an operation, if torch has one."""
    function = getattr(F, operation.op, None)
    if function is None or len(operation.sources) != 1:
        return None
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return None
    if "inplace" not in names or len(operation.arguments) > names.index("inplace"):
        return None
    keywords = {**operation.keywords, "inplace": True}
    keywords.pop("input", None)
    return partial(_apply, function, operation.arguments[1:], keywords)


def _apply(function: Callable[..., Tensor], rest: tuple[Any, ...], keywords: dict[str, Any], x: Tensor) -> Tensor:
    return function(x, *rest, **keywords)


def _write(
    written: Callable[[Tensor], Tensor], function: Any, args: tuple[Any, ...], keywords: dict[str, Any]
) -> Tensor:
    return written(first(function, args, keywords))
