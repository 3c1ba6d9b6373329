"""New heads: the asked number of classes, or an error that names what stands in the way."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn import layers as caffe

layers = keras.layers


def features(filters=6):
    x = keras.Input((None, None, 3), name="data")
    return x, layers.Conv2D(filters, 3, activation="relu", name="body")(x)


def scored(classes, name):
    return layers.Conv2D(classes, 1, name=name)


def branches(x):
    return layers.Add(name="sum")([scored(4, "a")(x), scored(4, "b")(x)])


def shared(x):
    head = scored(4, "head")
    left = head(layers.Conv2D(5, 3, padding="same", name="left")(x))
    return layers.Maximum(name="max")([left, head(layers.Conv2D(5, 1, name="right")(x))])


def cropped(x):
    up = layers.Conv2DTranspose(4, 4, strides=2, padding="same", name="up")(branches(x))
    return caffe.Crop(offset=(0, 0), name="crop")([up, x])


WORKS = {
    "two branches": branches,
    "softmax over them": lambda x: caffe.PixelwiseSoftmax(name="prob")(branches(x)),
    "softmax before upsampling": lambda x: layers.UpSampling2D(2, name="up")(
        layers.Softmax(name="soft")(branches(x))
    ),
    "one head for two": shared,
    "upsampled and cropped": cropped,
    "pooled": lambda x: layers.GlobalAveragePooling2D(name="pool")(branches(x)),
    "chain, pooled": lambda x: layers.GlobalAveragePooling2D(name="pool")(
        layers.ReLU(name="relu")(scored(4, "a")(x))
    ),
    "chain, dense": lambda x: layers.Dense(4, activation="softmax", name="fc")(
        layers.GlobalAveragePooling2D(name="pool")(x)
    ),
    "chain, flattened probabilities": lambda x: layers.Flatten(name="flat")(
        layers.Softmax(name="soft")(
            layers.Reshape((1, 1, 4), name="one")(
                layers.Dense(4, name="fc")(layers.GlobalMaxPooling2D(name="pool")(x))
            )
        )
    ),
}
REFUSED = {
    "maps side by side": (
        lambda x: layers.Concatenate(name="both")([scored(3, "a")(x), scored(2, "b")(x)]),
        "'both'",
    ),
    "maxout": (
        lambda x: layers.Maximum(name="max")(caffe.Slice(2, name="slice")(scored(8, "a")(x))),
        "'slice'",
    ),
    "norm behind": (lambda x: layers.BatchNormalization(name="bn")(branches(x)), "'bn'"),
    "scale behind": (lambda x: caffe.Scale((4,), name="scale")(branches(x)), "'scale'"),
    "repeated": (lambda x: caffe.Tile(2, name="tile")(branches(x)), "'tile'"),
    "fixed size": (
        lambda x: layers.Reshape((2, 2), name="square")(
            layers.Add(name="sum")(
                [
                    layers.Dense(4, name=name)(layers.GlobalMaxPooling2D(name=f"{name}_pool")(x))
                    for name in "ab"
                ]
            )
        ),
        "'square'",
    ),
}


@pytest.mark.parametrize("case", WORKS)
def test_the_output_has_the_asked_classes(case):
    x, body = features()
    model = keras.Model(x, WORKS[case](body), name="net")
    new = keras_fcn.replace_head(model, 7)
    image = np.random.default_rng(1).normal(size=(2, 12, 12, 3)).astype(np.float32)
    scores = np.asarray(new(image))
    if "flattened" not in case:
        assert len(scores.shape) == len(model.output_shape)
    assert scores.shape[0] == 2
    assert scores.shape[-1] == 7
    np.testing.assert_allclose(scores.sum(-1), 1, rtol=1e-5)
    assert new.get_layer("body") is model.get_layer("body")
    assert np.ptp(scores) > 0


@pytest.mark.parametrize("case", REFUSED)
def test_what_leaves_the_classes_open_is_refused_by_name(case):
    make, message = REFUSED[case]
    x, body = features()
    with pytest.raises(convert.CaffeError, match=message):
        keras_fcn.replace_head(keras.Model(x, make(body), name="net"), 7)


def test_several_outputs_are_refused():
    x, body = features()
    model = keras.Model(x, [scored(3, "a")(body), scored(2, "b")(body)], name="net")
    with pytest.raises(ValueError, match=r"one output.*'net' with 2 outputs"):
        keras_fcn.replace_head(model, 7)
    one = keras_fcn.replace_head(keras.Model(x, model.outputs[1]), 7)
    assert one.output_shape[-1] == 7
    chain = keras.Model(x, [body, scored(3, "c")(body)])
    with pytest.raises(ValueError, match="one output"):
        keras_fcn.replace_head(chain, 7)


def test_a_new_head_has_the_windows_of_the_old():
    x, body = features()
    old = layers.Conv2D(4, 3, padding="same", dilation_rate=2, name="old")(body)
    new = keras_fcn.replace_head(keras.Model(x, old), 7)
    image = np.zeros((1, 12, 12, 3), np.float32)
    assert new(image).shape == (1, 10, 10, 7)


def test_heads_of_a_prototxt_do_not_begin_at_zero(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        """layer { name: "data" type: "Input" top: "data"
             input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
           layer { name: "a" type: "Convolution" bottom: "data" top: "a"
             convolution_param { num_output: 4 kernel_size: 1 } }
           layer { name: "b" type: "Convolution" bottom: "data" top: "b"
             convolution_param { num_output: 4 kernel_size: 1 } }
           layer { name: "s" type: "Eltwise" bottom: "a" bottom: "b" top: "s" }
           layer { name: "r" type: "ReLU" bottom: "s" top: "s" }"""
    )
    new = keras_fcn.replace_head(keras_fcn.from_caffe(path), 7)
    assert np.ptp(new.get_layer("a_7").kernel) > 0
