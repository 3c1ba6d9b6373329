from __future__ import annotations

import re
import sys

import numpy as np
import pytest
from PIL import Image

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.preprocessing.images import fit_channels
from keras_fcn.preprocessing.reading import read_image, read_mask
from tests.keras_fcn.datasets import pictures

WIDE = np.array([[0, 1, 256], [300, 40000, 65535]], np.uint16)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_keep_their_channels(tmp_path, channels):
    pixels = pictures.image(0, channels=channels)
    result = read_image(pictures.save(tmp_path / "x.png", pixels))
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, pixels.reshape(6, 8, channels))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_of_16_bits_keeps_its_depth(tmp_path, suffix):
    result = read_image(pictures.save(tmp_path / f"x.{suffix}", WIDE))
    assert result.dtype == np.float32
    np.testing.assert_allclose(result[..., 0] * 65535, WIDE, atol=0.01)


def test_palettes_of_images_are_looked_up(tmp_path):
    path = pictures.save(tmp_path / "x.png", np.array([[0, 1], [2, 3]], np.uint8), palette=True)
    assert read_image(path).tolist() == [[[0, 0, 0], [128, 0, 0]], [[0, 128, 0], [128, 128, 0]]]


@pytest.mark.parametrize(
    ("pixels", "shape", "factor"),
    [
        (pictures.image(0, channels=5), (6, 8, 5), 1),
        (pictures.image(0, channels=1), (6, 8, 1), 1),
        (WIDE, (2, 3, 1), 65535),
        (np.full((2, 3, 2), 0.25), (2, 3, 2), 1),
    ],
)
def test_arrays(tmp_path, pixels, shape, factor):
    np.save(tmp_path / "x.npy", pixels)
    result = read_image(tmp_path / "x.npy")
    np.testing.assert_allclose(result, (pixels / factor).reshape(shape), rtol=1e-6)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((2, 2), np.int32), "Received: int32"),
        (np.zeros((2, 2, 2, 2), np.uint8), r"Received: uint8 \(2, 2, 2, 2\)"),
        (np.zeros((0, 2), np.uint8), r"Received: uint8 \(0, 2, 1\)"),
        (np.array([[np.nan]]), "NaN"),
        (np.array([[{}]]), "plain numbers"),
    ],
)
def test_arrays_that_are_no_images(tmp_path, pixels, message):
    np.save(tmp_path / "x.npy", pixels, allow_pickle=True)
    with pytest.raises(ValueError, match=rf"x\.npy.*{message}"):
        read_image(tmp_path / "x.npy")


@pytest.mark.filterwarnings("ignore:Corrupt EXIF:UserWarning")  # Pillow, before it gives up
@pytest.mark.parametrize("read", [read_image, read_mask])
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "npy"])
def test_damaged_files_are_named(tmp_path, read, suffix):
    path = tmp_path / f"x.{suffix}"
    for content in (b"", b"II*\0 nothing", b"<html>no</html>", b"\x93NUMPY\x01\x00"):
        path.write_bytes(content)
        with pytest.raises((ValueError, CaffeError), match=re.escape(str(path))):
            read(path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / f"none.{suffix}")


@pytest.mark.parametrize("read", [read_image, read_mask])
def test_files_cut_short_are_named(tmp_path, read):
    path = pictures.save(tmp_path / "x.png", pictures.image(0, (40, 40)))
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(ValueError, match=re.escape(str(path))):
        read(path)


def test_masks_give_their_numbers(tmp_path):
    indices = np.array([[0, 1], [2, 255]], np.uint8)
    for palette in (False, True):
        path = pictures.save(tmp_path / "m.png", indices, palette)
        np.testing.assert_array_equal(read_mask(path), indices)
    np.testing.assert_array_equal(read_mask(pictures.save(tmp_path / "w.png", WIDE)), WIDE)
    np.save(tmp_path / "m.npy", indices[..., np.newaxis])
    np.testing.assert_array_equal(read_mask(tmp_path / "m.npy"), indices)
    pictures.save(tmp_path / "b.png", indices > 0)
    assert read_mask(tmp_path / "b.png").tolist() == [[0, 1], [1, 1]]


def test_masks_give_their_colours(tmp_path):
    path = pictures.save(tmp_path / "m.png", np.array([[1, 2]], np.uint8), palette=True)
    assert read_mask(path, colours=True).tolist() == [[[128, 0, 0], [0, 128, 0]]]
    path = pictures.save(tmp_path / "m.png", pictures.image(0, channels=4))
    np.testing.assert_array_equal(read_mask(path), pictures.image(0, channels=4)[..., :3])


def test_masks_of_floats_are_refused(tmp_path):
    np.save(tmp_path / "m.npy", np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"m\.npy: a mask is integers.*float64"):
        read_mask(tmp_path / "m.npy")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("layout", ["contig", "separate"])
def test_tiff_of_five_bands(tmp_path, dtype, layout):
    tifffile = pytest.importorskip("tifffile", reason="five bands need tifffile")
    bands = np.random.default_rng(0).integers(0, 256, (6, 8, 5)).astype(dtype)
    stored = bands if layout == "contig" else np.moveaxis(bands, -1, 0)
    tifffile.imwrite(tmp_path / "x.tif", stored, photometric="minisblack", planarconfig=layout)
    result = read_image(tmp_path / "x.tif")
    assert result.shape == (6, 8, 5)
    white = 1 if dtype == np.uint8 else 65535
    np.testing.assert_allclose(result, bands / white, rtol=1e-6)


def test_tiff_without_tifffile_says_what_to_install(tmp_path, monkeypatch):
    picture = Image.fromarray(pictures.image(0))
    picture.save(tmp_path / "x.tif")
    assert read_image(tmp_path / "x.tif").shape == (6, 8, 3)
    (tmp_path / "x.tif").write_bytes(b"II+\0\x08\0\0\0" + b"\0" * 64)  # BigTIFF without a picture
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(CaffeError, match=r"x\.tif.*pip install 'keras-fcn\[tiff\]'"):
        read_image(tmp_path / "x.tif")


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_channels_a_network_takes(dtype):
    rgb = np.array([[(10, 200, 100)]], dtype)
    grey = fit_channels(rgb, 1)
    assert (grey.shape, grey.dtype) == ((1, 1, 1), dtype)
    assert grey.item() == pytest.approx(0.299 * 10 + 0.587 * 200 + 0.114 * 100, abs=0.5)
    np.testing.assert_array_equal(fit_channels(np.dstack([rgb, rgb[..., :1]]), 3), rgb)
    np.testing.assert_array_equal(fit_channels(rgb[..., :1], 3), np.full((1, 1, 3), 10))
    np.testing.assert_array_equal(fit_channels(rgb, 3), rgb)
    with pytest.raises(ValueError, match=r"5 channel.*\(1, 1, 3\)"):
        fit_channels(rgb, 5)


def test_a_mask_is_no_jpeg(tmp_path):
    path = tmp_path / "mask.jpg"
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(path)
    with pytest.raises(ValueError, match=r"mask\.jpg: JPEG changes the labels of a mask"):
        read_mask(path)
