"""Data sets: folders, torch Datasets and tensors as ready inputs by index, with pictures and labels."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.utils.data import IterableDataset

from nnlens.inputs.input import Input, model_input, prepare
from nnlens.inputs.preprocessing import Preprocess
from nnlens.utils.language import _

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
            self.mark = data.mark_of(0, len(data))
        elif isinstance(data, (str, Path)):
            self.folder = Path(data).expanduser()
            if self.folder.is_file():
                raise ValueError(f"dataset must be a folder, or a tar file that is not compressed, got {str(data)!r}")
            if not self.folder.is_dir():
                raise FileNotFoundError(f"dataset must be a folder that exists, got {str(data)!r}")
            data = sorted(path for path in self.folder.rglob("*") if path.suffix.lower() in _IMAGES)
            if not data:
                raise ValueError(f"dataset must be a folder with images, but {str(self.folder)!r} has none")
            stats = [path.stat() for path in data]
            self._lines = [
                f"{path.relative_to(self.folder)} {stat.st_size} {stat.st_mtime_ns}"
                for path, stat in zip(data, stats, strict=True)
            ]
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

    def mark_of(self, start: int, stop: int) -> str | None:
        """`mark` of a part of a folder or of tar files; None for other data."""
        if isinstance(self._data, TarImages):
            return self._data.mark_of(start, stop)
        return None if self.folder is None else "\n".join(self._lines[start:stop])

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

    def labelled(self, count: int) -> tuple[Float[Tensor, "n channels h w"], list[int] | None]:
        """At most `count` images, evenly spread, and their classes; None where one has no label of the classes known.

        Images that cannot be read are left out. Raises ValueError where none can be.
        """
        found = [(place, image) for place in self.spread(count) if (image := self.tensor(place)) is not None]
        if not found:
            self.first()  # raises, saying why
        return torch.stack([image for _place, image in found]), self.classes([place for place, _image in found])

    def spread(self, count: int) -> list[int]:
        """At most `count` items, evenly spread: those of a folder are often in the order of their classes."""
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ValueError(f"count must be a whole number, 1 or more, got {count!r}")
        count = min(count, len(self))
        return sorted({round(at * (len(self) - 1) / max(1, count - 1)) for at in range(count)})

    def classes(self, items: Sequence[int]) -> list[int] | None:
        """The classes of some items; None where one has no label of the classes known."""
        names = self.labels
        by_name = {name: index for index, name in (names.items() if isinstance(names, Mapping) else enumerate(names))}
        words = [self.label(item) for item in items]
        labels = [by_name.get(label, int(label) if label.isdigit() else None) for label in words]
        known = [label for label in labels if label is not None]
        return known if len(known) == len(labels) else None

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
        if self.folder is not None:
            parent = self._data[item].parent
            return "" if parent == self.folder else str(parent.name)
        if isinstance(self._data, TarImages):
            return self._words(self._data.label(item))
        return self._item(item)[1]

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
        return image, self._words(label)

    def _words(self, label: Any) -> str:
        if isinstance(label, str):
            return label
        try:
            number = int(label)
        except (TypeError, ValueError):
            return ""
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


def chosen(data: ImageDataset, count: int) -> tuple[ChosenImages, list[int] | None]:
    """As `ImageDataset.labelled`, but the images are read when they are used."""
    items = data.spread(count)
    return ChosenImages(data, items), data.classes(items)
