"""Maps from disk to disk are those of the images in memory, also where a run was stopped."""

from __future__ import annotations

import itertools
import os
import resource

import keras
import numpy as np
import pytest
import rasterio

import keras_fcn
from keras_fcn import layers as caffe
from keras_fcn.caffe.errors import CaffeError, CaffeWarning
from keras_fcn.graph.receptive_fields import output_field
from keras_fcn.inference import file_work
from keras_fcn.inference.score_maps import map_scores
from keras_fcn.inference.segmentation import image_labels
from keras_fcn.surgery.cards import of_this_package

PLAIN = keras_fcn.Preprocessing(input_scale=1 / 256)  # scores of which no two are the same
TRANSFORM = rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)
pytestmark = pytest.mark.filterwarnings(
    "ignore::rasterio.errors.NotGeoreferencedWarning"  # of the tests' own files
)
SLOW = pytest.mark.slow


def coarse(x):
    """Positions 4 pixels apart, at places that follow from the layers."""
    x = keras.layers.Conv2D(6, 5, strides=2, activation="relu")(x)
    return keras.layers.Conv2D(5, 3)(keras.layers.MaxPooling2D(2)(x))


def fine(x):
    """A position for each pixel, of images whose sizes are multiples of 4."""
    small = keras.layers.Conv2D(6, 4, strides=4, activation="relu")(x)
    up = keras.layers.Conv2DTranspose(4, 8, strides=4, padding="same")(small)
    return keras.layers.Add()([up, keras.layers.Conv2D(4, 3, padding="same")(x)])


def network(body, end=keras.layers.Softmax):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((None, None, 3))
    return of_this_package(keras.Model(inputs, end()(body(inputs))))


@pytest.fixture(scope="module")
def image():
    """Blocks of colours, so that labels are many and hold together."""
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (30, 40, 3)).repeat(6, 0).repeat(6, 1)
    return (blocks[:143, :171] * 0.9 + rng.integers(0, 25, (143, 171, 3))).astype(np.uint8)


def tiff(path, pixels, **profile):
    height, width, count = pixels.shape
    sizes = {"height": height, "width": width, "count": count, "dtype": pixels.dtype.name}
    place = {"crs": "EPSG:32633", "transform": TRANSFORM}
    with rasterio.open(path, "w", driver="GTiff", **{**sizes, **place, **profile}) as file:
        file.write(np.moveaxis(pixels, -1, 0))
    return path


def bands(path):
    with rasterio.open(path) as file:
        return np.moveaxis(file.read(), 0, -1)


@pytest.mark.parametrize(
    ("body", "end"),
    [
        (coarse, keras.layers.Softmax),
        pytest.param(fine, lambda: caffe.ArgMax(axis=1), marks=SLOW),
    ],
)
def test_labels(tmp_path, image, body, end):
    model = network(body, end)
    whole = keras_fcn.segment(model, image, preprocessing=PLAIN)
    assert len(np.unique(whole)) > 2
    np.save(tmp_path / "x.npy", image)
    source = tiff(tmp_path / "x.tif", image)
    for tile in (60, "auto"):
        found = keras_fcn.segment_file(
            model, source, tmp_path / "out.tif", tile=tile, preprocessing=PLAIN
        )
        assert (found.shape, found.dtype, found.nodata) == (image.shape[:2], "uint8", None)
        assert (found.tiles > 1) == (tile != "auto")
        np.testing.assert_array_equal(found.counts, np.bincount(whole.reshape(-1)))
        np.testing.assert_array_equal(bands(tmp_path / "out.tif")[..., 0], whole)
    with rasterio.open(tmp_path / "out.tif") as file:
        assert (file.crs.to_epsg(), file.transform) == (32633, TRANSFORM)
    keras_fcn.segment_file(
        model, tmp_path / "x.npy", tmp_path / "out.npy", tile=60, preprocessing=PLAIN
    )
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), whole)
    assert {path.name for path in tmp_path.iterdir()} == {"x.npy", "x.tif", "out.npy", "out.tif"}


