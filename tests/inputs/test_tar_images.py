"""Tar files as data sets: the images and labels that a folder of the same files has."""

from __future__ import annotations

import io
import pickle
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import nnlens
from nnlens.inputs import as_preprocess
from nnlens.inputs.datasets import ImageDataset

SIZED = {"size": 8, "mean": 0.0, "std": 1.0}
AS_IT_IS = as_preprocess(SIZED)
OPTIONS = {"device": torch.device("cpu"), "dtypes": (torch.float32,)}


def picture(seed):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8))


def add(tar, name, content):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


@pytest.fixture
def tars(tmp_path):
    """Two files with seven images; the fourth one is broken, the last one has no label."""
    paths = [tmp_path / "train-0.tar", tmp_path / "train-1.tar"]
    for path, seeds in zip(paths, ((0, 1, 2), (3, 4, 5, 6)), strict=True):
        with tarfile.open(path, "w") as tar:
            for seed in seeds:
                content = io.BytesIO()
                picture(seed).save(content, "png")
                if seed < 6:
                    add(tar, f"a.b/{seed:03}.cls", f"{seed % 3}\n".encode())
                add(tar, f"a.b/{seed:03}.png", b"broken" if seed == 3 else content.getvalue())
                add(tar, f"a.b/{seed:03}.json", b"{}")
    return paths


def test_images_and_labels(tars):
    data = ImageDataset(tars, AS_IT_IS, labels=["ant", "bee", "cat"], **OPTIONS)
    assert len(data) == 7
    for item in (0, 2, 4, 6):
        expected = torch.from_numpy(np.array(picture(item))).permute(2, 0, 1) / 255
        assert torch.equal(data[item], expected)
    assert [data.label(item) for item in (0, 1, 2, 4, 6)] == ["ant", "bee", "cat", "bee", ""]
    with pytest.raises(Exception, match="cannot identify image file"):
        data[3]
    assert len(ImageDataset(str(tars[0]), AS_IT_IS, **OPTIONS)) == 3
    again = pickle.loads(pickle.dumps(data))
    assert torch.equal(again[2], data[2])
    assert data.mark_of(range(3)) == again.mark_of(range(3)) != data.mark_of(range(1, 4))


def test_a_search_over_tar_files_finds_what_one_over_images_finds(tars):
    torch.manual_seed(0)
    lens = nnlens.Lens(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten()), preprocess=SIZED
    )
    for options in ({}, {"shard_size": 2}):
        lens.examples(tars, layers=["1"], store=False, **options)
        found = lens.session.search.finish()
        assert [item for item, _why in found.skipped] == [3]
        lens.examples([picture(seed) for seed in range(7) if seed != 3], layers=["1"], store=False)
        expected = lens.session.search.finish()
        for unit in range(4):
            ours = [(one.item, one.position, round(one.value, 5)) for one in found["1"].examples(unit)]
            theirs = [(one.item, one.position, round(one.value, 5)) for one in expected["1"].examples(unit)]
            assert ours == [(item + (item > 2), position, value) for item, position, value in theirs]


def test_bad_tar_files_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="dataset must be tar files that exist, got"):
        ImageDataset(tmp_path / "none.tar", None, **OPTIONS)
    (tmp_path / "bad.tar").write_bytes(b"no tar file at all" * 100)
    with pytest.raises(ValueError, match="dataset must be uncompressed tar files, but"):
        ImageDataset(tmp_path / "bad.tar", None, **OPTIONS)
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    with pytest.raises(ValueError, match="dataset must hold at least one image"):
        ImageDataset(tmp_path / "empty.tar", None, **OPTIONS)
