"""Caffe weights in hand-written models of Keras' own layers."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.caffe.errors import CaffeWarning, WeightsError
from tests.golden import assert_close

EPS = 1e-5
IMAGE = 'input: "data" input_shape { dim: 1 dim: 3 dim: 12 dim: 12 }\n'


def conv(name, bottom, outputs, fields="kernel_size: 3 pad: 1", kind="Convolution"):
    return (
        f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{name}" '
        f"convolution_param {{ num_output: {outputs} bias_term: false {fields} }} }}\n"
    )


def norm(name, scale, blob, fields="", scale_fields="bias_term: true"):
    """BatchNorm and Scale in place."""
    top = f'bottom: "{blob}" top: "{blob}"'
    return (
        f'layer {{ name: "{name}" type: "BatchNorm" {top} batch_norm_param {{ {fields} }} }}\n'
        f'layer {{ name: "{scale}" type: "Scale" {top} scale_param {{ {scale_fields} }} }}\n'
    )


def relu(blob):
    return f'layer {{ name: "relu_{blob}" type: "ReLU" bottom: "{blob}" top: "{blob}" }}\n'


MOBILE = (
    IMAGE
    + conv("conv1", "data", 8, "kernel_size: 3 pad: 1 stride: 1")
    + norm("conv1/bn", "conv1/scale", "conv1")
    + relu("conv1")
    + conv("conv2_1/dw", "conv1", 8, "kernel_size: 3 pad: 1 group: 8")
    + norm("conv2_1/dw/bn", "conv2_1/dw/scale", "conv2_1/dw")
    + relu("conv2_1/dw")
    + conv("conv2_1/sep", "conv2_1/dw", 6, "kernel_size: 1")
    + norm("conv2_1/sep/bn", "conv2_1/sep/scale", "conv2_1/sep")
    + 'layer { name: "prelu" type: "PReLU" bottom: "conv2_1/sep" top: "conv2_1/sep" }\n'
    + conv("conv3/dw", "conv2_1/sep", 12, "kernel_size: 3 pad: 1 group: 6")
    + 'layer { name: "pool" type: "Pooling" bottom: "conv3/dw" top: "pool" '
    "pooling_param { pool: AVE global_pooling: true } }\n"
    + 'layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" '
    "inner_product_param { num_output: 5 } }\n"
)


def mobile(bn="{}_bn", epsilon=EPS):
    """MOBILE, written by hand; ``bn`` names the normalization behind a layer."""
    layers = keras.layers

    def normalized(x, name):
        return layers.BatchNormalization(epsilon=epsilon, name=bn.format(name))(x)

    inputs = x = keras.Input((12, 12, 3), name="data")
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv1")(x)
    x = layers.ReLU()(normalized(x, "conv1"))
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="conv2_1_dw")(x)
    x = layers.ReLU()(normalized(x, "conv2_1_dw"))
    x = layers.Conv2D(6, 1, use_bias=False, name="conv2_1_sep")(x)
    x = normalized(x, "conv2_1_sep")
    x = layers.PReLU(shared_axes=[1, 2], name="prelu")(x)
    x = layers.DepthwiseConv2D(
        3, padding="same", depth_multiplier=2, use_bias=False, name="conv3_dw"
    )(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(5, name="fc")(x))


RESIDUAL = (
    IMAGE
    + conv("conv1", "data", 8)
    + norm("bn_conv1", "scale_conv1", "conv1", "eps: 0.001")
    + relu("conv1")
    + conv("res2a_branch1", "conv1", 6, "kernel_size: 1")
    + norm("bn2a_branch1", "scale2a_branch1", "res2a_branch1", scale_fields="")
    + conv("res2a_branch2a", "conv1", 6)
    + norm("bn2a_branch2a", "scale2a_branch2a", "res2a_branch2a")
    + relu("res2a_branch2a")
    + conv("res2a_branch2b", "res2a_branch2a", 6)
    + 'layer { name: "bn2a_branch2b" type: "BatchNorm" bottom: "res2a_branch2b" '
    'top: "res2a_branch2b" }\n'
    + 'layer { name: "res2a" type: "Eltwise" bottom: "res2a_branch1" bottom: "res2a_branch2b" '
    'top: "res2a" }\n' + relu("res2a")
)


def residual(norms=("bn_conv1", "bn2a_branch1", "bn2a_branch2a", "bn2a_branch2b")):
    layers = keras.layers
    inputs = keras.Input((12, 12, 3), name="data")
    first = layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv1")(inputs)
    first = layers.BatchNormalization(epsilon=1e-3, name=norms[0])(first)
    first = layers.ReLU()(first)
    side = layers.Conv2D(6, 1, use_bias=False, name="res2a_branch1")(first)
    side = layers.BatchNormalization(epsilon=EPS, center=False, name=norms[1])(side)
    x = layers.Conv2D(6, 3, padding="same", use_bias=False, name="res2a_branch2a")(first)
    x = layers.ReLU()(layers.BatchNormalization(epsilon=EPS, name=norms[2])(x))
    x = layers.Conv2D(6, 3, padding="same", use_bias=False, name="res2a_branch2b")(x)
    x = layers.BatchNormalization(epsilon=EPS, name=norms[3])(x)  # there is no Scale in Caffe
    return keras.Model(inputs, layers.ReLU()(layers.Add()([side, x])))


def written(folder, text, seed=0):
    """The net's prototxt, caffemodel and h5, with random weights and statistics."""
    path = folder / "net.prototxt"
    path.write_text(text)
    rng = np.random.default_rng(seed)
    blobs = {}
    for layer in convert.load_network(path).layers:
        shapes = layer.weight_shapes or ()
        arrays = [rng.normal(size=shape).astype("float32") for shape in shapes]
        if layer.type == "BatchNorm":
            arrays = [arrays[0], np.abs(arrays[1]) + 0.1, np.full(1, 1.5, "float32")]
        if arrays:
            blobs[layer.name] = arrays
    convert.write_caffemodel(folder / "net.caffemodel", path, blobs)
    convert.convert(path, folder / "net.caffemodel", folder / "net.h5")
    return path