@pytest.mark.parametrize("body", [fine, pytest.param(coarse, marks=SLOW)])
def test_scores(tmp_path, image, body):
    model = network(body)
    whole = keras_fcn.predict(model, image, preprocessing=PLAIN)
    source = tiff(tmp_path / "x.tif", image)
    for out in ("out.tif", "out.npy"):
        found = keras_fcn.predict_file(model, source, tmp_path / out, tile=60, preprocessing=PLAIN)
        assert (found.shape, found.dtype, found.counts) == (whole.shape, "float32", None)
        assert found.tiles > 4
        given = bands(tmp_path / out) if out == "out.tif" else np.load(tmp_path / out)
        np.testing.assert_allclose(given, whole, atol=1e-5)


def test_where_the_map_lies(tmp_path, image):
    model = network(coarse)
    keras_fcn.predict_file(
        model, tiff(tmp_path / "x.tif", image), tmp_path / "out.tif", tile=60, preprocessing=PLAIN
    )
    field = output_field(model)
    with rasterio.open(tmp_path / "out.tif") as file:
        (a, _, c, _, e, f), (top, left) = file.transform[:6], field.offset
        assert (a, e) == (10 * field.stride[1], -10 * field.stride[0])
        assert c + a / 2 == 500_000 + 10 * (left + 0.5)
        assert f + e / 2 == 5_000_000 - 10 * (top + 0.5)


def test_no_data(tmp_path, image):
    """The network is given zeros there, and the result says that there is nothing."""
    model, holes = network(coarse), np.zeros(image.shape[:2], bool)
    holes[40:90, 50:140] = True
    pixels = np.where(holes[..., np.newaxis], 0, np.maximum(image, 1)).astype(np.uint8)
    source = tiff(tmp_path / "x.tif", pixels, nodata=0)
    prepared = PLAIN(pixels)
    prepared[holes] = 0
    scores = model.predict(prepared[np.newaxis], verbose=0)[0]
    found = keras_fcn.segment_file(
        model, source, tmp_path / "labels.tif", tile=60, preprocessing=PLAIN
    )
    assert found.nodata == 255
    assert sum(found.counts) == (~holes).sum()
    labels = bands(tmp_path / "labels.tif")[..., 0]
    np.testing.assert_array_equal(labels == 255, holes)
    (on_map,) = map_scores(model, lambda batch: model.predict(batch, verbose=0), prepared[None])
    given = image_labels(model, on_map, holes.shape, PLAIN)
    np.testing.assert_array_equal(labels[~holes], given[~holes])
    keras_fcn.predict_file(model, source, tmp_path / "map.tif", tile=60, preprocessing=PLAIN)
    with rasterio.open(tmp_path / "map.tif") as file:
        assert np.isnan(file.nodata)
    field = output_field(model)
    axes = zip(scores.shape, field.offset, field.stride, strict=False)
    middle = np.ix_(*(np.rint(first + step * np.arange(n)).astype(int) for n, first, step in axes))
    expected = np.where(holes[middle][..., np.newaxis], np.nan, scores)
    np.testing.assert_allclose(bands(tmp_path / "map.tif"), expected, atol=1e-5)


class KilledError(Exception):
    pass


