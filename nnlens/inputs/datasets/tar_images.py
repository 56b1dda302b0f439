"""Images in tar files, as WebDataset stores them: read by index, without unpacking."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from .marks import file_line

LABELS = ".cls"  # a number or a word, in a file beside the image


class TarImages:
    """The images of uncompressed tar files, in the order in which they are stored, with their labels.

    The files' headers are read once, to know where each image lies; an image is then read from its place. An image and
    its label, `key.cls`, have the same name up to the first dot.

    Parameters
    ----------
    paths : sequence of paths
        The tar files, in their order.
    suffixes : set of str
        Of the files that are images.
    """

    def __init__(self, paths: Sequence[str | Path], suffixes: set[str]):
        self.paths = [Path(path).expanduser().absolute() for path in paths]
        places: list[tuple[int, int, int, int, int]] = []  # tar, offset and size of the image, and of its label
        for number, path in enumerate(self.paths):
            try:
                with tarfile.open(path, "r:") as tar:
                    members = [member for member in tar if member.isfile()]
            except FileNotFoundError as error:
                raise FileNotFoundError(f"dataset must be tar files that exist, got {str(path)!r}") from error
            except tarfile.TarError as error:
                raise ValueError(f"dataset must be uncompressed tar files, but {str(path)!r}: {error}") from error
            labels = {_key(member.name): member for member in members if member.name.endswith(LABELS)}
            for member in members:
                if Path(member.name).suffix.lower() in suffixes:
                    label = labels.get(_key(member.name))
                    where = (label.offset_data, label.size) if label is not None else (0, 0)
                    places.append((number, member.offset_data, member.size, *where))
        self._places = np.array(places, np.int64).reshape(-1, 5)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, item: int) -> tuple[Image.Image, str | int]:
        number, offset, size, _label_offset, _label_size = map(int, self._places[item])
        with self.paths[number].open("rb") as file:
            file.seek(offset)
            image = Image.open(io.BytesIO(file.read(size)))
            image.load()
        return image, self.label(item)

    def label(self, item: int) -> str | int:
        """The label of an image, without reading the image; "" where it has none."""
        number, _offset, _size, offset, size = map(int, self._places[item])
        with self.paths[number].open("rb") as file:
            file.seek(offset)
            label = file.read(size).decode(errors="replace").strip()
        return int(label) if label.isdecimal() else label

    def mark_of(self, items: Sequence[int]) -> str:
        """Text that identifies some of the images: their places, and the size and time of the files they are in."""
        some = self._places[list(items)]
        lines = [file_line(path, path.name) for path in (self.paths[number] for number in np.unique(some[:, 0]))]
        return "\n".join([*lines, str(some[:, 1:3].tolist())])


def is_tar(data: object) -> bool:
    """Whether `data` is the path of a tar file, and not of a folder."""
    return isinstance(data, (str, Path)) and Path(data).suffix.lower() == ".tar" and not Path(data).is_dir()


def _key(name: str) -> str:
    """A name in a tar file up to the first dot of its last part."""
    folder, _, last = name.rpartition("/")
    return f"{folder}/{last.partition('.')[0]}"
