"""The entry point of nnlens: a model with its preprocessing and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from nnlens.inputs import Preprocess, as_preprocess
from nnlens.inputs.datasets import ImageDataset
from nnlens.inputs.labels import class_names
from nnlens.kernels import Prepared, ScoreMeaning, summary
from nnlens.recording import device_of
from nnlens.render import SummaryTable
from nnlens.scores.meaning import Pick, Position, Task
from nnlens.session.sample import Sample
from nnlens.session.selection import Selection
from nnlens.session.session import Session
from nnlens.session.setup import ModelSetup

from .functions import FunctionViews
from .inputs import InputViews
from .text import TextViews
from .training import TrainingViews
from .weights import WeightViews


class Lens(InputViews, TextViews, WeightViews, FunctionViews, TrainingViews):
    """A model with its preprocessing and its labels; its methods open views of it.

    Parameters
    ----------
    model : torch.nn.Module
        Any model; it is borrowed for each pass and returned untouched, and stays on its device.
    preprocess : optional
        From an image to the model's input: a callable, which receives the image exactly as it was opened
        (torchvision's `transforms()` is one), a Hugging Face image processor, timm's data config, or
        `{"mean": …, "std": …, "size": …}`, which nnlens applies itself. Without it images must be ready tensors.
    labels : sequence or mapping, optional
        The names of the classes, by index; see `inputs.labels.class_names`. "class 0", "class 1", … by default.
    output : str, int or callable, optional
        Which of several outputs holds the scores.
    task : "multiclass", "multilabel", "binary" or "regression", optional
        What the scores mean; by default detected from the end of the pass and from the labels: see
        `kernels.detect_meaning`. `lens.meaning` says what was detected, and each view shows it.
    logits : bool, optional
        Whether a softmax or sigmoid has yet to be applied to the scores; by default detected.
    unit : str
        The unit of what a regression predicts: "years".
    bands : three int, optional
        Which of more than three channels are shown as red, green and blue.
    axes : str or dict, optional
        What the axes of the input are, a letter for each: "nchw", "nct" (a signal), "ntc", "ncdhw" (a volume), "nf"
        (numbers), …; of several inputs by their names. By default as the operations say that read them.
    rate : float, optional
        Of signals: how many samples there are in a second.
    channel_names : sequence of str or dict, optional
        What the channels of the input are called (bands, leads of an electrocardiogram, sensors), or the numbers of a
        vector; of several inputs by their names.
    axis_scales : dict, optional
        Of pictures that are none, such as spectrograms: what the rows ("h") and columns ("w") stand for, as the first
        and the last value with a unit: `{"h": (8000, 0, "Hz"), "w": (0, 2.5, "s")}`.
    tokenizer : optional
        For a model that reads text: a tokenizer of Hugging Face or of the package `tokenizers`, or a pair of callables
        (encode, decode).
    alphabet : str, optional
        Instead of a tokenizer, for a model of characters: each character is a token, by its place.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 2))
    >>> lens = Lens(model, preprocess={"size": 4, "mean": 0.5, "std": 0.5}, labels=["cat", "dog"])
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        preprocess: Any = None,
        labels: Sequence[str] | Mapping[Any, Any] | None = None,
        output: Pick = None,
        task: Task | None = None,
        logits: bool | None = None,
        unit: str = "",
        bands: Sequence[int] | None = None,
        axes: str | Mapping[str, str] | None = None,
        rate: float | None = None,
        channel_names: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
        axis_scales: Mapping[str, tuple[float, float, str]] | None = None,
        tokenizer: Any = None,
        alphabet: str | None = None,
    ):
        self._session = Session(
            ModelSetup(
                model,
                preprocess=preprocess,
                labels=labels,
                output=output,
                task=task,
                logits=logits,
                unit=unit,
                bands=bands,
                axes=axes,
                rate=rate,
                channel_names=channel_names,
                axis_scales=axis_scales,
                tokenizer=tokenizer,
                alphabet=alphabet,
            )
        )

    def __repr__(self) -> str:
        meaning = self._session.setup.meaning
        words = "" if meaning is None else f", {meaning.describe()}"
        return f"Lens({type(self.model).__name__}, on {device_of(self.model)}{words})"

    def with_model(self, model: nn.Module) -> Lens:
        """A lens of another model with the same preprocessing, labels and meaning of the scores."""
        made = object.__new__(Lens)
        made._session = Session(self._session.setup.with_model(model))
        return made

    @property
    def session(self) -> Session:
        """What the open views of this lens share: samples, selections, the worker, the data-set search."""
        return self._session

    @property
    def model(self) -> nn.Module:
        """The model, which is never changed."""
        return self._session.model

    @property
    def selection(self) -> Selection:
        """What the views of the latest image show: set its `layer`, `unit`, `target`, … and they follow."""
        return self._session.selections.latest

    @property
    def meaning(self) -> ScoreMeaning:
        """What the model's scores mean, as it was given or detected; known once an image was opened."""
        meaning = self._session.setup.meaning
        if meaning is None:
            raise ValueError("meaning is not known before the first image: open one, for example lens.explore(image)")
        return meaning

    @property
    def output(self) -> Pick | ScoreMeaning:
        """What kernels take as `output`: what the scores mean, or before that is known, which output holds them."""
        return self._session.output

    @property
    def preprocess(self) -> Preprocess | None:
        """From an image to the model's input; a new one applies to the images that are opened from then on."""
        return self._session.setup.preprocess

    @preprocess.setter
    def preprocess(self, preprocess: Any) -> None:
        self._session.setup.preprocess = as_preprocess(preprocess)

    @property
    def labels(self) -> tuple[str, ...] | dict[int, str] | None:
        """The names of the classes: set them, and all views follow. See `inputs.labels.class_names`."""
        return self._session.setup.labels

    @labels.setter
    def labels(self, labels: Any) -> None:
        self._session.relabel(class_names(labels))

    @property
    def task(self) -> str | None:  # not a Literal: on one, Jedi's completion of `lens.` fails
        """What the scores mean: set it, and all views follow; None detects it."""
        meaning = self._session.setup.meaning
        return self._session.setup.task if meaning is None else meaning.task

    @task.setter
    def task(self, task: Task | None) -> None:
        # `logits` was given for another task.
        self._session.read_as(task, None)

    @property
    def logits(self) -> bool | None:
        """Whether a softmax or sigmoid has yet to be applied to the scores: set it, and all views follow."""
        meaning = self._session.setup.meaning
        return self._session.setup.logits if meaning is None else meaning.logits

    @logits.setter
    def logits(self, logits: bool | None) -> None:
        self._session.read_as(self._session.setup.task, logits)

    @property
    def bands(self) -> Sequence[int] | None:
        """Which channels are shown as red, green and blue."""
        return self._session.setup.bands

    @bands.setter
    def bands(self, bands: Sequence[int] | None) -> None:
        self._session.setup.bands = bands

    def sample(self, image: Any, *, name: str | None = None, position: Position = None) -> Sample:
        """One image with its recorded pass: `.recording`, `.probabilities`, `.activations(layer)`.

        Parameters
        ----------
        image : path, bytes, PIL image, uint8 array or ready tensor
        name : str, optional
            How views call it; the file's name by default.
        position : optional
            For a model that gives a map of scores: see `kernels.ScoreMeaning`.

        Raises
        ------
        ValueError
            For an image that cannot be read, labels that do not fit, and scores that are NaN.
        ForwardError
            Where the model raises.
        """
        return self._session.samples.of(image, name=name, position=position)

    def dataset(self, data: Any) -> ImageDataset:
        """A folder, torch Dataset, tensor (n, c, h, w) or sequence of images as this model sees it."""
        return self._session.setup.dataset(data)

    def prepared(self, sample: Sample) -> Prepared | None:
        """The model prepared for many passes on variations of a sample: kernels take it as `prepared`."""
        return self._session.prepared(sample)

    def summary(self, *image: Any, depth: int | None = None, passes: int = 5, **keywords: Any) -> SummaryTable:
        """Every operation of a pass with its shape, parameters, FLOPs, receptive field, time and bytes, by module.

        Parameters
        ----------
        *image, **keywords : optional
            What the pass is run on: an image, or whatever the model takes (`lens.summary(ids, attention_mask=mask)`);
            the latest image if left out.
        depth : int, optional
            How many levels of modules are unfolded.
        passes : int
            How many passes are timed.

        Returns
        -------
        SummaryTable
            A table in a terminal, a tree that folds in a notebook; `.result` has the numbers.
        """
        value = self._session.input_of(*image, **keywords) if image or keywords else self.selection.sample.input
        args, keywords = value.call
        return SummaryTable(summary(self.model, *args, depth=depth, passes=passes, **keywords))