IMAGES = np.random.default_rng(1).normal(size=(2, 12, 12, 3)).astype("float32")
ENDINGS = pytest.mark.parametrize("ending", ["h5", "caffemodel"])


def assert_same(model, path):
    wanted = keras_fcn.from_caffe(path, path.with_suffix(".caffemodel")).predict(IMAGES, verbose=0)
    assert_close(np.squeeze(model.predict(IMAGES, verbose=0)), np.squeeze(wanted))


@pytest.mark.slow
@ENDINGS
@pytest.mark.parametrize("bn", ["{}_bn", "{}_scale"])
def test_a_mobilenet_of_stock_layers(bn, ending, tmp_path):
    path = written(tmp_path, MOBILE)
    model = mobile(bn)
    with warnings.catch_warnings():
        warnings.simplefilter("error", CaffeWarning)
        report = keras_fcn.load_weights(model, tmp_path / f"net.{ending}")
    assert len(report.loaded) == 9
    assert (report.missing, report.unexpected, report.mismatched, report.notes) == ((),) * 4
    assert_same(model, path)


@pytest.mark.slow
@ENDINGS
def test_a_resnet_of_stock_layers(ending, tmp_path):
    path = written(tmp_path, RESIDUAL)
    model = residual()
    report = keras_fcn.load_weights(model, tmp_path / f"net.{ending}")
    assert len(report.loaded) == 8
    assert (report.missing, report.unexpected, report.mismatched, report.notes) == ((),) * 4
    assert_same(model, path)


@pytest.mark.slow
def test_normalizations_named_after_their_scales(tmp_path):
    path = written(tmp_path, RESIDUAL)
    names = ("scale_conv1", "scale2a_branch1", "bn2a_branch2a", "bn2a_branch2b")
    model = residual(names)
    assert keras_fcn.load_weights(model, tmp_path / "net.h5").unexpected == ()
    assert_same(model, path)


@ENDINGS
def test_another_epsilon_is_said(ending, tmp_path):
    written(tmp_path, MOBILE)
    model = mobile(epsilon=1e-3)
    said = "layer 'conv1_bn' has epsilon=0.001, Caffe's 'conv1_bn' eps: 1e-05; make it Batch"
    with pytest.warns(CaffeWarning, match=said):
        report = keras_fcn.load_weights(model, tmp_path / f"net.{ending}")
    assert len(report.notes) == 3
    assert said in str(report)


def normalization(**arguments):
    inputs = keras.Input((12, 12, 8), name="data")
    return keras.Model(inputs, keras.layers.BatchNormalization(epsilon=EPS, **arguments)(inputs))


def net_of_norm(scale="Scale", scale_fields="bias_term: true"):
    text = IMAGE.replace("dim: 3", "dim: 8")
    return text + (
        'layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" }\n'
        f'layer {{ name: "sc" type: "{scale}" bottom: "bn" top: "sc" '
        f"scale_param {{ {scale_fields} }} }}\n"
    )


def test_a_scale_with_a_layer_of_its_own_is_not_merged(tmp_path):
    path = written(tmp_path, net_of_norm())
    inputs = keras.Input((12, 12, 8), name="data")
    x = keras.layers.BatchNormalization(epsilon=EPS, name="bn")(inputs)
    model = keras.Model(inputs, keras_fcn.layers.Scale(shape=(8,), use_bias=True, name="sc")(x))
    report = keras_fcn.load_weights(model, tmp_path / "net.h5")
    assert report.loaded == ("bn", "sc")
    wide = np.random.default_rng(1).normal(size=(2, 12, 12, 8)).astype("float32")
    wanted = keras_fcn.from_caffe(path, tmp_path / "net.caffemodel").predict(wide, verbose=0)
    assert_close(model.predict(wide, verbose=0), wanted)
    gamma, beta, *_ = model.get_layer("bn").get_weights()
    assert (gamma == 1).all()
    assert not beta.any()


