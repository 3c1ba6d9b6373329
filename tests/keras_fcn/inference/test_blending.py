"""Networks that see more than a tile, in blended tiles: what is known of them, and what is told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import rasterio

import keras_fcn
from keras_fcn import layers as caffe
from keras_fcn.caffe.errors import CaffeWarning
from keras_fcn.graph.blended_tiles import blended_plan
from keras_fcn.inference import file_work
from keras_fcn.inference.blending import Blend
from keras_fcn.inference.exact_tiles import image_plan
from keras_fcn.preprocessing.resampling import resample
from keras_fcn.surgery.cards import of_this_package

Conv = keras.layers.Conv2D
PLAIN = keras_fcn.Preprocessing(input_scale=1 / 256, mean=None)
SLOW = pytest.mark.slow
pytestmark = pytest.mark.filterwarnings(
    "ignore::rasterio.errors.NotGeoreferencedWarning"  # of the tests' own files
)
TOLD = pytest.mark.filterwarnings("ignore:approximate:keras_fcn.caffe.errors.CaffeWarning")


def parsenet(x):
    """Positions two pixels apart, beside the mean of the map."""
    x = Conv(4, 3, strides=2)(x)
    everywhere = keras.layers.GlobalAveragePooling2D(keepdims=True, name="everywhere")(x)
    return Conv(3, 3, name="score")(keras.layers.Add()([x, everywhere]))


def pyramid(x):
    """PSPNet's way: windows as large as the map, brought to its size; a position for each pixel."""
    x = Conv(4, 3, strides=2, padding="same")(x)
    small = keras.layers.AveragePooling2D(20)(x)
    x = keras.layers.Concatenate()([x, keras.layers.Resizing(20, 20, name="bin")(small)])
    return keras.layers.Resizing(40, 40, name="up")(Conv(3, 1)(x))


def dense(x):
    """A map of 10 x 10 positions from an inner product."""
    x = keras.layers.Flatten(name="all")(Conv(2, 3, strides=4, padding="same")(x))
    return keras.layers.Reshape((10, 10, 3))(keras.layers.Dense(300, name="ip")(x))


def mvn(x):
    return Conv(3, 3)(caffe.MVN(name="norm")(x))


def local(x):
    return Conv(3, 3, padding="same")(Conv(4, 3, padding="same", activation="relu")(x))


def network(body, size=(None, None), end=keras.layers.Softmax):
    keras.utils.set_random_seed(3)
    inputs = keras.Input((*size, 3))
    return of_this_package(keras.Model(inputs, end()(body(inputs))))


FIXED = {pyramid: (40, 40), dense: (40, 40)}


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (14, 17, 3), np.uint8).repeat(8, 0).repeat(8, 1)[:107, :131]


@pytest.fixture(scope="module")
def beside():
    return network(parsenet)


@pytest.mark.parametrize(
    ("size", "tile"),
    [((107, 131), (31, 32)), ((65, 34), (40, 64)), ((300, 33), (33, 33)), ((64, 64), (64, 40))],
)
def test_weights_add_up_to_one(beside, size, tile):
    """On each axis, over all positions; the last strip gives the map's last one."""
    for overlap, again, hard in ((None, 0, False), (1, 1, False), (17, 0, True), (22, 1, False)):
        plan = blended_plan(beside, size, size, tile, overlap, again, hard)
        for axis, (strips, cells) in enumerate(
            zip((plan.rows, plan.columns), plan.cells, strict=True)
        ):
            seen = np.zeros(cells)
            for index, strip in enumerate(strips):
                sums = np.zeros(strip.cells.stop - strip.cells.start)
                for share in plan.shares[axis][index]:
                    assert share.strip <= index
                    assert (share.weights >= 0).all()
                    sums[share.out] += share.weights
                    first = strips[share.strip].pixels.start // 2  # the stride
                    assert share.own.start + first == share.out.start + strip.cells.start
                np.testing.assert_allclose(sums, 1, atol=1e-6)
                seen[strip.cells] += 1
            assert (seen >= 1).all()
            assert seen.sum() == cells + again * (len(strips) - 1)
            assert strips[-1].pixels.stop == size[axis]


@TOLD
@pytest.mark.parametrize("body", [parsenet, mvn])
def test_a_constant_image_is_the_same_everywhere(body):
    model, ways = network(body), {"preprocessing": PLAIN}
    image = np.full((107, 131, 3), (10, 200, 90), np.uint8)
    if body is mvn:  # stripes of one pixel: each tile has the mean and variance of all
        image[::2], image[1::2] = 0, 254
        image = image[:106]
        ways["preprocessing"] = keras_fcn.Preprocessing(input_scale=1 / 256, mean=127)
    whole = keras_fcn.predict(model, image, **ways)
    found = keras_fcn.predict(model, image, **ways, tile=46, approximate=True)
    np.testing.assert_allclose(found, whole, atol=1e-5)


