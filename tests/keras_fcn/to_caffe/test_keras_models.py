"""Keras models that never were Caffe nets, and what they became afterwards."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.caffe.blobs.caffemodel import read_caffemodel
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.to_caffe import to_caffe
from tests.keras_fcn.to_caffe.trips import assert_same, randomized, round_trip

layers = keras.layers


def chain(*stack, shape=(13, 12, 4)):
    return keras.Sequential([keras.Input(shape, name="data"), *stack], name="net")


def branching():
    x = data = keras.Input((16, 16, 4), name="data")
    x = layers.ZeroPadding2D(((0, 1), (0, 1)), name="pad")(x)
    x = layers.DepthwiseConv2D(3, strides=2, use_bias=False, name="dw")(x)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.ReLU(6.0, name="relu6")(x)
    left = layers.Conv2D(4, 3, padding="same", dilation_rate=2, name="left")(x)
    joined = layers.Add(name="sum")([left, x])
    both = layers.Concatenate(name="both")([joined, layers.Maximum(name="most")([left, x])])
    up = layers.UpSampling2D(2, name="up")(both)
    up = layers.Conv2DTranspose(3, 4, strides=2, padding="same", name="back")(up)
    up = layers.Conv2DTranspose(3, 3, strides=2, padding="same", name="odd")(up)
    vector = layers.GlobalAveragePooling2D(name="gap")(up)
    return keras.Model(data, [layers.Dense(3, activation="softmax", name="fc")(vector), joined])


MODELS = {
    "classifier": lambda: chain(
        *(layers.Conv2D(6, 3, activation="relu"), layers.MaxPooling2D(2), layers.Flatten()),
        *(layers.Dropout(0.5), layers.Dense(5, activation="relu"), layers.Dense(3)),
        layers.Softmax(),
    ),
    "asymmetric padding": lambda: chain(
        layers.ZeroPadding2D(((2, 0), (1, 3))), layers.Conv2D(3, 3, strides=2)
    ),
    "same with strides": lambda: chain(
        *(layers.Conv2D(3, 3, strides=2, padding="same"), layers.Conv2D(3, 4, padding="same")),
        layers.DepthwiseConv2D(2, padding="same", depth_multiplier=2),
    ),
    "padding without convolution": lambda: chain(
        layers.ZeroPadding2D(1), layers.ReLU(), layers.ZeroPadding2D(((0, 1), (2, 0)))
    ),
    "pooling": lambda: chain(
        *(layers.MaxPooling2D(3, strides=2, padding="same"), layers.AveragePooling2D(2)),
        layers.MaxPooling2D(2, strides=2),
    ),
    "cropping": lambda: chain(layers.Cropping2D(((1, 2), (0, 3))), layers.Conv2D(2, 1)),
    "groups": lambda: chain(layers.Conv2D(8, 3, groups=2), layers.PReLU(shared_axes=[1, 2])),
    "activations": lambda: chain(
        *(layers.ELU(0.5), layers.Activation("sigmoid"), layers.Activation("softplus")),
        *(layers.LeakyReLU(0.1), layers.Activation("tanh"), layers.Activation("exponential")),
    ),
    "rescaling": lambda: chain(layers.Rescaling(2.0, -1), layers.Rescaling([1.0, 2, 3, 4], 0.5)),
    "norms": lambda: chain(
        *(layers.BatchNormalization(scale=False), layers.BatchNormalization(center=False)),
        layers.BatchNormalization(scale=False, center=False),
    ),
    "vectors": lambda: chain(
        *(layers.Dense(5, use_bias=False), layers.BatchNormalization(), layers.ReLU()),
        shape=(7,),
    ),
    "flattened twice": lambda: chain(
        *(layers.Conv2D(3, 2), layers.Flatten(), layers.Activation("tanh"), layers.Dense(4)),
        *(layers.Flatten(), layers.Dense(2)),
    ),
    "dense over a map": lambda: chain(layers.Dense(3), layers.Dense(2, activation="relu")),
    "branching": branching,
}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", MODELS)
def test_round_trip(name, tmp_path):
    model = randomized(MODELS[name]())
    assert_same(model, round_trip(model, tmp_path))


def test_two_inputs_and_arithmetic(tmp_path):
    a, b = (keras.Input((4, 5, 2), name=name) for name in "ab")
    y = layers.Subtract()([layers.Multiply()([a, b]), layers.Average()([a, b])])
    model = keras.Model([a, b], layers.Minimum()([y, a]))
    assert_same(model, round_trip(model, tmp_path))


def test_a_layer_called_twice_shares_its_parameters(tmp_path):
    a, b = (keras.Input((6, 6, 2), name=name) for name in "ab")
    shared = layers.Conv2D(3, 3, name="tower")
    model = randomized(keras.Model([a, b], layers.Add(name="sum")([shared(a), shared(b)])))
    again = round_trip(model, tmp_path)
    assert_same(model, again)
    assert sum(np.prod(w.shape) for w in again.trainable_weights) == model.count_params()


def test_a_fine_tuned_net_with_a_new_head(tmp_path):
    model = keras_fcn.replace_head(keras_fcn.LeNet(), 3)
    assert_same(model, round_trip(model, tmp_path))
    fcn = keras_fcn.to_fully_convolutional(model)
    again = round_trip(fcn, tmp_path, {"data": (1, 1, 36, 40)})
    assert_same(fcn, again, sizes=(36, 40, 1))


def test_changed_weights_of_a_net_from_caffe(tmp_path):
    model = keras_fcn.LeNet()
    written = keras_fcn.export(model, tmp_path / "a.caffemodel", "caffe")
    assert written == tmp_path / "a.caffemodel"
    read = keras_fcn.from_caffe(tmp_path / "a.prototxt", tmp_path / "a.caffemodel")
    read.get_layer("conv1").bias.assign_add(np.ones(20))
    read.save(tmp_path / "a.keras")
    loaded = keras.models.load_model(tmp_path / "a.keras")
    assert_same(read, round_trip(loaded, tmp_path))


def test_a_net_from_caffe_that_was_rewired_is_written_by_its_graph(tmp_path):
    model = keras_fcn.LeNet()
    assert keras_fcn.export(model, tmp_path / "a", "caffe") == tmp_path / "a.prototxt"
    read = keras_fcn.from_caffe(tmp_path / "a.prototxt", tmp_path / "a.caffemodel")
    cut = keras.Model(read.inputs[0], read.get_layer("pool2").output)
    assert_same(cut, round_trip(cut, tmp_path))


def test_open_sizes_must_be_given(tmp_path):
    model = chain(layers.Conv2D(2, 3), shape=(None, None, 1))
    with pytest.raises(ValueError, match=r"input_shapes=\{'data': \(1, 1, \?, \?\)\}"):
        to_caffe(model)
    assert_same(model, round_trip(model, tmp_path, {"data": (1, 1, 8, 9)}), sizes=(8, 9, 1))
    with pytest.raises(ValueError, match=r"Received: \(1, 3, 8, 9\)"):
        to_caffe(model, {"data": (1, 3, 8, 9)})
    with pytest.raises(ValueError, match="the inputs are data"):
        to_caffe(model, {"image": (1, 1, 8, 9)})


def test_scalar_blobs_are_written_without_a_shape(tmp_path):
    """As Caffe does; OpenCV cannot load an empty shape."""
    model = randomized(chain(layers.PReLU(shared_axes=[1, 2, 3], name="prelu")))
    assert_same(model, round_trip(model, tmp_path))
    written = read_caffemodel(tmp_path / "net.caffemodel").net
    raw = (tmp_path / "net.caffemodel").read_bytes()
    assert b"\x3a\x00\x2a\x04" not in raw  # shape {} before four bytes of data
    assert b"\x2a\x04" in raw
    assert [layer.name for layer in written.layer] == ["data", "prelu"]


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="mine")
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


class Doubled(layers.Layer):
    def call(self, x):
        return 2 * x


REFUSED = {
    r"'odd' \(LayerNormalization\): keras.layers.LayerNormalization has no equiv": lambda: chain(
        layers.LayerNormalization(name="odd")
    ),
    r"'odd' \(UpSampling2D\): interpolation: 'bilinear'": lambda: chain(
        layers.UpSampling2D(2, interpolation="bilinear", name="odd")
    ),
    r"'odd' \(Activation\): activation: 'gelu'": lambda: chain(
        layers.Activation("gelu", name="odd")
    ),
    r"'odd' \(Doubled\): a layer of your own; .*to_caffe.writes\(Doubled\)": lambda: chain(
        Doubled(name="odd")
    ),
    r"'odd' \(MaxPooling2D\): data_format": lambda: chain(
        layers.MaxPooling2D(2, data_format="channels_first", name="odd"), shape=(4, 4, 4)
    ),
    r"'mine' \(Subclassed\): a model with a call of its own": lambda: chain(Subclassed()),
    r"model 'mine' \(Subclassed\) has a call of its own": Subclassed,
    r"model 'unbuilt' \(Sequential\) .* is not built": lambda: keras.Sequential(
        [layers.Dense(2)], name="unbuilt"
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_has_no_equivalent_is_refused_by_name(why):
    with pytest.raises(UnsupportedLayerError, match=why):
        to_caffe(REFUSED[why]())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("CaffeNet", None),
        ("CaffeNetFCN", (1, 3, 259, 291)),
        ("AlexNet", None),
        ("VGG16", None),
        ("GoogLeNet", None),
        ("ResNet50", None),
        ("SqueezeNet", None),
        ("SqueezeNet11", None),
        ("NIN", None),
        ("MobileNet", None),
        ("MobileNetV2", None),
        ("FCN8s", (1, 3, 64, 96)),
        ("FCN32s", (1, 3, 64, 96)),
        ("FCNAlexNet", (1, 3, 128, 160)),
        ("DilatedNetPascalVOC", (1, 3, 420, 436)),
    ],
)
def test_constructors(name, shape, tmp_path):
    model = getattr(keras_fcn, name)()
    (data,) = model.inputs
    sizes = data.shape[1:] if shape is None else (*shape[2:], shape[1])
    if None in sizes:
        sizes, shape = (224, 224, 3), (1, 3, 224, 224)
    again = round_trip(model, tmp_path, None if shape is None else {data.name: shape})
    rng = np.random.default_rng(1)
    x = rng.normal(0, 40, (1, *sizes)).astype(np.float32)
    old, new = (np.asarray(m(x, training=False)) for m in (model, again))
    np.testing.assert_allclose(new, old, rtol=0, atol=1e-5 * np.abs(old).max())


@pytest.mark.filterwarnings("ignore:.*BVLC Caffe 1.0 lacks")
@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *("ResNet50", "ResNet50V2", "VGG16", "MobileNet", "MobileNetV3Small", "DenseNet121"),
        *("EfficientNetB0", "Xception", "InceptionV3"),
    ],
)
def test_networks_of_keras_applications(name, tmp_path):
    model = getattr(keras.applications, name)(weights=None, classes=7, input_shape=(96, 96, 3))
    assert_same(model, round_trip(model, tmp_path))
