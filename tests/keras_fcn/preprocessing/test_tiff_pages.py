"""What a TIFF's directories tell: its pictures, and what its pixels in memory do not tell."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from PIL import Image

from keras_fcn.preprocessing.reading import read_image
from keras_fcn.preprocessing.tiff_pages import (
    lost_in_memory,
    picture_pages,
    require_plain,
    tiff_pages,
)
from keras_fcn.preprocessing.videos import frames, is_video

COLOURS = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
pytestmark = pytest.mark.filterwarnings(
    "ignore::rasterio.errors.NotGeoreferencedWarning"  # of the tests' own files
)


def save(path, pixels=COLOURS, **profile):
    height, width, count = pixels.shape
    sizes = {"height": height, "width": width, "count": count, "dtype": pixels.dtype.name}
    with rasterio.open(path, "w", driver="GTiff", **sizes, **profile) as file:
        file.write(np.moveaxis(pixels, -1, 0))
    return path


@pytest.mark.parametrize("profile", [{}, {"BIGTIFF": "YES"}, {"ENDIANNESS": "BIG"}])
def test_smaller_forms_and_masks_are_no_pictures(tmp_path, profile):
    path = save(tmp_path / "x.tif", **profile)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4])
        file.write_mask(np.full((64, 96), 255, np.uint8))
    assert len(tiff_pages(path)) >= 4
    assert picture_pages(path) == [0]
    assert not is_video(path)
    require_plain(path)
    np.testing.assert_array_equal(read_image(path), COLOURS)


def test_pages_that_are_pictures_stay_frames(tmp_path):
    image, path = Image.fromarray(COLOURS), tmp_path / "x.tif"
    small = image.reduce(2)
    small.encoderinfo = {"tiffinfo": {254: 1}}
    image.save(path, save_all=True, append_images=[small, image.rotate(180)])
    assert picture_pages(path) == [0, 2]
    assert is_video(path)
    first, second = (pixels for _, pixels in frames(path))
    np.testing.assert_array_equal(first, COLOURS)
    np.testing.assert_array_equal(second, COLOURS[::-1, ::-1])


def test_damaged_files_end(tmp_path):
    path = tmp_path / "x.tif"
    Image.fromarray(COLOURS).save(path)
    whole = path.read_bytes()
    for end in (0, 3, 7, 12, 60):
        path.write_bytes(whole[:end])
        assert len(tiff_pages(path)) <= 1
    overlapping = b"II*\0\x08\0\0\0" + b"\1\0" * 40
    path.write_bytes(overlapping)
    assert len(tiff_pages(path)) < 10


@pytest.mark.parametrize(
    ("profile", "lost"),
    [
        ({"nodata": 0}, "without data"),
        ({"compress": "jpeg", "photometric": "ycbcr"}, "JPEG inside TIFF"),
        ({}, None),
    ],
)
def test_what_memory_does_not_tell(tmp_path, profile, lost):
    found = lost_in_memory(save(tmp_path / "x.tif", **profile))
    assert found is None if lost is None else lost in found


def test_masks_and_alpha_are_not_told_in_memory(tmp_path):
    Image.fromarray(COLOURS).convert("LA").save(tmp_path / "a.tif")
    assert "without data" in lost_in_memory(tmp_path / "a.tif")
    path = save(tmp_path / "m.tif")
    with rasterio.open(path, "r+") as file:
        file.write_mask(np.zeros((64, 96), np.uint8))
    assert "without data" in lost_in_memory(path)
    assert lost_in_memory(tmp_path / "none.tif") is None


def test_several_deep_pictures_are_refused(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        for _ in range(3):
            file.write(COLOURS.astype(np.uint16), photometric="rgb", contiguous=False)
    with pytest.raises(ValueError, match="holds 3 pictures"):
        read_image(tmp_path / "x.tif")
