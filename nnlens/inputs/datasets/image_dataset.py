"""Data sets: folders, torch Datasets and tensors as ready inputs by index, with pictures and labels."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import IterableDataset

from nnlens.inputs.input import Input, model_input, prepare
from nnlens.inputs.preprocessing import Preprocess
from nnlens.utils.errors import reason
from nnlens.utils.language import _

from .marks import file_line, memory_mark
from .tar_images import TarImages, is_tar

_IMAGES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
_TRIED = 64  # items, for one that can be read
_PICTURE_KEYS, _LABEL_KEYS = ("image", "img", "pixel_values", "x"), ("label", "labels", "fine_label", "y", "target")


def first_value(data: Any) -> Any:
    """The first item of a data set that can be read, as it is, without its label; None where none of them can."""
    for item in range(min(_TRIED, len(data) if hasattr(data, "__len__") else 1)):
        try:
            value = data[item]
        except Exception:
            continue
        if isinstance(value, Mapping):
            value = next((value[key] for key in _PICTURE_KEYS if key in value), None)
        value = value[0] if isinstance(value, (tuple, list)) and value else value
        if value is not None:
            return value
    return None


class ImageDataset:
    """A data set with preprocessing applied: `len(data)`, and `data[i]`, the model's input (c, h, w).

    Parameters
    ----------
    data : folder, tar files, tensor (n, c, h, w), torch Dataset or sequence
        A folder's images are found recursively, in the order of their paths; the name of a subfolder is the label of
        its images. Tar files, one path or a list of them, are read as WebDataset stores them: `key.jpg`, `key.cls`.
        An item of the others is an image (all that `lens.explore` takes), a pair of image and label, or a mapping with
        the keys "image" and "label".
    preprocess : callable, optional
        From a photograph to the model's input.
    labels : sequence of str, optional
        The names of labels that are numbers.
    bands : three int, optional
        Which channels are shown as red, green and blue.

    Attributes
    ----------
    mark : str
        Text that identifies this data set, as far as possible without reading it.
    """

    def __init__(
        self,
        data: Any,
        preprocess: Preprocess | None,
        *,
        device: torch.device,
        dtypes: Sequence[torch.dtype],
        labels: Sequence[str] | Mapping[int, str] = (),
        bands: Sequence[int] | None = None,
    ):
        self.preprocess, self.device, self.dtypes = preprocess, device, dtypes
        self.labels, self.bands = labels, bands
        self.folder: Path | None = None
        self.mark = type(data).__name__
        self._reading = threading.Lock()  # some data sets are not thread-safe
        if is_tar(data):
            data = [data]
        if isinstance(data, (list, tuple)) and data and all(map(is_tar, data)):
            data = TarImages(data, _IMAGES)
            self.mark = data.mark_of(range(len(data)))
        elif isinstance(data, (str, Path)):
            self.folder = Path(data).expanduser().absolute()
            if self.folder.is_file():
                raise ValueError(f"dataset must be a folder, or a tar file that is not compressed, got {str(data)!r}")
            if not self.folder.is_dir():
                raise FileNotFoundError(f"dataset must be a folder that exists, got {str(data)!r}")
            found = sorted(path for path in self.folder.rglob("*") if path.suffix.lower() in _IMAGES)
            # Hidden folders and files are those of other programs, such as .ipynb_checkpoints.
            names = {path: path.relative_to(self.folder) for path in found}
            data = [path for path, name in names.items() if not any(part.startswith(".") for part in name.parts)]
            if not data:
                raise ValueError(f"dataset must be a folder with images, but {str(self.folder)!r} has none")
            self._lines = [file_line(path, str(names[path])) for path in data]
            self.mark = "\n".join(self._lines)
        elif isinstance(data, IterableDataset):
            raise TypeError(
                "dataset must give its items by index, got an IterableDataset: its images could not be shown"
            )
        elif isinstance(data, Tensor) and data.ndim != 4:
            raise ValueError(
                "dataset must have the shape (n, c, h, w) as a tensor, or be of floating-point signals (n, c, time), "
                f"volumes or vectors, got {tuple(data.shape)} of {data.dtype}"
            )
        elif not (hasattr(data, "__getitem__") and hasattr(data, "__len__")) or isinstance(data, Mapping):
            if hasattr(data, "dataset") and hasattr(data, "batch_size"):
                raise TypeError(
                    f"dataset must be the data set itself, got a {type(data).__name__}: give its `.dataset`"
                )
            if hasattr(data, "__next__"):
                raise TypeError(f"dataset must give its items by index, got a {type(data).__name__}: give `list(…)`")
            kinds = "a folder, a torch Dataset, a tensor (n, c, h, w) or a sequence of images"
            raise TypeError(f"dataset must be {kinds}, got {type(data).__name__}")
        self._data = data
        if len(self) == 0:
            raise ValueError("dataset must hold at least one image, got an empty one")

    def __len__(self) -> int:
        return len(self._data)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_reading"}  # a lock is of one process

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _reading=threading.Lock())

    def mark_of(self, items: Sequence[int]) -> str | None:
        """`mark` of some items of a folder, of tar files or of what is in memory; None for other data."""
        if isinstance(self._data, TarImages):
            return self._data.mark_of(items)
        if self.folder is not None:
            return "\n".join(self._lines[item] for item in items)
        in_memory = isinstance(self._data, (Tensor, list, tuple))
        return memory_mark(self._data[item] for item in items) if in_memory else None

    def __getitem__(self, item: int) -> Tensor:
        if not 0 <= item < len(self):
            raise IndexError(f"item must be 0…{len(self) - 1}, got {item}")
        image, _ = self._item(item)
        return model_input(image, self.preprocess)[0]

    def tensor(self, item: int) -> Tensor | None:
        """The same as `data[item]`; None for one that cannot be read."""
        try:
            return self[item]
        except Exception:
            return None

    def first(self) -> Input:
        """The first image that can be read; ValueError if none of the first 64 can be, saying why."""
        problem: Exception | None = None
        for item in range(min(len(self), _TRIED)):
            try:
                return self.input(item)
            except Exception as error:
                problem = problem or error
        raise ValueError(
            f"dataset must hold images that can be read, but the first one cannot be read: {problem}"
        ) from problem

    def labelled(self, count: int, *, in_memory: bool = True) -> LabelledImages:
        """At most `count` images, evenly spread, with their classes.

        Parameters
        ----------
        count : int
        in_memory : bool
            Whether the images are read now, or each time they are used.

        Raises
        ------
        ValueError
            Where none can be read, and for the name of a label that several classes have.
        """
        column = self._label_column()
        items, images, raw, skipped = list[int](), list[Tensor](), list[Any](), list[tuple[int, str]]()
        for item in evenly(len(self), count):
            try:
                image = self[item] if in_memory else None
                label = self._raw_label(item) if column is None else column[item]
            except Exception as error:
                skipped.append((item, reason(error)))
                continue
            items.append(item)
            raw.append(label)
            images += [] if image is None else [image]
        if not items:
            self.first()  # raises, saying why
        return LabelledImages(
            images=torch.stack(images) if in_memory else ChosenImages(self, items),
            classes=self._classes(raw),
            items=tuple(items),
            skipped=tuple(skipped),
        )

    def _label_column(self) -> Sequence[Any] | None:
        """All labels of a data set that has them beside its images, so that no image is read for its label."""
        data, column = self._data, None
        if hasattr(data, "column_names"):  # of Hugging Face
            key = next((key for key in _LABEL_KEYS if key in data.column_names), None)
            column = None if key is None else list(data[key])
        elif getattr(data, "target_transform", None) is None:  # of torchvision
            column = getattr(data, "targets", None)
        if column is None or not hasattr(column, "__len__") or len(column) != len(self):
            return None
        for item in range(min(_TRIED, len(self))):
            with contextlib.suppress(Exception):
                return column if self._words(self._raw_label(item)) == self._words(column[item]) else None
        return None

    def _raw_label(self, item: int) -> Any:
        """The item's label as it is stored; None where it has none."""
        if self.folder is not None:
            parent = self._data[item].parent
            return None if parent == self.folder else str(parent.name)
        return self._data.label(item) if isinstance(self._data, TarImages) else self._item(item)[1]

    def _classes(self, labels: Sequence[Any]) -> list[int] | None:
        """The classes that labels stand for, numbers or names; None where one of them stands for no class."""
        names = self.labels
        by_name = defaultdict[str, list[int]](list)
        for number, name in names.items() if isinstance(names, Mapping) else enumerate(names):
            by_name[name].append(number)
        found = list[int]()
        for label in labels:
            same = by_name.get(label, []) if isinstance(label, str) else []
            if len(same) > 1:
                raise ValueError(
                    f"labels must name each class once where the dataset's labels are names, but {label!r} is the name "
                    f"of the classes {', '.join(map(str, same))}"
                )
            own = same[0] if same else _number(label)
            if own is None:
                return None
            found.append(own)
        return found

    def input(self, item: int) -> Input:
        """One image with the picture that shows it."""
        image, _ = self._item(item)
        return prepare(
            image, self.preprocess, device=self.device, dtypes=self.dtypes, bands=self.bands, name=self.name(item)
        )

    def name(self, item: int) -> str:
        """What an item is called: its path in the folder, or its number."""
        if self.folder is not None:
            return str(self._data[item].relative_to(self.folder))
        return _("image {number}", number=item)

    def label(self, item: int) -> str:
        """The item's label in words; "" where it has none."""
        return self._words(self._raw_label(item))

    def _item(self, item: int) -> tuple[Any, str]:
        with self._reading:
            value = self._data[item]
        label: Any = None
        if isinstance(value, Mapping):
            image = next((value[key] for key in _PICTURE_KEYS if key in value), None)
            if image is None:
                raise ValueError(f"an item must have an image under {_PICTURE_KEYS}, got the keys {sorted(value)}")
            label = next((value[key] for key in _LABEL_KEYS if key in value), None)
        elif isinstance(value, (tuple, list)):
            image, label = value[0], value[1] if len(value) > 1 else None
        else:
            image = value
        if isinstance(image, Image.Image):
            image = image.copy()  # the file of a lazily opened image is closed
        return image, label

    def _words(self, label: Any) -> str:
        if isinstance(label, str):
            return label
        number = _number(label)
        if number is None:
            return f"{label:g}" if isinstance(label, float) else ""
        if isinstance(self.labels, Mapping):
            return str(self.labels.get(number, number))
        return self.labels[number] if 0 <= number < len(self.labels) else str(number)


