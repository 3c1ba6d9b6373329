"""Receptive fields, against what really changes when a pixel does."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.graph.extents import Extent
from keras_fcn.graph.receptive_fields import output_field
from keras_fcn.layers import CaffeMaxPooling2D, Deconvolution, LocalResponseNormalization
from tests.golden import layer_case

layers = keras.layers


def net(*stack, side=None):
    return keras.Sequential([keras.Input((side, side, 1)), *stack])


def randomized(model):
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 1, w.shape) for w in model.get_weights()])
    return model


NETS = {
    "plain": lambda: net(layers.Conv2D(2, 3), layers.Conv2D(2, 5), side=24),
    "strides": lambda: net(layers.Conv2D(2, 3, strides=2), layers.Conv2D(1, 3), side=25),
    "dilation": lambda: net(layers.Conv2D(1, 3, dilation_rate=2), layers.Conv2D(1, 2), side=20),
    "same": lambda: net(
        layers.Conv2D(1, 3, padding="same"), layers.Conv2D(1, 5, padding="same"), side=21
    ),
    "same with strides": lambda: net(
        layers.Conv2D(1, 3, strides=2, padding="same"),
        layers.AveragePooling2D(2, padding="same"),
        side=20,
    ),
    "pad": lambda: net(layers.ZeroPadding2D(((2, 1), (0, 3))), layers.Conv2D(1, 3), side=18),
    "caffe": lambda: net(
        layers.Conv2D(3, 3),
        LocalResponseNormalization(local_size=3, norm_region="within_channel"),
        keras_fcn.layers.CaffeAveragePooling2D(3, strides=2, padding=1),
        side=22,
    ),
    "up": lambda: net(
        layers.Conv2D(1, 3, strides=2), Deconvolution(1, 4, strides=2, padding=1), side=21
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_no_other_pixel_changes_a_cell_and_the_field_is_reached(name):
    model = randomized(NETS[name]())
    field = output_field(model)
    side = model.input_shape[1]
    image = keras.ops.convert_to_tensor(np.ones((1, side, side, 1), np.float32))
    rows, columns = model.output_shape[1:3]
    i, j = rows // 2, columns // 2
    seen = []
    for row in (i, i + 1):
        for column in (j, j + 1):
            changed = gradient(model, image, row, column)
            for axis, cell, extent in ((1, row, field.height), (0, column, field.width)):
                pixels = np.flatnonzero(changed.any(axis=axis))
                assert pixels.min() >= extent.first + cell * extent.stride
                assert pixels.max() <= extent.last + cell * extent.stride
                seen.append(
                    (
                        pixels.min() - (extent.first + cell * extent.stride),
                        (extent.last + cell * extent.stride) - pixels.max(),
                    )
                )
    assert np.min(seen, axis=0).tolist() == [0, 0]  # neither side is wider than need be


def gradient(model, image, row, column):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(image)
        cell = tf.reduce_sum(model(image)[:, row, column])
    return np.abs(tape.gradient(cell, image).numpy()[0, :, :, 0]) > 0


def test_caffenet_has_the_published_receptive_field():
    fields = keras_fcn.receptive_field(keras_fcn.CaffeNetFCN())
    assert fields["conv1"].size == (11, 11)
    assert fields["pool5"].size == (195, 195)
    assert fields["prob"].size == (355, 355)
    assert fields["prob"].stride == (32, 32)
    assert fields["pool1"].stride == (8, 8)


def test_branches_join_to_what_either_sees():
    x = keras.Input((20, 20, 2), name="data")
    left = layers.Conv2D(2, 3, padding="same", name="left")(x)
    right = layers.Conv2D(2, 7, padding="same", name="right")(x)
    model = keras.Model(x, layers.Add(name="sum")([left, right]))
    assert keras_fcn.receptive_field(model)["sum"].size == (7, 7)
    assert keras_fcn.receptive_field(model)["left"].size == (3, 3)


def test_a_cell_behind_a_flatten_sees_everything():
    fields = keras_fcn.receptive_field(keras_fcn.LeNet())
    assert fields["pool2"].size == (16, 16)
    assert fields["ip1"] is None


def crop_scores(classifier, image, side, cells, stride):
    return np.stack(
        [
            [
                classifier(image[:, y * stride : y * stride + side, x * stride : x * stride + side])
                for x in range(cells[1])
            ]
            for y in range(cells[0])
        ]
    )[:, :, 0, 0, 0]


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_exact_tells_where_a_map_equals_its_crops(padding):
    """With padding every crop sees zeros where the whole image has pixels."""
    side, stride = 16, 4
    model = randomized(
        net(
            layers.Conv2D(3, 3, padding=padding),
            CaffeMaxPooling2D(2, strides=2),
            layers.Conv2D(3, 3, padding=padding),
            CaffeMaxPooling2D(2, strides=2),
            layers.Conv2D(2, 4 if padding == "same" else 2),
        )
    )
    image = np.random.default_rng(1).normal(size=(1, 28, 24, 1)).astype(np.float32) / 9
    whole = np.asarray(model(image))[0]
    crops = crop_scores(model, image, side, (4, 3), stride)
    equal = np.isclose(whole[:4, :3], crops, rtol=1e-5, atol=1e-6).all(axis=-1)
    exact = output_field(model).exact((4, 3), (28, 24), (side, side))
    np.testing.assert_array_equal(equal, exact)
    assert exact.all() == (padding == "valid")


def test_exact_at_a_border_that_image_and_crop_share():
    """A window of 3 padded in front: cell 0 sees padding on its crop and on the image alike."""
    padded = Extent().windows(3, before=1)
    assert (padded.first, padded.last) == (-1, 1)
    assert padded.exact(3, image=12, crop=10).tolist() == [True, False, False]
    behind = Extent().windows(3, before=0)
    assert behind.exact(3, image=4, crop=2).tolist() == [False, False, True]


def test_lenet_fcn_lies_on_the_crops():
    """Position (i, j) is the classifier on the 28 x 28 crop at (4i, 4j)."""
    field = output_field(keras_fcn.LeNetFCN())
    assert (field.stride, field.offset, field.size) == ((4, 4), (13.5, 13.5), (28, 28))


def test_a_net_from_caffe():
    field = output_field(keras_fcn.from_caffe(layer_case("conv_k3_p1_s2").prototxt))
    assert (field.stride, field.offset) == ((2, 2), (0, 0))


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2DTranspose(1, 4, strides=2),
        layers.Conv2D(1, 3, strides=2, padding="same"),
        CaffeMaxPooling2D(global_pooling=True),
        layers.UpSampling2D(2, interpolation="bilinear"),
    ],
)
def test_what_is_not_known_is_none(layer):
    assert output_field(net(layer)) is None
