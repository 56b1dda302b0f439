from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from nnlens.inputs import Resize, as_preprocess, prepare, probe_normalisation, read_image

CPU = {"device": torch.device("cpu"), "dtypes": (torch.float32,)}


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_paths_bytes_arrays_and_pictures_are_the_same(tmp_path, photo, picture):
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(picture))
    for image in (path, str(path), path.read_bytes(), photo, picture):
        np.testing.assert_array_equal(np.asarray(read_image(image)), photo)


def test_sixteen_bits_are_scaled(photo):
    grey = photo[:, :, 0].astype(np.uint16)
    wide = Image.fromarray(grey * 257)
    assert wide.mode.startswith("I")
    np.testing.assert_array_equal(np.asarray(read_image(encoded(wide)))[:, :, 1], photo[:, :, 0])


def test_transparency_stands_on_white(photo):
    alpha = np.full((*photo.shape[:2], 1), 255, np.uint8)
    alpha[:10] = 0
    found = np.asarray(read_image(encoded(Image.fromarray(np.concatenate([photo, alpha], 2)))))
    assert (found[:10] == 255).all()
    np.testing.assert_array_equal(found[10:], photo[10:])


def test_greyscale_palettes_and_floats(photo):
    grey = Image.fromarray(photo[:, :, 0])
    np.testing.assert_array_equal(np.asarray(read_image(encoded(grey)))[:, :, 2], photo[:, :, 0])
    np.testing.assert_array_equal(np.asarray(read_image(photo[:, :, :1]))[:, :, 0], photo[:, :, 0])
    assert read_image(encoded(Image.fromarray(photo).quantize(16))).mode == "RGB"
    assert np.asarray(read_image(Image.fromarray(np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)))).max() == 255


def test_exif_rotation_is_applied(picture):
    exif = picture.getexif()
    exif[0x0112] = 6  # turned by a quarter
    turned = read_image(encoded(picture, "JPEG", exif=exif, quality=100, subsampling=0))
    assert turned.size == (picture.height, picture.width)
    upright = np.asarray(picture.transpose(Image.Transpose.ROTATE_270), dtype=int)
    assert np.abs(np.asarray(turned, dtype=int) - upright).mean() < 3


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        ("nowhere.png", FileNotFoundError, "image must be a file that exists, got 'nowhere.png'"),
        (b"", ValueError, "image must not be empty"),
        (b"GIF89a but no", ValueError, "image must be"),
        (b"plain words", ValueError, "image must be a picture that Pillow can read"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, "image must not be empty, got an array"),
        (np.full((4, 4, 3), np.nan), ValueError, "image must be finite, got NaN or infinity"),
        (np.zeros((4, 4, 3), object), ValueError, "image must hold numbers as an array, got the dtype object"),
        (np.zeros((2, 4, 4, 3), np.uint8), ValueError, r"image must have the shape .*got \(2, 4, 4, 3\)"),
        (3.5, TypeError, "image must be a path, bytes, .* got float"),
    ],
)
def test_what_is_no_image_is_named(image, error, message):
    with pytest.raises(error, match=message):
        read_image(image)


def test_a_cut_off_file_is_named(picture):
    with pytest.raises(ValueError, match="image must be a complete picture"):
        read_image(encoded(picture, "JPEG")[:-400])


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1)])
def test_a_single_pixel_is_refused(size):
    with pytest.raises(ValueError, match="image must be at least 2 × 2 pixels"):
        prepare(Image.new("RGB", size), Resize(height=8, width=8, resize=8, mean=(0.5,), std=(0.5,)), **CPU)


def test_the_normalisation_is_found_by_asking(picture):
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    found = probe_normalisation(Resize(height=16, width=16, resize=20, mean=mean, std=std), picture)
    np.testing.assert_allclose(found.mean, mean, atol=1e-4)
    np.testing.assert_allclose(found.std, std, atol=1e-4)


