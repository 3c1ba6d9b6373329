"""LiteRT files of lower precision: how they are made, measured and refused."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

import keras_fcn
from keras_fcn.caffe.errors import CaffeError, CaffeWarning
from keras_fcn.exporting import calibration, lower_precision
from keras_fcn.exporting.calibration import Calibration
from keras_fcn.exporting.litert_operators import layer_of
from keras_fcn.exporting.lower_precision import Change, judge
from keras_fcn.exporting.running import run_litert
from keras_fcn.inference.tiling import Tiles
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.samples import sample_path

pytestmark = pytest.mark.filterwarnings(
    r"ignore:\s+Warning. tf.lite.Interpreter is deprecated:UserWarning"
)


@pytest.fixture(scope="module")
def plates():
    """The LeNet that is shipped, for images of any size."""
    files = [sample_path(f"lenet_plate.{x}") for x in ("prototxt", "caffemodel")]
    model = keras_fcn.to_fully_convolutional(keras_fcn.from_caffe(*files))
    own = Preprocessing(channels=1, mean=None, input_scale=1 / 256)
    return keras_fcn.with_card(model, preprocessing=own)


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index, size in enumerate([(40, 60), (60, 40), (33, 47)]):
        pixels = rng.integers(0, 256, size, np.uint8)
        Image.fromarray(pixels).resize((size[1] * 2, size[0] * 2)).save(folder / f"{2 - index}.png")
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.* costs much:keras_fcn.caffe.errors.CaffeWarning")  # of noise
@pytest.mark.parametrize(
    ("precision", "share", "near"), [("float16", 0.6, 0.01), ("int8", 0.3, 0.2)]
)
def test_a_file_gives_nearly_the_same(precision, share, near, plates, pictures, tmp_path):
    whole = keras_fcn.export(plates, tmp_path / "whole.tflite", precision="float32")
    told = []
    path = keras_fcn.export(
        *(plates, tmp_path / "net.tflite"),
        precision=precision,
        calibration=pictures,
        progress=told.append,
    )
    assert path.stat().st_size < share * whole.stat().st_size
    assert told[0].endswith(f"on 3 pictures of {pictures}, by name")
    assert told[1] == f"{precision}: inputs and outputs are float32"
    assert "labels changed, values differ on average by " in told[-1]
    run = run_litert(path, plates)
    for size in ((2, 33, 47, 1), (1, 60, 80, 1)):  # any batch, any size
        images = np.random.default_rng(1).uniform(0, 1, size).astype(np.float32)
        (found,), wanted = run([images]), plates.predict(images, verbose=0)
        assert found.dtype == np.float32
        assert found.shape == wanted.shape
        assert 0 < np.abs(found - wanted).max() < near


@pytest.mark.slow
def test_what_has_no_8_bit_form_is_told_or_refused(tmp_path, pictures):
    x = keras.Input((8, 8, 1))
    y = keras.layers.Conv2D(4, 3, name="conv_1")(x)
    powers = [
        keras.layers.Lambda(lambda y: keras.ops.power(keras.ops.relu(y) + 1, 0.3), name=name)
        for name in ("power", "last")
    ]
    own = Preprocessing(channels=1, mean=None, size=(8, 8))
    told = []
    options = {"precision": "int8", "calibration": pictures, "progress": told.append}
    model = keras_fcn.with_card(
        keras.Model(x, powers[1](keras.layers.Conv2D(4, 3, name="conv_2")(powers[0](y)))),
        preprocessing=own,
    )
    keras_fcn.export(model, tmp_path / "net.tflite", check=False, **options)
    assert told[-1].endswith("no 8-bit form of them: power (POW), last (POW)")
    sinh = keras.layers.Lambda(keras.ops.sinh, name="sinh_2")
    model = keras_fcn.with_card(keras.Model(x, sinh(y)), preprocessing=own)
    with pytest.raises(CaffeError, match=r"no form in int8 of layers sinh_2 \(Sinh\)"):
        keras_fcn.export(model, tmp_path / "other.tflite", **options)
    assert {x.name for x in tmp_path.iterdir()} == {"net.tflite", "pictures"}


@pytest.mark.slow
@pytest.mark.parametrize("free", [False, True])
def test_unpooling(tmp_path, free):
    """Places in a map of more than 65504 positions, which float16 cannot count."""
    x = keras.Input((None, None, 3))
    y, mask = keras_fcn.layers.CaffeMaxPooling2D(2, 2, return_mask=True)(x)
    y = keras.layers.Conv2D(3, 3, padding="same", name="conv")(y)
    y = keras_fcn.layers.Upsample()([y, mask])
    model = keras.Model(x, y)
    path, told = tmp_path / "net.tflite", []
    ways = {} if free else {"input_shapes": {x.name: (3, 256, 260)}}
    keras_fcn.export(model, path, precision="float16", progress=told.append, **ways)
    assert float(told[-1].split("at most by ")[1].split("%")[0]) < 0.2
    images = np.random.default_rng(0).normal(size=(1, 256, 260, 3)).astype(np.float32)
    (found,) = run_litert(path, model)([images])
    expected = np.asarray(model(images))
    np.testing.assert_allclose(found, expected, atol=2e-3 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int4"}, "precision must be one of"),
        ({"precision": "int8"}, "precision int8 needs `calibration`: a folder"),
        ({"calibration": "x.png"}, "`calibration` is for precision='int8' or 'float16'"),
        ({"input_shapes": {"pixels": (1, 2, 2)}}, "the inputs are .* Received: 'pixels'"),
        pytest.param(
            *({"precision": "int8", "calibration": "x"}, "x: No such file"), marks=pytest.mark.slow
        ),
    ],
)
def test_options_that_do_not_go_together(options, message, plates, tmp_path):
    with pytest.raises((ValueError, CaffeError), match=message):
        keras_fcn.export(plates, tmp_path / "net.tflite", **options)
    assert not list(tmp_path.iterdir())


def test_pictures_come_in_one_order_and_number(plates, pictures, monkeypatch):
    found = Calibration(plates, pictures, None)
    assert str(found) == f"3 pictures of {pictures}, by name"
    for _ in range(2):
        assert [x.shape[1:3] for x in found] == [(66, 94), (120, 80), (80, 120)]
    assert [x.shape[1:3] for x in Calibration(plates, pictures, (30, 28))] == [(30, 28)] * 3
    monkeypatch.setattr(calibration, "MOST", 2)
    few = Calibration(plates, pictures, None)
    assert str(few) == f"the first 2 pictures of {pictures}, by name"
    assert len(list(few)) == 2


def test_a_broken_picture_is_named(plates, pictures):
    (pictures / "0.png").write_bytes(b"nothing")
    with pytest.raises((ValueError, CaffeError), match=r"0\.png"):
        list(Calibration(plates, pictures, None))


def test_tiles(pictures):
    model = keras_fcn.with_card(
        keras.Sequential([keras.Input((32, 32, 1)), keras.layers.Conv2D(2, 1)]),
        preprocessing=Preprocessing(channels=1, mean=None),
        tiles=Tiles(size=(32, 32), margin=4, zoom=1),
    )
    assert {x.shape for x in Calibration(model, pictures, None)} == {(1, 32, 32, 1)}


def change_of(what, pairs, path):
    change = Change("prob", what)
    for found, wanted in pairs:
        change.add(np.asarray(found, np.float32), np.asarray(wanted, np.float32), path)
    return change


def test_changes_are_counted_over_all_pictures(tmp_path):
    pairs = [([[1, 2], [3, 1]], [[1, 2], [2, 4]]), ([[5, 7]], [[5, 8]])]
    change = change_of("labels", pairs, tmp_path)
    assert (change.changed, change.total) == (1, 3)
    assert str(change) == (
        "output 'prob': 33.33% of 3 labels changed, values differ on average by 22.73% of their "
        "average size and at most by 37.50% of the largest"
    )
    assert change_of("labels", [([[1], [2]], [[1], [3]])], tmp_path).share == 0.5
    assert change_of("values", [([1, -3], [1, -4])], tmp_path).share == 0.2


@pytest.mark.parametrize(
    ("found", "message"), [([[1, 2, 3]], "has shape"), ([[1, np.nan]], "has 1 values in LiteRT")]
)
def test_outputs_that_are_none(found, message, tmp_path):
    with pytest.raises(CaffeError, match=message):
        change_of("labels", [(found, [[1, 2]])], tmp_path)


def test_a_loss_is_warned_of_or_refused(tmp_path):
    def judged(changed, total):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            judge([Change("prob", "labels", changed, total)], tmp_path / "net.tflite", "int8")
        return [str(x.message) for x in caught if x.category is CaffeWarning]

    assert judged(5, 100) == []
    (told,) = judged(6, 100)
    assert "int8 costs much: output 'prob': 6.00% of 100 labels changed" in told
    assert judged(1, 1) != []  # may be a near tie
    with pytest.raises(CaffeError, match="nothing is left"):  # all labels are the first
        judge([change_of("labels", [([[0, 0]], [[0.5, 0.5]])], tmp_path)], tmp_path, "int8")
    with pytest.raises(CaffeError, match=r"not written: with precision int8 .* 51\.00% of 100"):
        judged(51, 100)


def test_layers_by_the_names_of_tensors():
    layers = [SimpleNamespace(name=x) for x in ("conv2", "conv2_1", "fc")]
    model = SimpleNamespace(layers=layers, outputs=[])
    assert layer_of("net_1/conv2_1/Relu;net_1/conv2_1/BiasAdd", model) == "conv2"
    assert layer_of("net_1/conv2_1_1/Relu", model) == "conv2_1"
    assert layer_of("net/fc/MatMul", model) == "fc"
    assert layer_of("StatefulPartitionedCall_1:0", model) is None


def test_what_is_counted(plates):
    assert list(lower_precision._kinds(plates)) == [("prob", "labels")]
    x = keras.Input((4, 4, 3))
    two = keras.Model(x, [keras.layers.Conv2D(2, 1, name=name)(x) for name in "ab"])
    assert list(lower_precision._kinds(two)) == [("a", "values"), ("b", "values")]
