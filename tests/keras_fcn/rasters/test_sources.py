"""Windows of images on the disk are those of the images; what nobody can mean is refused."""

from __future__ import annotations

import resource
import sys

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.enums import ColorInterp

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.rasters import geotiff
from keras_fcn.rasters.geotiff import GeoTiff, write_geotiff
from keras_fcn.rasters.opening import open_source
from keras_fcn.rasters.source import Picked, Place

pytestmark = pytest.mark.filterwarnings(
    "ignore::rasterio.errors.NotGeoreferencedWarning"  # of the tests' own files
)
COLOURS = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
WIDE = np.random.default_rng(1).integers(0, 4000, (60, 90, 5), np.uint16)
PART = slice(7, 50), slice(20, 83)


def save(path, pixels, names=(), kinds=None, **profile):
    height, width, count = pixels.shape
    profile = {"driver": "GTiff", "dtype": pixels.dtype.name, **profile}
    with rasterio.open(path, "w", height=height, width=width, count=count, **profile) as file:
        if kinds is not None:
            file.colorinterp = kinds
        file.write(np.moveaxis(pixels, -1, 0))
        for number, name in enumerate(names, 1):
            file.set_band_description(number, name)
    return path


def read(path, channels=3, bands=None, value_range=None, part=PART):
    return Picked(open_source(path), channels, bands, value_range).read(*part)


def test_files_of_every_kind(tmp_path):
    np.save(tmp_path / "x.npy", COLOURS)
    np.save(tmp_path / "f.npy", np.asfortranarray(COLOURS))
    Image.fromarray(COLOURS).save(tmp_path / "x.png")
    save(tmp_path / "x.tif", COLOURS)
    save(tmp_path / "tiles.tif", COLOURS, tiled=True, blockxsize=16, blockysize=16)
    for name in ("x.npy", "f.npy", "x.png", "x.tif", "tiles.tif"):
        pixels, valid = read(tmp_path / name)
        np.testing.assert_array_equal(pixels, COLOURS[PART])
        assert valid is None
        assert open_source(tmp_path / name).size == (60, 90)


def test_grey_and_alpha(tmp_path):
    np.save(tmp_path / "grey.npy", COLOURS[..., 0])
    np.testing.assert_array_equal(read(tmp_path / "grey.npy").pixels[..., 2], COLOURS[PART][..., 0])
    assert read(tmp_path / "grey.npy", 1).pixels.shape == (43, 63, 1)
    alpha = np.where(np.arange(90) < 40, 0, 255) * np.ones((60, 1))
    shown = np.dstack([COLOURS, alpha]).astype(np.uint8)
    kinds = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    pixels, valid = read(save(tmp_path / "x.tif", shown, kinds=kinds))
    np.testing.assert_array_equal(pixels, COLOURS[PART])
    np.testing.assert_array_equal(valid, alpha[PART] > 0)


def test_bands_and_values_are_told(tmp_path):
    path = save(tmp_path / "x.tif", WIDE, names=["blue", "green", "red", "nir", "swir"])
    wanted = np.clip((WIDE[PART][..., [2, 1, 0]] - 500.0) / 2500, 0, 1)
    for bands in ((3, 2, 1), ("red", "green", "blue"), ("red", 2, 1), np.array([3, 2, 1])):
        found = read(path, bands=bands, value_range=(500, 3000)).pixels
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, wanted, atol=1e-6)
    np.save(tmp_path / "x.npy", WIDE.astype(">u2"))
    found = read(tmp_path / "x.npy", bands=(3, 2, 1), value_range=(500, 3000)).pixels
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, r"5 bands \(blue, green, red\), the network takes 3.*bands=\(3,2,1\)"),
        ({"bands": (3, 2)}, r"takes 3 bands. Received: bands=\(3, 2\)"),
        ({"bands": (3, 2, 6)}, "has bands 1 to 5.*6"),
        ({"bands": (3, 2, 0)}, "has bands 1 to 5.*0"),
        ({"bands": (3, 2, "infrared")}, "'infrared'"),
        ({"bands": (3, 2, 1)}, r"holds uint16.*value_range=\(0, 10000\)"),
        ({"bands": (3, 2, 1), "value_range": (5, 5)}, "Received: 5, 5"),
        ({"bands": (3, 2, 1), "value_range": (0, np.inf)}, "finite"),
        ({"bands": (3, 2, 1), "value_range": (0, 1e40)}, r"float32. Received: 0, 1e\+40"),
        ({"bands": (3, 2, 1), "value_range": (1, 1 + 1e-12)}, "which is larger, also as float32"),
        ({"bands": (3, 2, 1), "value_range": (1,)}, "two numbers.* Received: 1"),
        ({"bands": (3, 2, 1), "value_range": 7}, "two numbers.* Received: 7"),
        ({"bands": np.array([3, 2, 9])}, "with 9$"),
    ],
)
def test_what_nobody_says_is_refused(tmp_path, options, why):
    path = save(tmp_path / "x.tif", WIDE, names=["blue", "green", "red"])
    with pytest.raises(ValueError, match=rf"(?s)x\.tif.*{why}|{why}"):
        read(path, **options)