def test_where_one_tile_has_all_weight_it_is_that_of_the_tile(image):
    model = network(parsenet)
    with pytest.warns(CaffeWarning, match=r"approximate: .*'everywhere' \(GlobalAverage"):
        found = keras_fcn.predict(model, image, preprocessing=PLAIN, tile=41, approximate=True)
    assert found.shape == (51, 63, 3)
    plan = image_plan(model, image.shape[:2], 41, blend=Blend())
    own = keras_fcn.predict(model, image[: plan.tile[0], : plan.tile[1]], preprocessing=PLAIN)
    np.testing.assert_allclose(found[:5, :5], own[:5, :5], atol=1e-6)
    whole = keras_fcn.predict(model, image, preprocessing=PLAIN)
    assert 1e-4 < np.abs(found - whole).max() < 0.2  # it is not that of the image, and near it


def test_an_exact_network_stays_exact(image):
    model = network(local)
    exact = keras_fcn.predict(model, image, preprocessing=PLAIN, tile=41)
    found = keras_fcn.predict(
        model, image, preprocessing=PLAIN, tile=41, approximate=True, overlap=30
    )
    np.testing.assert_array_equal(found, exact)


@pytest.mark.parametrize("tile", [200, None])
def test_one_tile_is_one_pass(image, tile):
    model = network(mvn)
    whole = keras_fcn.predict(model, image, preprocessing=PLAIN)
    found = keras_fcn.predict(model, image, preprocessing=PLAIN, tile=tile, approximate=True)
    np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("body", FIXED)
def test_a_network_of_one_size_runs_at_it(image, body):
    model, ways = network(body, FIXED[body]), {"preprocessing": PLAIN, "approximate": True}
    with pytest.warns(CaffeWarning, match="tiles of 40x40 pixels"):
        found = keras_fcn.segment(model, image, **ways)
    assert found.shape == image.shape[:2]
    for size in ((40, 40), (30, 25)):  # one pass, as without
        small = image[: size[0], : size[1]]
        plain = keras_fcn.segment(model, small, preprocessing=PLAIN)
        np.testing.assert_array_equal(keras_fcn.segment(model, small, **ways), plain)
    np.testing.assert_array_equal(  # the first tile's corner
        found[:4, :4], keras_fcn.segment(model, image[:40, :40], preprocessing=PLAIN)[:4, :4]
    )


@TOLD
def test_labels_are_the_best_of_blended_scores(image):
    model, ways = network(parsenet), {"preprocessing": PLAIN, "tile": 41, "approximate": True}
    scores = keras_fcn.predict(model, image, **ways)
    labels = keras_fcn.segment(model, image, **ways)
    sizes = zip(image.shape[:2], scores.shape[:2], strict=True)
    places = [(np.arange(n) + 0.5) * cells / n - 0.5 for n, cells in sizes]
    np.testing.assert_array_equal(labels, resample(scores, *places).argmax(-1))
    ends = network(parsenet, end=lambda: caffe.ArgMax(axis=1))
    assert set(np.unique(keras_fcn.segment(ends, image, **ways))) <= {0, 1, 2}


@pytest.mark.parametrize(
    ("ways", "why"),
    [
        ({"overlap": 4}, "`overlap` is for `approximate`"),
        ({"overlap": 0, "approximate": True}, "1 or more"),
        ({"overlap": True, "approximate": True}, "1 or more"),
        ({"overlap": 40, "approximate": True}, "cannot overlap by 40"),
        ({"tile": 3, "approximate": True}, "smaller than"),
    ],
)
def test_what_is_refused(beside, image, ways, why):
    with pytest.raises(ValueError, match=why):
        keras_fcn.predict(network(parsenet), image, **{"preprocessing": PLAIN, "tile": 41, **ways})


def test_no_map_is_refused(image):
    flat = network(lambda x: keras.layers.Dense(3)(keras.layers.Flatten()(x)), (40, 40))
    with pytest.raises(ValueError, match="a map"):
        keras_fcn.predict(flat, image, preprocessing=PLAIN, approximate=True)