@pytest.mark.parametrize("arguments", [{"scale": False}, {"center": False}])
def test_a_normalization_that_cannot_hold_the_scale(arguments, tmp_path):
    written(tmp_path, net_of_norm())
    with pytest.raises(WeightsError, match=r"fits no layer|shapes of 'bn' differ"):
        keras_fcn.load_weights(normalization(name="bn", **arguments), tmp_path / "net.h5")


def test_a_scale_is_no_statistics(tmp_path):
    """Two vectors of one length: they are not taken for one another."""
    written(tmp_path, net_of_norm(scale_fields="axis: 1 num_axes: 1 bias_term: true"))
    model = normalization(name="sc", scale=False, center=False)
    with pytest.raises(WeightsError, match="fits no layer"):
        keras_fcn.load_weights(model, tmp_path / "net.h5")


@pytest.mark.sweep(2)
@pytest.mark.parametrize("shared", [[1, 2], [1, 2, 3], None])
@pytest.mark.parametrize("channel_shared", [False, True])
def test_slopes(channel_shared, shared, tmp_path):
    text = IMAGE + (
        'layer { name: "p" type: "PReLU" bottom: "data" top: "p" '
        f"prelu_param {{ channel_shared: {str(channel_shared).lower()} }} }}\n"
    )
    path = written(tmp_path, text)
    inputs = keras.Input((12, 12, 3), name="data")
    model = keras.Model(inputs, keras.layers.PReLU(shared_axes=shared, name="p")(inputs))
    if shared == [1, 2, 3] and not channel_shared:
        with pytest.raises(WeightsError, match="fits no layer"):
            keras_fcn.load_weights(model, tmp_path / "net.h5")
        return
    assert keras_fcn.load_weights(model, tmp_path / "net.h5").loaded == ("p",)
    assert_same(model, path)


@pytest.mark.parametrize(("outputs", "multiplier"), [(3, 1), (6, 2)])
def test_depthwise_with_a_bias_and_a_stride(outputs, multiplier, tmp_path):
    text = IMAGE + (
        'layer { name: "dw" type: "Convolution" bottom: "data" top: "dw" convolution_param { '
        f"num_output: {outputs} kernel_h: 3 kernel_w: 1 stride: 2 group: 3 }} }}\n"
    )
    path = written(tmp_path, text)
    inputs = keras.Input((12, 12, 3), name="data")
    depthwise = keras.layers.DepthwiseConv2D(
        (3, 1), strides=2, depth_multiplier=multiplier, name="dw"
    )
    model = keras.Model(inputs, depthwise(inputs))
    assert keras_fcn.load_weights(model, tmp_path / "net.h5").loaded == ("dw",)
    assert_same(model, path)


def test_another_depthwise_convolution_is_a_mismatch(tmp_path):
    written(tmp_path, IMAGE + conv("dw", "data", 6, "kernel_size: 3 group: 3"))
    inputs = keras.Input((12, 12, 3), name="data")
    model = keras.Model(inputs, keras.layers.DepthwiseConv2D(3, use_bias=False, name="dw")(inputs))
    with pytest.raises(WeightsError, match="fits no layer"):
        keras_fcn.load_weights(model, tmp_path / "net.h5")
    layers = [keras.layers.DepthwiseConv2D(3, use_bias=False, name="dw")]
    both = keras.Sequential([keras.Input((12, 12, 3)), *layers, keras.layers.Dense(2, name="fc")])
    with pytest.raises(WeightsError):
        keras_fcn.load_weights(both, tmp_path / "net.h5", strict=False)


def test_nothing_of_stock_layers_changes_for_keras_files(tmp_path):
    model = mobile()
    before = [w.copy() for w in model.get_weights()]
    model.save_weights(tmp_path / "own.weights.h5")
    model.save(tmp_path / "own.h5")
    again = mobile()
    report = keras_fcn.load_weights(again, tmp_path / "own.h5")
    assert len(report.loaded) == 9
    for one, other in zip(again.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_what_a_caffemodel_says_of_training_need_not_be_right(tmp_path):
    """Statistics that are trained: Caffe refuses them in a network, not in its weights."""
    path = written(tmp_path, RESIDUAL)
    text = path.read_text().replace("eps: 0.001 }", "eps: 0.001 } param { lr_mult: 1 }")
    other = tmp_path / "other.prototxt"
    other.write_text(text)
    blobs = convert.load_weights(tmp_path / "net.caffemodel")
    convert.write_caffemodel(tmp_path / "other.caffemodel", other, dict(blobs))
    model = residual()
    assert len(keras_fcn.load_weights(model, tmp_path / "other.caffemodel").loaded) == 8
    assert_same(model, path)