def test_no_data(tmp_path):
    pixels = COLOURS.copy()
    pixels[10:20, 30:40] = 0
    pixels[25, 50] = (0, 9, 9)  # a colour
    _, valid = read(save(tmp_path / "x.tif", pixels, nodata=0))
    expected = np.ones((60, 90), bool)
    expected[10:20, 30:40] = False
    expected &= pixels.any(axis=-1)
    np.testing.assert_array_equal(valid, expected[PART])
    floats = (COLOURS / 255).astype(np.float32)
    floats[12, 33, 1] = -9999
    found, valid = read(save(tmp_path / "f.tif", floats, nodata=-9999))
    assert (~valid).sum() == 1
    assert found.shape == (43, 63, 3)
    floats[12, 33, 1] = np.nan
    assert (~read(save(tmp_path / "n.tif", floats, nodata=np.nan)).valid).sum() == 1
    with pytest.raises(ValueError, match=r"u\.tif: pixel \(12, 33\) is NaN"):
        read(save(tmp_path / "u.tif", floats))


def test_files_that_are_no_images(tmp_path):
    for name, content in (
        ("a.tif", b"II*\0 nothing"),
        ("b.tif", b"<VRTDataset rasterXSize='1' rasterYSize='1'/>"),
        ("c.npy", b"\x93NUMPY\x01\0"),
        ("d.png", b"nothing"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=name):
            open_source(tmp_path / name)
        with pytest.raises(FileNotFoundError):
            open_source(tmp_path / f"none_{name}")
    np.save(tmp_path / "cut.npy", COLOURS)
    content = (tmp_path / "cut.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(content[:-1])
    np.save(tmp_path / "objects.npy", np.array([None]), allow_pickle=True)
    np.save(tmp_path / "line.npy", np.zeros(4))
    for name, why in (("cut", "declares"), ("objects", "pickled"), ("line", "an image is")):
        with pytest.raises(ValueError, match=f"{name}.npy: .*{why}"):
            open_source(tmp_path / f"{name}.npy")


def test_a_tiff_that_is_cut_short(tmp_path):
    path = save(tmp_path / "x.tif", COLOURS)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(ValueError, match=r"x\.tif: not a TIFF image that is whole"):
        read(path, part=(slice(0, 60), slice(0, 90)))


def test_large_blocks_palettes_and_mixed_types_are_refused(tmp_path, monkeypatch):
    path = save(tmp_path / "p.tif", COLOURS[..., :1])
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, {0: (255, 0, 0, 255)})
    with pytest.raises(ValueError, match="palette"):
        open_source(path)
    monkeypatch.setattr(geotiff, "_MOST_BLOCK", 100)
    with pytest.raises(ValueError, match=r"blocks of .* TILED=YES"):
        open_source(save(tmp_path / "x.tif", COLOURS))


def test_without_rasterio(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(CaffeError, match=r"x\.tif: .*keras-fcn\[geo\]"):
        open_source(tmp_path / "x.tif")


def test_written_tiffs(tmp_path):
    place = Place(rasterio.CRS.from_epsg(32633), rasterio.Affine(10, 0, 500_000, 0, -20, 5_000_000))
    for values, nodata in (
        (np.random.default_rng(0).integers(0, 255, (300, 517), np.uint8), 255),
        (np.random.default_rng(0).normal(size=(300, 517, 4)).astype(np.float32), float("nan")),
    ):
        write_geotiff(
            *(tmp_path / "x.tif", values.shape, values.dtype),
            *(lambda rows, columns, values=values: values[rows, columns], place, nodata),
        )
        with rasterio.open(tmp_path / "x.tif") as file:
            bands = np.moveaxis(file.read(), 0, -1)
            np.testing.assert_array_equal(bands.reshape(values.shape), values)
            assert file.block_shapes[0] == (256, 256)
            assert (file.crs, file.transform) == place
            assert file.nodata == nodata or np.isnan([file.nodata, nodata]).all()
        found = open_source(tmp_path / "x.tif")
        assert isinstance(found, GeoTiff)
        assert found.place == place
    assert [path.name for path in tmp_path.iterdir()] == ["x.tif"]


def test_the_place_of_a_map():
    """Position (0, 0) of a map lies at pixel (7, 11), its neighbours 4 and 8 pixels away."""
    place = Place(None, rasterio.Affine(10, 0, 1000, 0, -10, 2000)).of_map((7, 11), (4, 8))
    a, b, c, d, e, f = place.transform[:6]
    assert (a, b, d, e) == (80, 0, 0, -40)
    assert (c + a / 2, f + e / 2) == (1000 + 115, 2000 - 75)  # the middle of the first one


def test_a_full_disk_leaves_no_file(tmp_path):
    values = COLOURS.repeat(5, 0).repeat(5, 1)[..., 0] ^ np.arange(450).astype(np.uint8)
    write = lambda: write_geotiff(  # noqa: E731
        tmp_path / "x.tif", values.shape, values.dtype, lambda rows, columns: values[rows, columns]
    )
    write()
    size = (tmp_path / "x.tif").stat().st_size
    (tmp_path / "x.tif").unlink()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - 400, before[1]))
    try:
        with pytest.raises(CaffeError, match=r"cannot write .*x\.tif: .*(read back|rror)"):
            write()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not [*tmp_path.iterdir()]