def test_a_run_that_was_stopped_goes_on(tmp_path, image, monkeypatch):
    model, source = network(coarse), tiff(tmp_path / "x.tif", image)
    ways = {"tile": 60, "preprocessing": PLAIN}
    keras_fcn.segment_file(model, source, tmp_path / "whole.tif", **ways)
    told, passes = [], itertools.count()

    def stop(done, all_):
        told.append((done, all_))
        if done == 3:
            raise KilledError

    with pytest.raises(KilledError):
        keras_fcn.segment_file(model, source, tmp_path / "out.tif", **ways, progress=stop)
    assert [done for done, _ in told] == [0, 1, 2, 3]
    assert not (tmp_path / "out.tif").exists()
    forward = file_work.forward
    monkeypatch.setattr(file_work, "forward", lambda *args: (next(passes), forward(*args))[1])
    found = keras_fcn.segment_file(model, source, tmp_path / "out.tif", **ways, resume=True)
    assert found.resumed == 3
    assert next(passes) == found.tiles - 3
    assert (tmp_path / "out.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"x.tif", "whole.tif", "out.tif"}


def test_a_full_disk_at_the_end_leaves_what_was_done(tmp_path, image):
    model, source = network(coarse), tiff(tmp_path / "x.tif", image)
    ways = {"tile": "auto", "preprocessing": PLAIN}
    whole = keras_fcn.predict_file(model, source, tmp_path / "whole.tif", **ways)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The TIFF of blocks of 256 x 256 is larger than the array.
    limit = (tmp_path / "whole.tif").stat().st_size - 400
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(CaffeError, match=r"cannot write .*out\.tif"):
            keras_fcn.predict_file(model, source, tmp_path / "out.tif", **ways)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"x.tif", "whole.tif", ".out.tif.part", ".out.tif.part.jsonl"}
    found = keras_fcn.predict_file(model, source, tmp_path / "out.tif", **ways, resume=True)
    assert found.resumed == whole.tiles
    assert (tmp_path / "out.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()


def test_labels_in_memory_say_what_they_do_not_tell(tmp_path, image):
    model, source = network(coarse), tiff(tmp_path / "x.tif", image, nodata=0)
    for function in (keras_fcn.segment, keras_fcn.predict):
        with pytest.warns(CaffeWarning, match=r"x\.tif: pixels without data .* segment_file"):
            function(model, source, preprocessing=PLAIN)


@SLOW
@pytest.mark.parametrize("changed", ["model", "source", "mask", "tile", "preprocessing"])
def test_another_run_is_not_gone_on_with(tmp_path, image, changed):
    model, source = network(coarse), tiff(tmp_path / "x.tif", image)
    ways = {"tile": 60, "preprocessing": PLAIN}

    def stop(done, _):
        if done == 1:
            raise KilledError

    out = tmp_path / "out.tif"
    with pytest.raises(KilledError):
        keras_fcn.segment_file(model, source, out, **ways, progress=stop)
    if changed == "model":
        kernel = model.layers[1].kernel
        kernel.assign(kernel * 2)
    elif changed == "source":
        before = source.stat()
        tiff(source, image[::-1])
        assert source.stat().st_size == before.st_size
        os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif changed == "mask":
        changed = "source"
        (tmp_path / "x.tif.msk").write_bytes(b"II*\0")
    else:
        ways[changed] = {"tile": 64, "preprocessing": keras_fcn.Preprocessing(mean=None)}[changed]
    with pytest.raises(ValueError, match=rf"differs in {changed}; resume=False begins anew"):
        keras_fcn.segment_file(model, source, out, **ways, resume=True)
    (tmp_path / "x.tif.msk").unlink(missing_ok=True)
    assert keras_fcn.segment_file(model, source, out, **ways).resumed == 0


def test_what_cannot_be_done_is_refused(tmp_path, image):
    model, source = network(coarse), tiff(tmp_path / "x.tif", image)

    def refused(why, model=model, destination="out.tif", **options):
        with pytest.raises(ValueError, match=why):
            keras_fcn.segment_file(
                model, source, tmp_path / destination, **{"preprocessing": PLAIN, **options}
            )
        assert [path.name for path in tmp_path.iterdir()] == ["x.tif"]

    refused("to a .tif or a .npy", destination="out.png")
    refused("over the image", destination="x.tif")
    refused("`tile` must be", tile="much")
    refused("is enough", tile=9)
    refused("resizes or crops", preprocessing=keras_fcn.Preprocessing(size=(64, 64)))
    refused("mean image", preprocessing=keras_fcn.Preprocessing(mean="ilsvrc_2012"))
    refused("takes 3 bands", bands=(1,))
    refused(
        "takes 1 bands", bands=(1, 2), preprocessing=keras_fcn.Preprocessing(channels=1, mean=0)
    )
    with_all = network(lambda x: caffe.MVN(name="all")(coarse(x)))
    refused("'all'", model=with_all, tile=60)


def test_memory_of_a_tile(tmp_path, image):
    model, source = network(coarse), tiff(tmp_path / "x.tif", image)
    ways = {"preprocessing": PLAIN, "tile": "0.3MB"}
    found = keras_fcn.segment_file(model, source, tmp_path / "out.tif", **ways)
    height, width = found.tile
    assert found.tiles > 1
    assert height * width * 4 * (3 + 6 / 4 + 6 / 16 + 10 / 16) <= 0.3 * (1 << 20)