@pytest.mark.parametrize(
    "preprocess",
    [
        lambda image: torch.from_numpy(np.array(image, dtype=np.float32)).permute(2, 0, 1) ** 2,
        lambda image: torch.randn(3, 8, 8),
        lambda image: torch.zeros(3, 8, 8),
    ],
)
def test_what_is_no_scaling_is_not_taken_for_one(picture, preprocess):
    assert probe_normalisation(preprocess, picture) is None
    given = prepare(picture, preprocess, **CPU)
    assert "stretched from" in given.shown_as


def test_the_picture_shown_is_the_models_input(photo):
    crop = Image.fromarray(photo[:40, :40])
    given = prepare(crop, Resize(height=40, width=40, resize=40, mean=(0.3, 0.4, 0.5), std=(0.2, 0.25, 0.3)), **CPU)
    np.testing.assert_array_equal(np.asarray(given.shown), photo[:40, :40])
    expected = (
        torch.from_numpy(photo[:40, :40].copy()).permute(2, 0, 1) / 255 - torch.tensor([0.3, 0.4, 0.5]).view(3, 1, 1)
    ) / torch.tensor([0.2, 0.25, 0.3]).view(3, 1, 1)
    torch.testing.assert_close(given.x[0], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(
        given.grey.flatten(), torch.tensor([(0.5 - 0.3) / 0.2, 0.1 / 0.25, 0.0]), atol=1e-3, rtol=0
    )


def test_ready_tensors_go_in_as_they_are():
    x = torch.randn(1, 2, 6, 7)
    given = prepare(x, None, **CPU)
    assert torch.equal(given.x, x)
    assert given.shown.size == (7, 6)
    assert "mean of 2 channels" in given.shown_as


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(2, 3, 4, 4), r"image must be one image as a tensor .* got \(2, 3, 4, 4\)"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), "image must be floating-point as a tensor .* got torch.uint8"),
        (torch.zeros(3, 0, 4), r"image must not be empty, got a tensor of shape \(3, 0, 4\)"),
        (torch.full((3, 4, 4), torch.inf), "image must be finite"),
        ("cat.jpg", "image must be a ready tensor where the lens has no preprocess"),
    ],
)
def test_bad_tensors(image, message):
    with pytest.raises(ValueError, match=message):
        prepare(image, None, **CPU)


def test_preprocess_takes_what_the_field_has(picture):
    timm = {
        "input_size": (3, 24, 24),
        "crop_pct": 0.8,
        "interpolation": "bicubic",
        "mean": (0.5,) * 3,
        "std": (0.5,) * 3,
    }
    assert as_preprocess(timm)(picture).shape == (3, 24, 24)
    assert as_preprocess({"size": 12})(picture).shape == (3, 12, 12)
    assert as_preprocess({"size": (1, 12, 10), "mean": 0.5, "std": 0.5})(picture).shape == (1, 12, 10)

    class Processor:
        image_mean = (0.5,)

        def __call__(self, images, return_tensors):
            assert return_tensors == "pt"
            return {"pixel_values": torch.zeros(1, 3, 8, 8)}

    assert as_preprocess(Processor())(picture).shape == (1, 3, 8, 8)
    for bad, message in (
        ("resize", "preprocess must be a callable"),
        ({"mean": 0}, "preprocess must have 'size'"),
        ({"size": -4}, "preprocess size must be"),
        ({"size": 4, "std": 0}, "std must not be 0"),
        ({"size": 4, "means": 0.5}, "preprocess has no key 'means'; did you mean 'mean'"),
        ({"size": (1, 4, 4), "mean": (0.1, 0.2, 0.3)}, "preprocess mean must have 1 or 1 numbers"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            as_preprocess(bad)


def test_a_preprocess_that_fails_says_so(picture):
    def broken(image):
        raise KeyError("boom")

    with pytest.raises(ValueError, match="preprocess failed on a 48 × 40 photograph: 'boom'"):
        prepare(picture, broken, **CPU)
    with pytest.raises(TypeError, match="preprocess must return a tensor, got ndarray"):
        prepare(picture, np.asarray, **CPU)
