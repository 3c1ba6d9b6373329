"""Keras models as ONNX: the Caffe networks that they are, compared before the work is done."""

from __future__ import annotations

import keras
import numpy as np
import onnx
import pytest

import convert
import keras_fcn
from keras_fcn.exporting import onnx_check
from tests.golden import assert_close, to_caffe_order
from tests.keras_fcn.builder.forks import built
from tests.keras_fcn.caffe.onnx.cases import run, session


def random_weights(model: keras.Model) -> keras.Model:
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.1, x.shape) for x in model.get_weights()])
    return model


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 1, shape).astype(np.float32)


def test_a_map_of_any_size(tmp_path):
    model = random_weights(keras_fcn.LeNetFCN())
    path = keras_fcn.export(model, tmp_path / "net.onnx")
    (given,), (made,) = session(path).get_inputs(), session(path).get_outputs()
    assert (given.name, given.shape) == ("data", ["batch", 1, "height", "width"])
    assert (made.name, made.shape[:2]) == ("prob", ["batch", 10])
    for shape in ((1, 40, 52, 1), (3, 64, 33, 1)):
        x = images(*shape)
        found = run(path, {"data": to_caffe_order(x)})["prob"]
        assert_close(found, to_caffe_order(model.predict(x, verbose=0)), 1e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.onnx"]
    onnx.checker.check_model(onnx.load(path), full_check=True)


def test_channels_last_fixed_and_another_opset(tmp_path):
    model = random_weights(keras_fcn.LeNetFCN())
    options = {"layout": "channels_last", "opset": 17, "input_shapes": {"data": (2, 1, 40, 52)}}
    path = keras_fcn.export(model, tmp_path / "net.onnx", **options)
    assert session(path).get_inputs()[0].shape == [2, 40, 52, 1]
    assert onnx.load(path).opset_import[0].version == 17
    x = images(2, 40, 52, 1)
    assert_close(run(path, {"data": x})["prob"], model.predict(x, verbose=0), 1e-5)


def test_a_map_of_labels(tmp_path):
    layer = 'type: "SoftmaxWithLoss" loss_param { ignore_label: 255 }'
    model = built(tmp_path, layer, data=(1, 3, 4, 5), label=(1, 1, 4, 5))
    path = keras_fcn.export(model, tmp_path / "net.onnx")
    fed = {"data": images(2, 3, 4, 5), "label": images(2, 1, 4, 5) > 0}
    assert_close(run(path, fed)["y"], keras_fcn.blobs(model, fed)["y"])


def stock(inputs: tuple[int | None, ...]) -> keras.Model:
    """A model of Keras' own layers, batch norm among them, that ends in a vector."""
    x = image = keras.Input(inputs, name="image")
    x = keras.layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.MaxPooling2D(2, name="pool")(x)
    x = keras.layers.Flatten(name="flat")(x)
    x = keras.layers.Dense(5, activation="softmax", name="score")(x)
    model = random_weights(keras.Model(image, x))
    statistics = model.get_layer("norm")
    statistics.moving_variance.assign(np.full(4, 0.5, np.float32))
    return model


@pytest.mark.parametrize("fold", [False, True])
def test_keras_own_layers(fold, tmp_path):
    model = stock((8, 10, 3))
    path = keras_fcn.export(model, tmp_path / "net.onnx", fold=fold)
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert ("BatchNormalization" in kinds) is not fold
    x = images(2, 8, 10, 3)
    (found,) = run(path, {"image": to_caffe_order(x)}).values()
    assert_close(found, model.predict(x, verbose=0), 1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "nchw"}, "layout must be one of"),
        ({"opset": 12}, "opset must be one of"),
        ({"stock": True}, "has no such options"),
    ],
)
def test_wrong_options(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        keras_fcn.export(keras_fcn.LeNet(), tmp_path / "net.onnx", **options)
    assert not list(tmp_path.iterdir())


def test_other_numbers_leave_no_file(tmp_path, monkeypatch):
    model = random_weights(keras_fcn.LeNet())
    other = keras_fcn.LeNet()
    check = onnx_check.check_onnx
    monkeypatch.setattr(
        onnx_check, "check_onnx", lambda path, _, shapes, **how: check(path, other, shapes, **how)
    )
    with pytest.raises(
        convert.CaffeError, match=r"net\.onnx: output 'prob' in onnxruntime differs"
    ):
        keras_fcn.export(model, tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())
    keras_fcn.export(model, tmp_path / "net.onnx", check=False)


def test_check_tells_the_difference(tmp_path):
    model = random_weights(keras_fcn.LeNet())
    path = keras_fcn.export(model, tmp_path / "net.onnx")
    found = onnx_check.check_onnx(path, model, {"data": (1, 1, 28, 28)})
    assert found.keys() == {"prob"}
    assert found["prob"] < 1e-5


class Own(keras.layers.Layer):
    """No layer that Caffe knows."""

    def call(self, x):
        return x * 2


def test_what_caffe_lacks_needs_other_packages(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tf2onnx", None)
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, Own(name="odd")(image))
    with pytest.raises(convert.CaffeError, match=r"odd.*pip install tf2onnx onnx"):
        keras_fcn.export(model, tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "layer", [keras_fcn.layers.SPP(2), keras_fcn.layers.PixelwiseSoftmax(True)]
)
def test_layers_of_one_size_want_it(layer, tmp_path):
    """One has bins of that size, the other makes a vector of as many positions."""
    image = keras.Input((None, None, 3), name="image")
    model = keras.Model(image, layer(image))
    path = tmp_path / "net.onnx"
    with pytest.raises(convert.CaffeError, match=r'give input_shapes={"image": '):
        keras_fcn.export(model, path)
    assert not path.exists()
    keras_fcn.export(model, path, input_shapes={"image": (3, 9, 12)})
    assert session(path).get_inputs()[0].shape == ["batch", 3, 9, 12]
    x = images(2, 9, 12, 3)
    (found,) = run(path, {"image": to_caffe_order(x)}).values()
    assert_close(found, to_caffe_order(model.predict(x, verbose=0)), 1e-5)


FREE = {
    "max": [keras.layers.MaxPooling2D(2)],
    "max of 3": [keras.layers.MaxPooling2D(3, 2)],
    "average": [keras.layers.AveragePooling2D(3, 2)],
    "zeros around": [keras.layers.ZeroPadding2D(1), keras.layers.MaxPooling2D(3, 2)],
    "floor": [keras_fcn.layers.CaffeMaxPooling2D(3, 2, padding=1, round_mode="floor")],
    "two": [
        keras.layers.Conv2D(4, 3),
        keras.layers.MaxPooling2D(2),
        keras.layers.Conv2D(4, 3, padding="same"),
        keras.layers.MaxPooling2D(2),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(2),
    ],
}


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", FREE)
def test_every_size_gives_keras_numbers(name, tmp_path):
    x = image = keras.Input((None, None, 3), name="image")
    for layer in FREE[name]:
        x = layer(x)
    model = random_weights(keras.Model(image, x))
    path = keras_fcn.export(model, tmp_path / "net.onnx", check=False)
    for size in ((12, 16), (11, 14), (13, 10), (25, 27)):
        x = images(2, *size, 3)
        (found,) = run(path, {"image": to_caffe_order(x)}).values()
        assert_close(found, to_caffe_order(model.predict(x, verbose=0)), 1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Conv2D(4, 3, strides=2, padding="same"),
        keras.layers.MaxPooling2D(3, 2, padding="same"),
        keras.layers.AveragePooling2D(3, 1, padding="same"),
    ],
)
def test_padding_that_depends_on_the_size_wants_it(layer, tmp_path):
    image = keras.Input((None, None, 3), name="image")
    model = keras.Model(image, layer(image))
    with pytest.raises(convert.CaffeError, match="give input_shapes="):
        keras_fcn.export(model, tmp_path / "net.onnx")
    path = keras_fcn.export(model, tmp_path / "net.onnx", input_shapes={"image": (3, 11, 14)})
    x = images(2, 11, 14, 3)
    (found,) = run(path, {"image": to_caffe_order(x)}).values()
    assert_close(found, to_caffe_order(model.predict(x, verbose=0)), 1e-5)


def test_no_such_input(tmp_path):
    with pytest.raises(ValueError, match=r"the inputs are data\. Received: 'image'"):
        keras_fcn.export(
            keras_fcn.LeNet(), tmp_path / "net.onnx", input_shapes={"image": (1, 28, 28)}
        )
