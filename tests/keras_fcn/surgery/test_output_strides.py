"""Denser maps, against shift-and-stitch of the net as it was."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.layers import (
    BN,
    GRN,
    MVN,
    CaffeAveragePooling2D,
    CaffeMaxPooling2D,
    Convolution,
    DensePooling2D,
    DilatedMaxPooling2D,
    ExclusiveAveragePooling2D,
    Interp,
    LocalResponseNormalization,
    PReLU,
    ShuffleChannel,
    Slice,
    Upsample,
)

layers = keras.layers


def conv(filters, *arguments, **keywords):
    return layers.Conv2D(filters, *arguments, bias_initializer="random_normal", **keywords)


PADDING_FREE = {
    "convolution strides": lambda: [conv(3, 3, strides=2), layers.ReLU(), conv(2, 2)],
    "stride of three": lambda: [conv(3, 2, strides=3), conv(3, 3, strides=2), conv(2, 2)],
    "stock pooling": lambda: [
        *(conv(3, 3), layers.MaxPooling2D(2), conv(3, 3), layers.ReLU()),
        *(layers.AveragePooling2D(3, strides=2), conv(2, 2)),
    ],
    "dilation before": lambda: [
        *(conv(2, 3, dilation_rate=2), layers.MaxPooling2D(2), conv(2, 2, dilation_rate=2)),
    ],
    "caffe pooling, rounding up": lambda: [
        *(conv(3, 2), CaffeMaxPooling2D(3, strides=2), conv(3, 2)),
        *(CaffeAveragePooling2D(2, strides=2), conv(2, 2)),
    ],
    "other layers between": lambda: [
        *(layers.SeparableConv2D(3, 2, strides=2), BN(mode="inference"), GRN(), PReLU()),
        *(Convolution(4, (3, 1), strides=2), ShuffleChannel(2), ExclusiveAveragePooling2D(2, 1)),
        *(DilatedMaxPooling2D(2, dilation=2), Convolution(2, 2, dilation_rate=(1, 2))),
    ],
    "caffe pooling, rounding down": lambda: [
        *(CaffeMaxPooling2D(3, strides=2, round_mode="floor"), conv(2, 2)),
    ],
}
PADDED = {
    "padded convolutions": lambda: [
        *(layers.ZeroPadding2D(1), conv(3, 3, strides=2), conv(3, 3, padding="same")),
        *(layers.MaxPooling2D(2), layers.ZeroPadding2D(((2, 1), (0, 1))), conv(2, 3)),
    ],
    "caffe's shapes": lambda: [
        *(layers.ZeroPadding2D(2), conv(3, 5, strides=2), CaffeMaxPooling2D(3, strides=2)),
        *(conv(3, 3, padding="same"), CaffeMaxPooling2D(2, strides=2), conv(2, 2)),
    ],
}


def net(stack):
    model = keras.Sequential([keras.Input((None, None, 2), name="data"), *stack])
    rng = np.random.default_rng(4)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    return model


def own_stride(model):
    strides = (getattr(layer, "strides", (1, 1))[0] for layer in model.layers)
    return int(np.prod(list(strides)))


def stitched(stack, x):
    """The net at every shift of every strided layer's input, interleaved."""
    if not stack:
        return x
    first, *rest = stack
    stride = getattr(first, "strides", (1, 1))[0]
    phases = {
        (i, j): stitched(rest, np.asarray(first(x[:, i:, j:])))
        for i, j in itertools.product(range(stride), repeat=2)
    }
    heights = [i + stride * (y.shape[1] - 1) + 1 for (i, _), y in phases.items()]
    widths = [j + stride * (y.shape[2] - 1) + 1 for (_, j), y in phases.items()]
    out = np.full((len(x), max(heights), max(widths), phases[0, 0].shape[-1]), np.nan, np.float32)
    for (i, j), y in phases.items():
        out[:, i::stride, j::stride][:, : y.shape[1], : y.shape[2]] = y
    return out


