"""The images of a session: recorded once, kept while they are among the latest, recorded again after a change."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nnlens.inputs import Input, any_input
from nnlens.inputs.labels import names_of
from nnlens.kernels import Prepared, prepare_passes
from nnlens.recording import ForwardError, Recorder, Recording, changed_by_a_pass, record, version_of
from nnlens.recording.record import unwrapped
from nnlens.scores.meaning import Position, pick_output
from nnlens.scores.per_input import PerInput
from nnlens.utils.cache import Cache
from nnlens.utils.language import _
from nnlens.utils.nests import mapped, tensors_in
from nnlens.utils.tensors import as_bytes

from .sample import Sample
from .setup import ModelSetup
from .work.fast_engine import FastEngine

KEPT = 4


class Samples:
    """Makes a `Sample` of an image, and keeps the latest few.

    Without an `engine` passes are those of torch, and an image's are the same whichever images came before.
    """

    def __init__(self, setup: ModelSetup, engine: FastEngine | None = None):
        self._setup, self._engine = setup, engine
        self._cache = Cache(sample=KEPT)
        self._prepared: Prepared | None = None  # the latest one, whose weights the next takes over

    def of(self, image: Any, *, name: str | None = None, position: Position = None, scores: bool = True) -> Sample:
        """Record one pass on `image`, unless it is among the latest.

        `position` is for a model that gives a map of scores: see `ScoreMeaning`. Without `scores` the sample may be
        one whose scores cannot be read: its layers are still available.

        Raises
        ------
        ValueError
            For an image that cannot be read, labels that do not fit, scores that cannot be read, and scores that are
            NaN (with the first operation that returned NaN).
        ForwardError
            Where the model raises.
        """
        sample = self._looked_at(image, name, position)
        if scores:
            sample.scored()
        return sample

    def _looked_at(self, image: Any, name: str | None, position: Position) -> Sample:
        setup = self._setup
        version = version_of(setup.model, full=True)
        value = image if isinstance(image, Input) else setup.input_of(image, name)
        try:
            return self._recorded(value, version, position)
        except ForwardError:
            # The picture may be in a mode (grey, with alpha) that the model was not made for.
            if isinstance(image, (Input, Tensor)) or setup.preprocess is None:
                raise
            try:
                return self._recorded(setup.input_of(image, name, convert=True), version, position)
            except Exception:
                pass
            raise

    def blank(self) -> Sample:
        """A sample of no image, for views of the weights alone: its only layer is a single 0."""
        value = replace(any_input((torch.zeros(1, 1, 1, 1),), {}, torch.device("cpu")), name=_("no image"))
        empty = np.empty(0, np.float32)
        return Sample(
            input=value,
            recording=record(none := _NoLayer(), value.x),
            model=none,
            logits=empty,
            probabilities=empty,
            names=(),
            meaning=None,
            version=version_of(self._setup.model, full=True),
            asked=self._setup.asked,
            problem=_("there is no image"),
            is_blank=True,
        )

    def current(self, sample: Sample, *, full: bool = False) -> Sample:
        """`sample`, or its image recorded again where the model, or what its scores mean, has changed since.

        `full` compares all weights: see `recording.version_of`.
        """
        version = version_of(self._setup.model, full=full)
        if version == sample.version and sample.asked == self._setup.asked:
            return sample
        if sample.is_blank:
            return self.blank()
        position = None if sample.meaning is None else sample.meaning.position
        if version == sample.version:
            return self._recorded(sample.input, version, position, like=sample)
        value = sample.input if sample.input.renewed is None else sample.input.renewed(sample.input)
        return self._recorded(value, version, position)

    def prepared(self, sample: Sample) -> Prepared | None:
        """The model prepared for many passes on variations of an image, once for each; see `kernels.Prepared`."""

        def make() -> Prepared | None:
            model, x, scored, recording = sample.model, sample.input.x, sample.scored(), sample.recording
            if self._engine is None:
                made = prepare_passes(model, x, scored, recording=recording, engine="torch")
                if made is not None:
                    made.reproducible = True
                return made
            self._prepared = prepare_passes(model, x, scored, recording=recording, like=self._prepared)
            return self._prepared

        prepared: Prepared | None = sample.cache.once("prepared", make=make)
        if prepared is not None and self._engine is not None:
            self._engine.serve(prepared)
        return prepared

    def _recorded(self, value: Input, version: int, position: Position, like: Sample | None = None) -> Sample:
        model = self._setup.model
        pick = self._setup.pick if like is None else ""
        where = (position.shape, position.tobytes()) if isinstance(position, np.ndarray) else position
        text = None if value.text is None else value.text.text
        varied = None if value.around is None else (value.around.path, value.around.as_image)
        about = [value.name, value.shown_as, text, version, hash(self._setup.asked), pick, where, varied]
        key = _digest(value), str(about)
        sample: Sample | None = self._cache.get("sample", *key)
        if sample is None:
            own = value.model(unwrapped(model)) if like is None else like.model
            if like is not None:
                recording = like.recording
            elif value.is_image:
                recording = record(own, value.x)
            else:
                args, keywords = value.call
                recording = Recorder(own).run(args, keywords)
            if like is None and changed_by_a_pass(model, version):
                warnings.warn(
                    "each pass changes the model, so nnlens cannot notice your own changes to it", stacklevel=2
                )
                version = version_of(model)
            sample = self._scored(value, own, recording, version, position)
            self._cache.put("sample", *key, value=sample)
        return sample

    def _scored(self, value: Input, model: nn.Module, recording: Recording, version: int, position: Position) -> Sample:
        asked = self._setup.asked
        try:
            by_input = isinstance(self._setup.pick, PerInput)
            if value.is_tokens and not by_input and pick_output(recording.output, self._setup.pick).ndim == 3:
                raise ValueError(_("the model gives scores for each token, not for the whole text"))
            found, own_names = self._setup.reading_of(recording, value)
            meaning = found.at(position)
            if meaning.output is None and _classes_come_last(recording):
                shape = tuple(pick_output(recording.output, None).shape)
                raise ValueError(
                    "output must have its classes along the second axis, but the model ends with a layer over the "
                    f"last one and gives {shape}: give Lens(…, output=lambda y: y.transpose(1, 2))"
                )
            scores = meaning.read(recording.output, 1).detach()
            if scores.shape[0] != 1:
                raise ValueError(
                    f"the model must give one row of scores for one image, got {tuple(scores.shape)}: choose what to "
                    "look at with output=… (a key, an index or a callable on what the model returns)"
                )
            if problem := meaning.problem(scores[0]):
                first = recording.first_not_finite()
                where = f"; the first NaN is in {first.name} ({first.op})" if first else ""
                raise ValueError(f"the model returned {problem}{where}")
            names = own_names or names_of(self._setup.labels, scores.shape[1])
        except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
            empty = np.empty(0, np.float32)
            return Sample(
                input=value,
                model=model,
                recording=recording,
                logits=empty,
                probabilities=empty,
                names=(),
                meaning=None,
                version=version,
                asked=asked,
                problem=str(error),
            )
        shares = meaning.probabilities(scores)[0].cpu().numpy()
        return Sample(
            input=value,
            model=model,
            recording=recording,
            logits=scores[0].cpu().numpy(),
            probabilities=shares,
            names=names,
            meaning=meaning,
            version=version,
            asked=asked,
        )


def _classes_come_last(recording: Recording) -> bool:
    """Whether the scores are those of steps (n, steps, classes), as a linear layer at the end gives them."""
    raw = pick_output(recording.output, None)
    end = recording.maker_of(raw) if raw.ndim == 3 else None
    return end is not None and end.op == "linear"


class _NoLayer(nn.Module):
    """What is recorded where there is no image."""

    def forward(self, x: Tensor) -> Tensor:
        return x.relu()


def _digest(value: Input) -> str:
    """A hash of everything that the model is called with."""
    digest = hashlib.blake2b(digest_size=16)
    args, keywords = value.call
    for tensor in tensors_in((args, keywords)):
        digest.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(as_bytes(tensor))
    digest.update(repr(mapped((args, keywords), lambda tensor: "tensor")).encode())
    return digest.hexdigest()