def test_pictures_of_several_pages_are_refused(tmp_path):
    image = Image.fromarray(COLOURS)
    for name, count in (("x.tif", 3), ("x.gif", "several")):
        image.save(tmp_path / name, save_all=True, append_images=[image.rotate(90)] * 2)
        with pytest.raises(ValueError, match=rf"{name} holds {count} pictures, and one is taken"):
            open_source(tmp_path / name)


@pytest.mark.parametrize(
    ("mode", "options", "why"),
    [
        ("RGB", {"exif": Image.Exif()}, r"turned or mirrored \(orientation 6\)"),
        ("LAB", {}, "its colours are CIELAB"),
        ("YCbCr", {}, "its colours are YCbCr"),
        ("CMYK", {}, "its colours are CMYK"),
        ("L", {"tiffinfo": {262: 0}}, "its white is 0"),
    ],
)
def test_what_gdal_would_read_otherwise_is_refused(tmp_path, mode, options, why):
    if "exif" in options:
        options["exif"][0x112] = 6
    Image.fromarray(COLOURS).convert(mode).save(tmp_path / "x.tif", **options)
    with pytest.raises(ValueError, match=rf"x\.tif: .*{why}"):
        open_source(tmp_path / "x.tif")


def test_the_bands_that_are_named_suit(tmp_path):
    path = save(tmp_path / "x.tif", WIDE[..., :2])
    with pytest.raises(ValueError, match=r"has 2 bands.*such as bands=\(2,1,1\)"):
        read(path, value_range=(0, 4000))
    assert read(path, bands=(2, 1, 1), value_range=(0, 4000)).pixels.shape[-1] == 3