def close(a, b):
    assert a.shape == b.shape
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * np.abs(b).max())


@pytest.mark.sweep(3)
@pytest.mark.parametrize("size", [(31, 28), (26, 29)])
@pytest.mark.parametrize("name", [*PADDING_FREE, *PADDED])
def test_at_stride_1_it_is_shift_and_stitch(name, size):
    model = net((PADDING_FREE | PADDED)[name]())
    x = np.random.default_rng(5).normal(size=(2, *size, 2)).astype(np.float32)
    dense = keras_fcn.with_output_stride(model, 1)
    close(np.asarray(dense(x)), stitched(model.layers, x))


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", PADDING_FREE)
def test_without_padding_shifting_the_image_is_enough(name):
    model = net(PADDING_FREE[name]())
    stride = own_stride(model)
    x = np.random.default_rng(6).normal(size=(1, 27, 28, 2)).astype(np.float32)
    dense = np.asarray(keras_fcn.with_output_stride(model, 1)(x))
    for i, j in itertools.product(range(stride), repeat=2):
        expected = np.asarray(model(x[:, i:, j:]))
        close(dense[:, i::stride, j::stride][:, : expected.shape[1], : expected.shape[2]], expected)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("output_stride", [1, 2])
@pytest.mark.parametrize("name", ["stock pooling", "caffe pooling, rounding up", *PADDED])
def test_the_old_map_stands_in_the_new_one(name, output_stride):
    model = net((PADDING_FREE | PADDED)[name]())
    ratio = own_stride(model) // output_stride
    x = np.random.default_rng(7).normal(size=(1, 27, 24, 2)).astype(np.float32)
    old = np.asarray(model(x))
    new = keras_fcn.with_output_stride(model, output_stride)
    close(np.asarray(new(x))[:, ::ratio, ::ratio][:, : old.shape[1], : old.shape[2]], old)
    assert keras_fcn.receptive_field(new)[new.layers[-1].name].stride == (output_stride,) * 2


def test_names_and_weights_stay():
    model = net(PADDED["caffe's shapes"]())
    new = keras_fcn.with_output_stride(model, 2)
    assert [layer.name for layer in new.layers] == [layer.name for layer in model.layers]
    for old, copied in zip(model.get_weights(), new.get_weights(), strict=True):
        np.testing.assert_array_equal(old, copied)
    assert not set(map(id, model.weights)) & set(map(id, new.weights))


