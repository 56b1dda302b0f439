"""What is explained: one score of a model for one input, and the passes that compute it."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nnlens.kernels.units.back_projection import Rule, rule_replacements
from nnlens.passes.batches import in_batches, out_of_memory
from nnlens.passes.partial_pass import PartialPass
from nnlens.passes.prepared import Prepared
from nnlens.passes.trust import Level
from nnlens.passes.whole_passes import WholePasses
from nnlens.recording import ForwardError, OtherPathError, Recording, borrow, draw_alike, draws, record, version_of
from nnlens.recording.record import unwrapped
from nnlens.scores.meaning import Output, ScoreKind, check_kind, plain_index
from nnlens.utils.language import _

from .result import Attribution


class Subject:
    """One score of a model for one input.

    Parameters
    ----------
    x : tensor (1, …)
    target : int, optional
        The class; the one with the largest score if left out.
    score : "logit" or "probability", optional
        See `ScoreMeaning.log_odds` and `.probabilities`. Where it is left out, `usual`; but the probability where the
        model gives no logits.
    output : str, int, callable or ScoreMeaning, optional
        Which of several outputs holds the scores, or what they mean.
    recording, prepared : optional
        The whole pass on `x` and the prepared model, if already computed.

    Attributes
    ----------
    clean : tensor (classes,)
    value : float
        The score of the unchanged input.
    forwards, backwards : int
        The passes of the attribution that is being made, of one input each.
    """

    def __init__(
        self,
        model: nn.Module,
        x: Tensor,
        *,
        target: int | None = None,
        score: ScoreKind | None = None,
        usual: ScoreKind = "logit",
        output: Output = None,
        recording: Recording | None = None,
        prepared: Prepared | None = None,
    ):
        if not isinstance(x, Tensor) or x.ndim < 2 or len(x) != 1:
            got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f"x must be one input as a tensor (1, …), got {got}")
        if not torch.isfinite(x).all():
            raise ValueError("x must be finite, got NaN or infinity")
        if score is not None:
            check_kind(score)
        self.model, self.output = unwrapped(model), output
        self.x = x.detach()
        self._version = version_of(self.model, full=True)
        self.passes = WholePasses(self.model, self.x, output=output, prepared=prepared)
        self._recording = recording
        self.score: ScoreKind = self.passes.meaning.usual(usual) if score is None else score
        self.meaning = self.passes.meaning.for_kind(self.score)
        self.passes.reading(self.meaning)
        if self.passes.prepared is not None and not draws(self.model):
            scores = self.passes.prepared.clean[None]
        else:
            with borrow(self.model):
                if draws(self.model):
                    draw_alike()  # as every other pass does
                scores = self.meaning.read(self.model(self.x.clone()), 1)
        if len(scores) != 1:
            raise ValueError(f"the model must give one row of scores for one input, got {tuple(scores.shape)}")
        self.clean = scores[0].detach()
        if problem := self.meaning.problem(self.clean):
            raise ValueError(f"the model must give finite scores for x, got {problem}")
        classes, target = len(self.clean), plain_index(target)
        if target is None:
            target = int(self.clean.argmax())
        if isinstance(target, bool) or not isinstance(target, (int, np.integer)):
            raise TypeError(f"target must be a class index, got {type(target).__name__}")
        if not 0 <= target < classes:
            raise ValueError(f"target must be 0…{classes - 1}, got {target}")
        self.target = int(target)
        self.value = float(self.of(self.clean[None])[0])
        if not np.isfinite(self.value):
            raise ValueError(f"target must be a class with a finite score, got {self.target}, whose {self.score} is −∞")
        self.forwards, self.backwards = 0, 0
        self.how = ""  # how a layer's gradient was computed, if not in the fast way

    @property
    def recording(self) -> Recording:
        """The whole pass on `x`, recorded when first asked for."""
        if self._recording is None:
            prepared = self.passes.prepared
            self._recording = record(self.model, self.x) if prepared is None else prepared.recording
        return self._recording

    def of(self, scores: Tensor) -> Tensor:
        """The explained score of each row of class scores, (n,)."""
        return self.meaning.of(scores, self.score)[:, self.target]

    def _check_model(self) -> None:
        if version_of(self.model) != self._version:
            raise ValueError("the model has changed during the computation: start again")

    def image(self) -> Tensor:
        """The input (channels, height, width), for methods that need one with rows and columns."""
        if self.x.ndim != 4:
            raise ValueError(
                f"x must be an image (1, channels, height, width) for this method, got {tuple(self.x.shape)}"
            )
        return self.x[0]

    def values(self, batch: Tensor) -> Tensor:
        """The explained score of each input of a batch, float64 on the CPU, without a gradient."""
        self._check_model()
        self.forwards += len(batch)
        results = self.of(self.passes.scores(batch)).cpu().double()
        if not torch.isfinite(results).all():
            raise ValueError(
                "the model returned NaN or infinity for a variation of x, so its score cannot be explained"
            )
        return results

    def gradients(self, batch: Tensor, rule: Rule = "gradient") -> tuple[Tensor, Tensor]:
        """The gradient of each score with respect to its input, by a rule for rectifiers, and the scores.

        Raises ValueError if there is none, with the reason.
        """
        self._check_model()
        modified = rule in ("deconvnet", "guided backprop")
        instead = rule_replacements(self.recording, rule, None, None)[0] if modified else None
        self.passes.check()

        def follow(part: Tensor) -> tuple[Tensor, Tensor]:
            score = self.of(self.passes.with_gradient(part, instead))
            (gradient,) = torch.autograd.grad(score.sum(), part, allow_unused=True)
            return gradient, score

        def run(start: int, stop: int) -> tuple[Tensor, Tensor]:
            part = batch[start:stop].detach().clone().requires_grad_()
            try:
                try:
                    gradient, score = follow(part)
                except RuntimeError as error:
                    if out_of_memory(error) or not self.passes.follow_the_model(error):
                        raise
                    gradient, score = follow(part)
            except RuntimeError as error:
                raise self._without_gradient(error) from error
            if gradient is None:
                raise self._without_gradient(
                    "between the input and the score is an operation that is not differentiable, or a part that runs "
                    "under torch.no_grad()"
                )
            return gradient.detach(), score.detach()

        with torch.inference_mode(False), borrow(self.model), torch.enable_grad():
            parts = [part for _, _, part in in_batches(len(batch), run, size=self.passes.size)]
        self.forwards += len(batch)
        self.backwards += len(batch)
        return torch.cat([gradient for gradient, _ in parts]), torch.cat([score for _, score in parts])

    def _without_gradient(self, why: Exception | str, towards: str = "") -> Exception:
        """The error to raise where there is no gradient; errors with another cause are returned unchanged."""
        if isinstance(why, Exception) and out_of_memory(why):
            return why
        if isinstance(why, OtherPathError):
            why = f"the rule needs the operations of the recorded pass, but {why}"
        return ValueError(f"the model has no gradient from class {self.target}{towards}: {why}")

    def at_layer(self, layer: str, batch: Tensor) -> tuple[Tensor, Tensor]:
        """A layer's values for a batch, and the gradient of the score with respect to them."""
        try:
            recording = self.recording
        except ForwardError as error:
            raise ValueError(f"the model could not be recorded, so its layers are not available: {error}") from error
        prepared = self.passes.prepared if self.passes.level == Level.PREPARED else None
        forward = PartialPass(self.model, recording, [layer], prepared=prepared, to_end=True)
        name = recording.resolve(layer)

        def follow(run: Callable[[Tensor], tuple[dict[str, Tensor], Any]]) -> tuple[Tensor, Tensor | None]:
            stored, argument = run(batch.detach().clone().requires_grad_() * 1)
            score = self.of(self.meaning.read(argument, len(batch)))
            return stored[name], torch.autograd.grad(score.sum(), stored[name], allow_unused=True)[0]

        with torch.inference_mode(False), borrow(self.model), torch.enable_grad():
            try:
                try:
                    value, gradient = follow(forward)
                except RuntimeError as error:
                    if out_of_memory(error):
                        raise
                    value, gradient = follow(forward.recorded)
                    forward.how = _("recorded from the model itself, because {error}", error=error)
            except RuntimeError as error:
                raise self._without_gradient(error, f" to {name}") from error
        self.how = forward.how
        if gradient is None:
            raise ValueError(f"layer must be one that the scores are computed from, got {layer!r}")
        self.forwards += len(batch)
        self.backwards += len(batch)
        return value.detach(), gradient.detach()

    def result(self, method: str, values: Tensor | np.ndarray, *, contribution: bool, **about: Any) -> Attribution:
        """An `Attribution` of this subject with the cost so far."""
        if isinstance(values, Tensor):
            values = values.detach().float().cpu().numpy()
        parameters = MappingProxyType(about.pop("parameters", {}))
        how = self.how or self.passes.how
        about["notes"] = (*about.get("notes", ()), *((how,) if how else ()))
        return Attribution(
            method=method,
            values=np.ascontiguousarray(values, dtype=np.float32),
            contribution=contribution,
            target=self.target,
            score=self.score,
            value=self.value,
            parameters=parameters,
            forwards=self.forwards,
            backwards=self.backwards,
            **about,
        )


def given_count(value: object, name: str, least: int = 1, most: int | None = None) -> int:
    """A whole number of at least `least`, or an error that names the argument."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < least or (most is not None and value > most):
        raise ValueError(f"{name} must be {least}…{'' if most is None else most}, got {value}")
    return int(value)