class ChosenImages(Sequence[Tensor]):
    """Some items of a data set, read one by one as the model's ready inputs."""

    def __init__(self, data: ImageDataset, items: Sequence[int]):
        self.data, self.items = data, items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, item: Any) -> Any:
        return self.data[self.items[item]]

    def mark_of(self, places: Sequence[int]) -> str | None:
        """What identifies some of them, see `ImageDataset.mark_of`."""
        return self.data.mark_of([self.items[place] for place in places])


@dataclass(frozen=True, kw_only=True)
class LabelledImages:
    """Some images of a data set with their classes.

    Attributes
    ----------
    images : tensor (n, c, h, w) or ChosenImages
    classes : list of int, or None
        None where one of them has no label of the classes known.
    items : tuple of int
        Which items of the data set these are.
    skipped : tuple of (int, str)
        Items that could not be read, and why: they are left out.
    """

    images: Tensor | ChosenImages
    classes: list[int] | None
    items: tuple[int, ...]
    skipped: tuple[tuple[int, str], ...]

    def __len__(self) -> int:
        return len(self.items)

    def all_skipped(self, later: Iterable[tuple[int, str]] = ()) -> list[tuple[int, str]]:
        """The items that could not be read, with those places of `images` that could not be read later."""
        return sorted([*self.skipped, *((self.items[place], why) for place, why in later)])


def evenly(total: int, count: int) -> list[int]:
    """At most `count` of so many items, evenly spread: those of a folder are often in the order of their classes."""
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"count must be a whole number, 1 or more, got {count!r}")
    count = min(count, total)
    return sorted({round(at * (total - 1) / max(1, count - 1)) for at in range(count)})


def _number(label: Any) -> int | None:
    """A label that is a whole number, or the text of one."""
    if isinstance(label, str):
        return int(label) if label.isdecimal() else None
    try:
        number = int(label)
        return number if number == label else None
    except (TypeError, ValueError, RuntimeError):
        return None