def test_it_can_be_saved_and_branches(tmp_path):
    x = keras.Input((None, None, 1), name="data")
    pooled = CaffeMaxPooling2D(3, strides=2, padding=1, name="pool")(x)
    left = layers.Conv2D(2, 3, padding="same", name="left")(pooled)
    right = CaffeAveragePooling2D(3, strides=1, padding=1, name="right")(pooled)
    model = keras.Model(x, layers.Concatenate(name="both")([left, right]))
    dense = keras_fcn.with_output_stride(model, 1)
    image = np.random.default_rng(8).normal(size=(1, 14, 15, 1)).astype(np.float32)
    old, new = np.asarray(model(image)), np.asarray(dense(image))
    close(new[:, ::2, ::2][:, : old.shape[1], : old.shape[2]], old)
    dense.save(tmp_path / "dense.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "dense.keras")(image), new)


def test_maps_that_pooling_makes_longer_are_cut_where_they_are_joined():
    """Strided windows that do not reach past the end, beside pooling whose windows do."""
    x = keras.Input((None, None, 2), name="data")
    both = conv(3, 3, strides=2, name="first")(x)
    left = conv(3, 3, strides=2, name="left")(both)
    right = CaffeMaxPooling2D(3, strides=2, name="right")(both)
    end = conv(4, 2, name="end")(layers.Concatenate(name="both")([left, right]))
    model = keras.Model(x, [end, conv(2, 1, name="apart")(right)])
    image = np.random.default_rng(8).normal(size=(1, 47, 55, 2)).astype(np.float32)
    dense = keras_fcn.with_output_stride(model, 1)
    for old, new in zip(model(image), dense(image), strict=True):
        old, new = np.asarray(old), np.asarray(new)
        close(new[:, ::4, ::4][:, : old.shape[1], : old.shape[2]], old)
        shifted = np.asarray(model(image[:, 1:44, 2:53])[0 if old.shape[-1] == 4 else 1])
        part = new[:, 1::4, 2::4][:, : shifted.shape[1], : shifted.shape[2]]
        close(part, shifted)
    field = keras_fcn.receptive_field(dense)
    assert (field["end"].stride, field["end"].size) == ((1, 1), (11, 11))


def test_a_cast_takes_it_along():
    classifier = keras.Sequential(
        [
            *(keras.Input((12, 12, 1)), conv(3, 3), layers.MaxPooling2D(2)),
            *(layers.Flatten(), layers.Dense(4, name="fc")),
        ]
    )
    image = np.random.default_rng(9).normal(size=(1, 16, 17, 1)).astype(np.float32)
    dense = np.asarray(keras_fcn.to_fully_convolutional(classifier, output_stride=1)(image))
    assert dense.shape == (1, 5, 6, 4)
    for i, j in itertools.product(range(5), range(6)):
        close(dense[:, i, j], np.asarray(classifier(image[:, i : i + 12, j : j + 12])))


@pytest.mark.parametrize(
    ("stack", "output_stride", "message"),
    [
        ([layers.MaxPooling2D(2)], 3, "own strides come to"),
        ([layers.MaxPooling2D(3)], 2, "stride of 3"),
        ([layers.MaxPooling2D(2), layers.UpSampling2D(2, name="up")], 1, "'up'.*gaps"),
        ([layers.Conv2D(1, 3, strides=2, padding="same", name="c")], 1, "'c'.*explicit padding"),
        ([layers.Conv2D(1, 3, strides=(2, 1), name="c")], 1, "'c'.*differ"),
        ([layers.MaxPooling2D(2)], 0, "at least 1"),
        ([layers.MaxPooling2D(2), layers.UpSampling2D(2)], 2, "strides come to 1 pixels"),
        ([layers.MaxPooling2D(2), Interp(zoom_factor=2, name="up")], 1, "'up'.*resizes.*gaps"),
        ([layers.MaxPooling2D(2), CaffeMaxPooling2D(global_pooling=True)], 2, "come to no map"),
        ([layers.MaxPooling2D(2), MVN(name="mvn")], 1, "'mvn'.*sees all of the map"),
        (
            [
                layers.MaxPooling2D(2),
                LocalResponseNormalization(3, norm_region="within_channel", name="lrn"),
            ],
            1,
            "'lrn'.*no form with gaps",
        ),
        (
            [ExclusiveAveragePooling2D(3, strides=2, padding=1, name="mean")],
            1,
            "'mean'.*padding out of its means",
        ),
    ],
)
def test_what_cannot_be_is_refused(stack, output_stride, message):
    with pytest.raises(ValueError, match=message):
        keras_fcn.with_output_stride(net(stack), output_stride)


@pytest.mark.parametrize("output_stride", [1, 2])
def test_what_unpools_is_refused_by_name(output_stride):
    x = keras.Input((None, None, 1), name="data")
    maxima, mask = CaffeMaxPooling2D(2, strides=2, return_mask=True, name="pool")(x)
    model = keras.Model(x, Upsample(2, name="up")([conv(1, 1)(maxima), mask]))
    layer = {1: "'pool' .*places of its maxima", 2: "'up' .*distance"}[output_stride]
    with pytest.raises(ValueError, match=layer):
        keras_fcn.with_output_stride(model, output_stride)


def test_rows_cut_from_a_dense_map_are_refused():
    x = keras.Input((None, None, 1), name="data")
    parts = Slice([3], axis=2, name="cut")(layers.MaxPooling2D(2)(x))
    with pytest.raises(ValueError, match=r"'cut'.*no form with gaps"):
        keras_fcn.with_output_stride(keras.Model(x, parts[1]), 1)


def test_same_padding_before_the_dense_part_stays():
    """Where it begins depends on the size of the image; the strides that follow do not."""
    model = net([conv(3, 3, strides=2, padding="same"), layers.MaxPooling2D(2), conv(2, 2)])
    image = np.random.default_rng(8).normal(size=(1, 21, 24, 2)).astype(np.float32)
    old, new = (np.asarray(m(image)) for m in (model, keras_fcn.with_output_stride(model, 2)))
    close(new[:, ::2, ::2][:, : old.shape[1], : old.shape[2]], old)


@pytest.mark.parametrize("margin", [layers.ZeroPadding2D, layers.Cropping2D])
def test_margins_behind_alone_get_wider(margin):
    stack = [layers.MaxPooling2D(2, strides=3), margin(((0, 1), (0, 2))), conv(2, 2)]
    model, image = net(stack), np.random.default_rng(8).normal(size=(1, 32, 33, 2))
    old, new = (np.asarray(m(image)) for m in (model, keras_fcn.with_output_stride(model, 1)))
    close(new[:, ::3, ::3], old)


def test_denser_again():
    """What has been made denser once has pooling of its own, which is made denser again."""
    model = net([conv(3, 2, strides=2), CaffeMaxPooling2D(3, strides=2), conv(2, 2)])
    image = np.random.default_rng(8).normal(size=(1, 26, 29, 2)).astype(np.float32)
    twice = keras_fcn.with_output_stride(keras_fcn.with_output_stride(model, 2), 1)
    once = keras_fcn.with_output_stride(model, 1)
    np.testing.assert_array_equal(np.asarray(twice(image)), np.asarray(once(image)))


def test_a_residual_network():
    """A shortcut with a stride of its own, beside convolutions and pooling with theirs."""
    x = keras.Input((None, None, 2), name="data")
    y = CaffeMaxPooling2D(3, strides=2, name="pool")(conv(4, 3, padding="same")(x))
    for stride in (1, 2, 2):
        left = Convolution(4, 1, strides=stride)(y)
        right = layers.ReLU()(Convolution(4, 3, strides=stride, padding=1)(y))
        y = layers.ReLU()(layers.Add()([left, Convolution(4, 1)(right)]))
    model = keras.Model(x, y)
    image = np.random.default_rng(8).normal(size=(1, 40, 43, 2)).astype(np.float32)
    old = np.asarray(model(image))
    for output_stride in (4, 1):
        ratio = 8 // output_stride
        new = np.asarray(keras_fcn.with_output_stride(model, output_stride)(image))
        close(new[:, ::ratio, ::ratio][:, : old.shape[1], : old.shape[2]], old)


def test_dense_pooling_refuses_bad_arguments():
    with pytest.raises(ValueError, match="pool must be one of"):
        DensePooling2D("min", 2)
    with pytest.raises(ValueError, match="too small"):
        DensePooling2D("max", 3).compute_output_shape((None, 2, 5, 1))


@pytest.mark.slow
def test_caffenet_at_stride_16_and_8():
    model = keras_fcn.CaffeNetFCN(classes=7, classifier_activation=None)
    image = np.random.default_rng(9).normal(0, 50, (1, 291, 259, 3)).astype(np.float32)
    old = model.predict(image, verbose=0)
    for output_stride in (16, 8):
        ratio = 32 // output_stride
        new = keras_fcn.with_output_stride(model, output_stride).predict(image, verbose=0)
        part = new[:, ::ratio, ::ratio][:, : old.shape[1], : old.shape[2]]
        np.testing.assert_allclose(part, old, rtol=0, atol=1e-3 * old.std())
