"""Some images of a data set with their classes, and what identifies them."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from PIL import Image

from nnlens.inputs import as_preprocess
from nnlens.inputs.datasets import ImageDataset, evenly
from nnlens.inputs.datasets.marks import mark_of

AS_IT_IS = as_preprocess({"size": 8, "mean": 0.0, "std": 1.0})


def dataset(data, labels=()):
    return ImageDataset(data, AS_IT_IS, device=torch.device("cpu"), dtypes=(torch.float32,), labels=labels)


def picture(seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8))


class Pairs:
    """Images with labels by index, one of which cannot be read; what was read is noted."""

    def __init__(self, labels, broken=-1):
        self.labels, self.broken, self.read = labels, broken, []

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, item):
        self.read.append(item)
        if item == self.broken:
            raise OSError("a broken file")
        return picture(item), self.labels[item]


@pytest.fixture
def folder(tmp_path):
    for item in range(12):
        path = tmp_path / f"class{item // 6}" / f"{item:02}.png"
        path.parent.mkdir(exist_ok=True)
        picture(item).save(path)
    return tmp_path


@pytest.mark.parametrize("in_memory", [True, False])
def test_an_item_that_cannot_be_read_is_left_out_and_listed(in_memory):
    found = dataset(Pairs([0, 1, 2, 0, 1, 2], broken=3)).labelled(6, in_memory=in_memory)
    assert found.items == (0, 1, 2, 4, 5)
    assert found.classes == [0, 1, 2, 1, 2]
    assert found.skipped == ((3, "a broken file"),)
    assert len(found) == len(found.images) == 5
    assert found.all_skipped([(4, "later")]) == [(3, "a broken file"), (5, "later")]
    with pytest.raises(ValueError, match="dataset must hold images that can be read, but the first one"):
        dataset(Pairs([0], broken=0)).labelled(1, in_memory=in_memory)


def test_labels_that_stand_beside_the_images_are_read_without_these():
    data = Pairs([0, 1, 2, 0, 1, 2])
    data.targets = list(data.labels)
    found = dataset(data).labelled(6, in_memory=False)
    assert found.classes == [0, 1, 2, 0, 1, 2]
    assert data.read == [0]  # to see that they are the same
    data.targets = [5] * 6  # something else
    assert dataset(data).labelled(6, in_memory=False).classes == [0, 1, 2, 0, 1, 2]


def test_numbers_stay_the_classes_they_are_where_two_have_one_name():
    names = ["crane", "dog", "crane"]
    assert dataset(Pairs([0, 1, 2]), names).labelled(3).classes == [0, 1, 2]
    assert dataset(Pairs(["dog", "1"]), names).labelled(2).classes == [1, 1]
    with pytest.raises(ValueError, match="'crane' is the name of the classes 0, 2"):
        dataset(Pairs(["dog", "crane"]), names).labelled(2)


@pytest.mark.parametrize(
    ("label", "words"), [(0.5, "0.5"), ("²", "²"), ("owl", "owl"), (None, ""), (torch.zeros(3), "")]
)
def test_what_is_no_class(label, words):
    found = dataset(Pairs([0, label]), ["cat", "dog"])
    assert found.labelled(2).classes is None
    assert found.label(1) == words


def test_hidden_folders_and_dangling_links(folder):
    hidden = folder / ".ipynb_checkpoints"
    hidden.mkdir()
    picture().save(hidden / "00.png")
    os.symlink(folder / "nowhere.png", folder / "class1" / "99.png")
    found = dataset(folder, ["class0", "class1"]).labelled(100)
    assert found.classes == [0] * 6 + [1] * 6
    assert [item for item, _why in found.skipped] == [12]


def test_a_folder_may_be_called_tar(tmp_path):
    folder = tmp_path / "images.tar"
    folder.mkdir()
    picture().save(folder / "one.png")
    assert len(dataset(folder)) == 1


def test_a_change_in_the_middle_is_another_mark(folder):
    def marks(count=12):
        images = dataset(folder).labelled(count, in_memory=False).images
        return mark_of(images, 0, len(images)), mark_of(dataset(folder), 0, len(images))

    before = marks()
    assert marks() == before
    picture(99).save(folder / "class0" / "03.png")
    changed = marks()
    assert changed[0] != before[0]
    assert changed[1] != before[1]
    picture(98).save(folder / "class0" / "03a.png")  # the first and the last stay
    assert marks(12)[0] != changed[0]


def test_what_is_in_memory_counts_with_all_of_it():
    images = torch.randn(9, 3, 8, 8)
    for data in (images, [*images], [(image, 1) for image in images]):
        before = mark_of(dataset(data), 0, 9)
        assert mark_of(dataset(data), 0, 9) == before
        images[4] += 1
        assert mark_of(dataset(data), 0, 9) != before
    before = mark_of(images, 0, 9)
    images[4] += 1
    assert mark_of(images, 0, 9) != before
    assert mark_of([*images], 0, 9) != mark_of([*images], 0, 8)


def test_evenly():
    assert evenly(12, 4) == [0, 4, 7, 11]
    assert evenly(3, 9) == [0, 1, 2]
    assert evenly(2**25 + 1, 2)[-1] == 2**25  # more than float32 can count
    with pytest.raises(ValueError, match="count must be a whole number"):
        evenly(3, 0)
