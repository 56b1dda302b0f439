"""A user's transform receives what their own pipeline gives it; what nnlens does to an image it says."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import nnlens
from nnlens.inputs import Resize, as_preprocess, prepare
from nnlens.inputs.labels import class_names, names_of, short

CPU = {"device": torch.device("cpu"), "dtypes": (torch.float32,)}
RANDOM = np.random.default_rng(0)


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def made(mode: str) -> Image.Image:
    pixels = RANDOM.integers(0, 255, (20, 24, 4)).astype(np.uint8)
    if mode == "I;16":
        return Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 16)
    if mode == "F":
        return Image.fromarray(pixels[:, :, 0].astype(np.float32) * 3.5)
    if mode == "P":
        return Image.fromarray(pixels[:, :, :3]).quantize(32)
    if mode == "CMYK":
        return Image.fromarray(pixels, "CMYK")
    return Image.fromarray(pixels if mode == "RGBA" else pixels[:, :, :3]).convert(mode)


class Seen:
    """A transform that keeps what it is given first."""

    def __init__(self):
        self.given = []

    def __call__(self, image):
        self.given.append(image)
        if isinstance(image, torch.Tensor):
            return image.float() / 255
        array = np.array(image).astype(np.float32)
        return torch.from_numpy(array[None] if array.ndim == 2 else array.transpose(2, 0, 1))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "CMYK", "I;16", "F", "1"])
@pytest.mark.parametrize("how", ["picture", "path", "bytes", "file"])
def test_a_transform_is_given_the_picture_as_it_was_opened(mode, how, tmp_path):
    image = made("L").convert("1") if mode == "1" else made(mode)
    kind = "TIFF" if mode in ("F", "CMYK") else "PNG"
    data = encoded(image, kind)
    path = tmp_path / "picture"
    path.write_bytes(data)
    given = {"picture": image, "path": path, "bytes": data, "file": io.BytesIO(data)}[how]
    transform = Seen()
    found = prepare(given, transform, **CPU)
    assert transform.given[0].mode == image.mode
    np.testing.assert_array_equal(np.array(transform.given[0]), np.array(image))
    right = torch.as_tensor(np.array(image).astype(np.float32))
    right = right[None] if right.ndim == 2 else right.permute(2, 0, 1)
    torch.testing.assert_close(found.x[0], right)
    assert not found.notes


@pytest.mark.parametrize(
    "image",
    [
        torch.randint(0, 256, (3, 20, 24), dtype=torch.uint8),
        torch.randint(0, 256, (1, 20, 24), dtype=torch.uint8),
        RANDOM.integers(0, 255, (20, 24, 3)).astype(np.uint8),
        RANDOM.random((20, 24, 3)),
        RANDOM.random((13, 20, 24)).astype(np.float32),
    ],
)
def test_a_transform_is_given_tensors_and_arrays_as_they_are(image):
    transform = Seen()
    prepare(image, transform, **CPU)
    assert type(transform.given[0]) is type(image)
    assert transform.given[0].shape == image.shape
    assert transform.given[0].dtype == image.dtype


def test_a_grey_picture_for_a_network_on_colours_is_converted_and_said():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    grey = made("L")
    view = nnlens.Lens(model, preprocess=Seen()).explore(grey, size=6, stride=6)
    right = torch.from_numpy(np.array(grey.convert("RGB")).astype(np.float32)).permute(2, 0, 1)
    torch.testing.assert_close(view.selection.sample.input.x[0], right)
    assert "converted from L to RGB" in view.photo["shown_as"]
    assert view.photo["notes"]


def test_a_rotation_by_exif_is_done_to_files_and_said(picture, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.png"
    picture.save(path, exif=exif)
    found = prepare(path, Seen(), **CPU)
    assert tuple(found.x.shape[2:]) == (picture.width, picture.height)
    assert "turned upright" in found.notes[0]
    with Image.open(path) as opened:
        opened.load()
        as_it_is = prepare(opened, Seen(), **CPU)
    assert tuple(as_it_is.x.shape[2:]) == (picture.height, picture.width), "what nnlens did not open it leaves alone"


def test_a_random_transform_is_noticed_and_draws_nothing_more():
    def noisy(image):
        return torch.rand(3, 8, 8) + torch.rand(1)

    torch.manual_seed(3)
    right = torch.rand(3, 8, 8) + torch.rand(1)
    after = torch.rand(2)
    torch.manual_seed(3)
    found = prepare(made("RGB"), noisy, **CPU, check=True)
    assert torch.equal(found.x[0], right)
    assert torch.equal(torch.rand(2), after), "as if it had been called once"
    assert "random" in found.notes[0]
    assert not prepare(made("RGB"), Seen(), **CPU, check=True).notes


def test_floats_are_read_by_their_range_and_it_is_said():
    resize = Resize(height=20, width=24, resize=20, mean=(0.0,) * 3, std=(1.0,) * 3)
    pixels = RANDOM.integers(0, 255, (20, 24, 3)).astype(np.uint8)
    expected = prepare(pixels, resize, **CPU).x
    for values, words in ((pixels / 255, "0…1"), (pixels.astype(np.float64), "0…255")):
        found = prepare(values, resize, **CPU)
        torch.testing.assert_close(found.x, expected, atol=2e-3, rtol=0)
        assert words in found.notes[0]
    chw = prepare(pixels.transpose(2, 0, 1), resize, **CPU)
    torch.testing.assert_close(chw.x, expected)


def test_many_bands_have_statistics_of_their_own_and_three_are_shown():
    bands = RANDOM.random((20, 24, 6)).astype(np.float32) * 4000
    mean, std = tuple(range(100, 700, 100)), (50.0,) * 6
    preprocess = as_preprocess({"size": (20, 24), "mean": mean, "std": std})
    found = prepare(bands, preprocess, **CPU, bands=(3, 2, 1))
    right = (torch.from_numpy(bands).permute(2, 0, 1) - torch.tensor(mean).view(-1, 1, 1)) / 50
    torch.testing.assert_close(found.x[0], right, atol=1e-2, rtol=1e-4)
    assert "channels 3, 2, 1" in found.shown_as
    shown = np.asarray(found.shown).astype(float)
    for position, band in enumerate((3, 2, 1)):
        assert np.corrcoef(shown[:, :, position].ravel(), bands[:, :, band].ravel())[0, 1] > 0.98
    with pytest.raises(ValueError, match="bands must be three channels 0…5"):
        prepare(bands, preprocess, **CPU, bands=(6, 1, 2))
    with pytest.raises(ValueError, match="image must have 6 bands for this preprocess, got 5"):
        prepare(bands[:, :, :5], preprocess, **CPU)
    model = nn.Sequential(nn.Conv2d(6, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    lens = nnlens.Lens(model, preprocess={"size": (20, 24), "mean": mean, "std": std}, bands=(3, 2, 1))
    assert lens.explore(bands, size=5, stride=5).result.occlusion.complete


def test_closed_pictures_and_texts_are_named(tmp_path):
    made("RGB").save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as closed:
        pass
    resize = Resize(height=8, width=8, resize=8, mean=(0.5,), std=(0.5,))
    with pytest.raises(ValueError, match="image must be open, but the file of this PIL image was closed"):
        prepare(closed, resize, **CPU)
    with pytest.raises(TypeError, match="image must be a file opened for bytes"):
        prepare(io.StringIO("text"), resize, **CPU)
    with pytest.raises(FileNotFoundError, match=r"got 'a film, though dull'; for a text see"):
        prepare("a film, though dull", resize, **CPU)
    with (tmp_path / "a.png").open("rb") as file:
        assert prepare(file, resize, **CPU).name


def test_a_ready_input_keeps_its_dtype_where_the_model_has_it():
    x = torch.rand(1, 3, 8, 8).bfloat16()
    assert prepare(x, None, device=CPU["device"], dtypes=(torch.float32, torch.bfloat16)).x.dtype == torch.bfloat16
    assert prepare(x, None, **CPU).x.dtype == torch.float32


def test_what_the_views_do_not_take_is_named_and_layers_need_no_image():
    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = nn.Embedding(20, 8), nn.Linear(8, 3)

        def forward(self, ids, mask=None):
            return {"hidden": self.embed(ids), "other": self.head(self.embed(ids))}

    lens, ids = nnlens.Lens(Reader().eval()), torch.randint(0, 20, (1, 6))
    with pytest.raises(ValueError, match=r"the views take images; nnlens\.record, lens\.summary and lens\.activations"):
        lens.explore(ids)
    assert "Embedding" in repr(lens.summary(ids, mask=torch.ones(1, 6)))
    view = lens.activations(ids, layer="head")
    assert view.result.values.shape[0] == 3
    assert "output=" in view.meaning["problem"]
    view.picture()
    view._repr_mimebundle_()


# Labels


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["a", "b\n", "  c  d "], ("a", "b", "c d")),
        ({"0": "a", "1": "b", "2": "c"}, ("a", "b", "c")),
        ({0: "a", 2: "c"}, ("a", "class 1", "c")),
        ({"a": 0, "c": 2, "b": 1}, ("a", "b", "c")),
        ({"0": ["n01", "a"], "1": ["n02", "b"], "2": ["n03", "c"]}, ("a", "b", "c")),
        (np.array(["a", "b", "c"]), ("a", "b", "c")),
        (["crane", "b", "crane"], ("crane (0)", "b", "crane (2)")),
        ((7, 8, 9), ("7", "8", "9")),
        ({"0": 0, "10": 2, "1": 1}, ("0", "1", "10")),
        (None, ("class 0", "class 1", "class 2")),
    ],
)
def test_names_in_any_form(labels, names):
    assert names_of(class_names(labels), 3) == names


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ("cat", TypeError, "labels must be a sequence or a mapping of names, got str"),
        ({"cat": "dog"}, ValueError, "labels must map indices to names, or names to indices, got {'cat': 'dog'"),
        ({"0": "a", 0: "b"}, ValueError, "labels must give each index one name, got several for 0"),
        ({-1: "a"}, ValueError, "labels must have indices from 0 on, got -1"),
        ([None, "a"], TypeError, "labels must be names, got None"),
        (["a", "b"], ValueError, "labels must name each of the model's 3 scores, got 2 names"),
        ({5: "a"}, ValueError, "got a name for 5"),
    ],
)
def test_labels_that_cannot_be(labels, error, message):
    with pytest.raises(error, match=message):
        names_of(class_names(labels), 3)


def test_targets_in_any_form_and_long_names(net, photo):
    names = ["a" * 3000, "b\nb", "crane", "crane", "7"]
    lens = nnlens.Lens(net, preprocess={"size": 32}, labels=names)
    for target, index in ((np.int64(2), 2), (torch.tensor(3), 3), ("crane (3)", 3), ("B B", 1), (np.array(4), 4)):
        assert lens.explore(photo, target=target).target == index
    view = lens.explore(photo)
    assert max(map(len, view.labels)) <= 80
    assert len(short("a" * 3000)) == 80
    view.picture()
    with pytest.raises(ValueError, match="target must be one of the 5 labels, got 'crane'; did you mean 'crane"):
        lens.explore(photo, target="crane")


def test_labels_that_differ_in_case_and_indices_of_one_number():
    from nnlens.session.selection import resolve_target

    assert resolve_target("bass", ("Bass", "bass")) == 1
    assert resolve_target("BASS", ("Bass", "bass")) == 0
    for target in (torch.tensor([2]), np.array([2]), torch.tensor(2)):
        assert resolve_target(target, ("a", "b", "c")) == 2
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).eval()
    found = nnlens.kernels.gradient(net, torch.rand(1, 3, 2, 2), target=torch.tensor(2))
    assert found.target == 2


def test_numbers_of_any_dtype_are_not_stretched():
    resize = Resize(height=20, width=24, resize=20, mean=(0.0,) * 3, std=(1.0,) * 3)
    pixels = RANDOM.integers(60, 119, (20, 24, 3)).astype(np.uint8)
    expected = prepare(pixels, resize, **CPU).x
    for dtype in (np.int64, np.int32, np.uint16):
        torch.testing.assert_close(prepare(pixels.astype(dtype), resize, **CPU).x, expected, atol=2e-3, rtol=0)
    values = RANDOM.random((20, 24, 3)) * 1.2 - 0.5
    found = prepare(values, resize, **CPU)
    torch.testing.assert_close(found.x[0], torch.from_numpy(values).permute(2, 0, 1).float(), atol=1e-4, rtol=0)
    assert "taken as they are" in found.notes[0]


def test_a_file_that_was_read_in_part_is_read_from_its_start():
    data = encoded(made("RGB"))
    file = io.BytesIO(data)
    file.read(40)
    assert prepare(file, Resize(height=8, width=8, resize=8, mean=(0.5,), std=(0.5,)), **CPU).name
    with pytest.raises(TypeError, match=r"preprocess must return a floating-point tensor, got torch\.uint8"):
        prepare(made("RGB"), lambda image: torch.zeros(3, 4, 4, dtype=torch.uint8), **CPU)
