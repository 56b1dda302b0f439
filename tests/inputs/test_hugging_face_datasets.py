"""A data set of Hugging Face is read by index: its images, its labels by their names, also by workers."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import nnlens

datasets = pytest.importorskip("datasets")


@pytest.fixture(scope="module")
def photographs():
    """Twelve photographs, of which one cannot be opened."""
    images = [np.random.default_rng(seed).integers(0, 256, (40, 48, 3), dtype=np.uint8) for seed in range(12)]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    rows = {"image": [Image.fromarray(image) for image in images], "label": [item % 2 for item in range(12)]}
    return datasets.Dataset.from_dict(rows, features=features), images


def test_images_and_labels(lens, photographs):
    data, images = photographs
    found = lens.session.setup.dataset(data)
    assert len(found) == 12
    one = nnlens.Lens(lens.model, preprocess={"size": 32, "mean": 0.5, "std": 0.25}).session.setup.dataset(images)
    np.testing.assert_array_equal(found[5].numpy(), one[5].numpy())
    assert found.labelled(12).classes[:4] == [0, 1, 0, 1]


@pytest.mark.parametrize("workers", [None, 1])
def test_examples(lens, photographs, workers):
    if workers:
        pytest.importorskip("loky")
    data, images = photographs
    lens.examples(images, layers=["block"], store=False, shard_size=5)
    plain = lens.session.search.finish()["block.1"].state()
    view = lens.examples(data, layers=["block"], store=False, shard_size=5, workers=workers)
    found = lens.session.search.finish()["block.1"].state()
    assert all(np.array_equal(values, found[name]) for name, values in plain.items())
    assert view.error is None
    view.close()


def test_a_stream_is_refused(lens, photographs):
    data, _images = photographs
    with pytest.raises(TypeError, match="dataset must give its items by index, got an IterableDataset"):
        lens.examples(data.to_iterable_dataset(), layers=["block"])