@TOLD
@pytest.mark.parametrize(
    "body", [dense, *(pytest.param(x, marks=SLOW) for x in (parsenet, pyramid))]
)
def test_files_are_as_in_memory(tmp_path, image, body):
    model = network(body, FIXED.get(body, (None, None)))
    np.save(tmp_path / "x.npy", image)
    ways = {"preprocessing": PLAIN, "tile": 41, "approximate": True}
    for of, of_file in (
        (keras_fcn.segment, keras_fcn.segment_file),
        (keras_fcn.predict, keras_fcn.predict_file),
    ):
        whole = of(model, image, **ways)
        found = of_file(model, tmp_path / "x.npy", tmp_path / "out.npy", **ways)
        np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), whole)
        assert found.approximation.tiles > 4
        note = json.loads((tmp_path / "out.npy.note.json").read_text())
        assert note["approximate"]
        assert note["layers"]
        assert {path.name for path in tmp_path.iterdir()} == {
            *("x.npy", "out.npy", "out.npy.note.json")
        }


@SLOW
def test_the_file_says_so(tmp_path, image):
    np.save(tmp_path / "x.npy", image)
    ways = {"preprocessing": PLAIN, "tile": 41, "approximate": True}
    for body in (mvn, local):
        found = keras_fcn.segment_file(
            network(body), tmp_path / "x.npy", tmp_path / "out.tif", **ways
        )
        with rasterio.open(tmp_path / "out.tif") as file:
            told = file.tags().get("TIFFTAG_IMAGEDESCRIPTION", "null")
        assert (json.loads(told) is None) == (found.approximation is None) == (body is local)
    keras_fcn.segment_file(network(mvn), tmp_path / "x.npy", tmp_path / "out.npy", **ways)
    keras_fcn.segment_file(network(local), tmp_path / "x.npy", tmp_path / "out.npy", **ways)
    assert not (tmp_path / "out.npy.note.json").exists()


class KilledError(Exception):
    pass


@pytest.mark.parametrize("stop", [pytest.param(1, marks=SLOW), 5, pytest.param(9, marks=SLOW)])
@pytest.mark.parametrize("width", [pytest.param(131, marks=SLOW), 40])
def test_a_run_that_was_stopped_goes_on(beside, tmp_path, image, monkeypatch, stop, width):
    """Also of a single column of tiles, where those ahead are of rows further down."""
    model, source = beside, tmp_path / "x.npy"
    np.save(source, np.concatenate([image, image[::-1]])[:, :width])
    ways = {"preprocessing": PLAIN, "tile": 41, "approximate": True, "overlap": 20}
    keras_fcn.predict_file(model, source, tmp_path / "whole.npy", **ways)

    def killed(done, _):
        if done == stop:
            raise KilledError

    with pytest.raises(KilledError):
        keras_fcn.predict_file(model, source, tmp_path / "out.npy", **ways, progress=killed)
    passes, forward = [], file_work.forward
    monkeypatch.setattr(file_work, "forward", lambda *x: (passes.append(0), forward(*x))[1])
    with pytest.raises(ValueError, match="differs in overlap"):
        keras_fcn.predict_file(
            model, source, tmp_path / "out.npy", **{**ways, "overlap": 8}, resume=True
        )
    found = keras_fcn.predict_file(model, source, tmp_path / "out.npy", **ways, resume=True)
    assert found.resumed == stop
    assert len(passes) == found.tiles - stop
    assert (tmp_path / "out.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


RUN = """
import sys, time, keras, keras_fcn
model = keras_fcn.load(sys.argv[1])
keras_fcn.segment_file(
    model, sys.argv[2], sys.argv[3], tile=41, approximate=True, resume=True, overlap=20,
    preprocessing=keras_fcn.Preprocessing(input_scale=1 / 256, mean=None),
    progress=lambda done, all: (print(done, flush=True), time.sleep(0.05)),
)
"""


@SLOW
def test_a_run_that_was_killed_goes_on(tmp_path, image):
    model = network(parsenet)
    model.save(tmp_path / "net.keras")
    np.save(tmp_path / "x.npy", image)
    ways = {"tile": 41, "approximate": True, "overlap": 20, "preprocessing": PLAIN}
    keras_fcn.segment_file(model, tmp_path / "x.npy", tmp_path / "whole.npy", **ways)
    command = [sys.executable, "-c", RUN, *(tmp_path / x for x in ("net.keras", "x.npy", "y.npy"))]
    for _ in range(2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                if line.strip().isdigit() and int(line) and int(line) % 4 == 0:
                    break
            time.sleep(0.02)
            os.kill(process.pid, signal.SIGKILL)
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "y.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
