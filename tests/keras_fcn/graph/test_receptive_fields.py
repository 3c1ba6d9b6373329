"""Receptive fields, against what really changes when a pixel does."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_fcn
from keras_fcn.caffe.layers.spatial import Spread, Windows
from keras_fcn.caffe.net.extents import Extent
from keras_fcn.graph.receptive_fields import output_field
from keras_fcn.layers import (
    Accum,
    CaffeAveragePooling2D,
    CaffeMaxPooling2D,
    Convolution,
    Correlation,
    Correlation1D,
    Crop,
    Deconvolution,
    DensePooling2D,
    Interp,
    LocalResponseNormalization,
    PixelShuffle,
    Resample,
    Resize,
    Reverse,
    Slice,
    Upsample,
    UpsampleLike,
)
from tests.golden import layer_case

layers = keras.layers


def net(*stack, side=None):
    return keras.Sequential([keras.Input((side, side, 1)), *stack])


def randomized(model):
    """Weights without a sign that could cancel what another one does."""
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 1, w.shape) for w in model.get_weights()])
    return model


def two_inputs(layer, *sides):
    inputs = [keras.Input((side, side + 1, 1)) for side in sides]
    return keras.Model(inputs, layer(inputs))


def cropped():
    x = keras.Input((20, 20, 1))
    up = Deconvolution(1, 6, strides=4, padding=1)(layers.Conv2D(1, 3, strides=4)(x))
    return keras.Model(x, Crop(offset=(2, 3))([up, layers.Conv2D(1, 9)(x)]))


def rows_cut():
    x = keras.Input((20, 20, 1))
    return keras.Model(x, layers.Conv2D(1, 3)(Slice([7], axis=2)(x)[1]))


def resized_like_another():
    x = keras.Input((17, 17, 1))
    small = layers.Conv2D(1, 5, strides=4)(x)
    like = layers.Conv2D(1, 3, strides=2, padding="same")(x)
    return keras.Model(x, Interp()([small, like]))


def branches():
    x = keras.Input((20, 20, 1))
    left = layers.UpSampling2D(2)(layers.AveragePooling2D(2)(x))
    right = layers.Conv2D(1, (1, 7), padding="same")(x)
    return keras.Model(x, layers.Add()([left, right, layers.Conv2D(1, 1)(x)]))


def nested():
    inner = net(layers.Conv2D(1, 3, strides=2), layers.UpSampling2D(3))
    x = keras.Input((20, 20, 1))
    return keras.Model(x, layers.Conv2D(1, 3)(inner(layers.Conv2D(1, 2)(x))))


def accumulated():
    x = keras.Input((17, 17, 1))
    small = layers.Conv2D(1, 1, strides=4)(x)
    return keras.Model(x, Accum()([small, layers.Conv2D(1, 3, padding="same")(x)]))


def unpooled(size, stride, padding):
    x = keras.Input((13 if padding else 12,) * 2 + (1,))
    y = layers.Conv2D(1, 2, padding="same")(x)
    pool = CaffeMaxPooling2D(size, strides=stride, padding=padding, return_mask=True)
    maxima, mask = pool(y)
    y = UpsampleLike()([layers.Conv2D(1, 1)(maxima), mask, y])
    return keras.Model(x, layers.Conv2D(1, 2, padding="same")(y))


NETS = {
    "plain": lambda: net(layers.Conv2D(2, 3), layers.Conv2D(2, 5), side=24),
    "strides": lambda: net(layers.Conv2D(2, 3, strides=2), layers.Conv2D(1, 3), side=25),
    "dilation": lambda: net(layers.Conv2D(1, 3, dilation_rate=2), layers.Conv2D(1, 2), side=20),
    "asymmetric": lambda: net(
        Convolution(1, (5, 1), padding=(2, 0), strides=(1, 2)), Convolution(1, (1, 4)), side=20
    ),
    "same": lambda: net(
        layers.Conv2D(1, 3, padding="same"), layers.Conv2D(1, 5, padding="same"), side=21
    ),
    "same with strides": lambda: net(
        layers.Conv2D(1, 3, strides=2, padding="same"),
        layers.AveragePooling2D(2, padding="same"),
        side=20,
    ),
    "same of an even kernel": lambda: net(layers.DepthwiseConv2D(4, padding="same"), side=12),
    "separable": lambda: net(layers.SeparableConv2D(1, 3, strides=2), side=13),
    "pad": lambda: net(layers.ZeroPadding2D(((2, 1), (0, 3))), layers.Conv2D(1, 3), side=18),
    "cropping": lambda: net(layers.Cropping2D(((2, 1), (0, 3))), layers.Conv2D(1, 3), side=18),
    "caffe": lambda: net(
        layers.Conv2D(3, 3),
        LocalResponseNormalization(local_size=3, norm_region="within_channel"),
        CaffeAveragePooling2D(3, strides=2, padding=1),
        side=22,
    ),
    "dense pooling": lambda: net(DensePooling2D("average", 3, dilation_rate=2), side=12),
    "up": lambda: net(
        layers.Conv2D(1, 3, strides=2), Deconvolution(1, 4, strides=2, padding=1), side=21
    ),
    "up, less than the stride": lambda: net(
        Deconvolution(1, 1, strides=3), layers.Conv2D(1, 2), side=8
    ),
    "up and down": lambda: net(
        layers.Conv2D(1, 3, strides=4),
        Deconvolution(1, 2, strides=2),
        layers.Conv2D(1, 3),
        layers.UpSampling2D(3),
        layers.AveragePooling2D(2),
        side=33,
    ),
    "transposed": lambda: net(layers.Conv2DTranspose(1, 4, strides=3), side=9),
    "transposed, same": lambda: net(
        layers.Conv2DTranspose(1, 5, strides=2, padding="same"), side=9
    ),
    "transposed, more": lambda: net(
        layers.Conv2DTranspose(1, 3, strides=2, padding="same", output_padding=1), side=9
    ),
    "bilinear": lambda: net(
        layers.Conv2D(1, 2, strides=2), layers.UpSampling2D(4, interpolation="bilinear"), side=14
    ),
    "zoomed": lambda: net(layers.Conv2D(1, 3, strides=2), Interp(zoom_factor=4), side=13),
    "shrunk": lambda: net(Interp(shrink_factor=3, pad_beg=-2), layers.Conv2D(1, 2), side=21),
    "to a size": lambda: net(Interp(size=(13, 30)), layers.Conv2D(1, 2), side=19),
    "like another": resized_like_another,
    "shuffled": lambda: net(layers.Conv2D(9, 3, strides=3), PixelShuffle(3), side=18),
    "resampled": lambda: net(Resample((20, 20)), side=10),
    "resampled to less": lambda: net(Resample((8, 8)), side=20),
    "resize": lambda: net(Resize((20, 30)), side=12),
    "cropped": cropped,
    "rows cut": rows_cut,
    "branches": branches,
    "nested": nested,
    "accum": accumulated,
    "correlation": lambda: two_inputs(
        Correlation(3, 4, padding=3, strides=2, displacement_strides=2), 18, 18
    ),
    "correlation of rows": lambda: two_inputs(
        Correlation1D(1, 3, padding=3, single_direction=1), 10, 10
    ),
}


LOOSE = {
    "a mask": lambda: unpooled(3, 2, 1),
    "a mask of the net's own size": lambda: unpooled(2, 2, 0),
    "maxima": lambda: net(CaffeMaxPooling2D(3, strides=2), layers.MaxPooling2D(2, 1), side=13),
    "nearest": lambda: net(Resample((20, 20), method="nearest"), side=10),
    "cubic": lambda: net(Resample((27, 27), method="cubic"), side=9),
    "up, with gaps": lambda: net(Deconvolution(1, 2, strides=2, dilation_rate=3), side=8),
}


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", NETS | LOOSE)
def test_a_cell_sees_the_pixels_that_its_gradient_reaches(name):
    model = randomized((NETS | LOOSE)[name]())
    field = output_field(model)
    rows, columns = model.output_shape[1:3]
    cells = [(i * rows // 11, i * columns // 11) for i in range(11)]
    for cell, changed in zip(cells, gradients(model, cells), strict=True):
        expected = within(field.pixels(*cell), changed.shape)
        if name in NETS:
            assert box(changed) == expected, cell
        else:
            assert lies_in(box(changed), expected), cell


@pytest.mark.parametrize("name", ["a mask", "a mask of the net's own size", "maxima"])
def test_other_maxima_reach_all_that_a_cell_sees(name):
    """The place of a maximum has no gradient; here each pixel is changed by itself."""
    model = randomized(LOOSE[name]())
    cell = (2, 3)
    assert box(effects(model, cell)) == within(output_field(model).pixels(*cell), (13, 13))


def gradients(model, cells):
    """For each cell which pixels of any input change it."""
    rng = np.random.default_rng(1)
    images = [
        tf.constant(np.repeat(rng.uniform(1, 2, (1, *x.shape[1:])), len(cells), 0), tf.float32)
        for x in model.inputs
    ]
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = model(images if len(images) > 1 else images[0])
        total = sum(tf.reduce_sum(outputs[i, row, column]) for i, (row, column) in enumerate(cells))
    found = tape.gradient(total, images, unconnected_gradients="zero")
    reached = sum(np.abs(x.numpy()).sum(axis=-1) for x in found)
    return reached > 1e-6 * reached.max()  # less is but the rounding of a place


def effects(model, cell):
    """Which pixels change a cell, when they become the largest or the smallest."""
    rng, side = np.random.default_rng(2), model.input_shape[1]
    pixels = np.eye(side * side, dtype=bool).reshape(-1, side, side, 1)
    found = np.zeros((side, side), bool)
    function = tf.function(model)
    for image in rng.uniform(1, 2, (12, side, side, 1)).astype(np.float32):
        for value in (0, 9):
            changed = np.where(pixels, np.float32(value), image)
            before, *after = function(np.concatenate([image[None], changed])).numpy()[:, *cell]
            after = np.stack(after)
            found |= (after != before).any(axis=-1).reshape(side, side)
    return found


def box(changed):
    """First and last row, first and last column; None: nothing is True."""
    if not changed.any():
        return None
    axes = [np.flatnonzero(changed.any(axis=axis)) for axis in (1, 0)]
    return tuple((int(pixels[0]), int(pixels[-1])) for pixels in axes)


def lies_in(inner, outer):
    """Whether a box is part of another."""
    return inner is None or all(
        low[0] >= high[0] and low[1] <= high[1] for low, high in zip(inner, outer, strict=True)
    )


def within(field, sizes):
    """The part of a field that lies in the image."""
    axes = [
        (max(first, 0), min(last, size - 1))
        for (first, last), size in zip(field, sizes, strict=True)
    ]
    return None if any(first > last for first, last in axes) else tuple(axes)


@pytest.mark.slow
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
    padded = Extent().through(Windows(3, before=1))
    assert (padded.first, padded.last) == (-1, 1)
    assert padded.exact(3, image=12, crop=10).tolist() == [True, False, False]
    behind = Extent().through(Windows(3))
    assert behind.exact(3, image=4, crop=2).tolist() == [False, False, True]


def test_lenet_fcn_lies_on_the_crops():
    """Position (i, j) is the classifier on the 28 x 28 crop at (4i, 4j)."""
    field = output_field(keras_fcn.LeNetFCN())
    assert (field.stride, field.offset, field.size) == ((4, 4), (13.5, 13.5), (28, 28))


def test_a_net_from_caffe():
    field = output_field(keras_fcn.from_caffe(layer_case("conv_k3_p1_s2").prototxt))
    assert (field.stride, field.offset) == ((2, 2), (0, 0))


def test_the_whole_image_is_told_from_what_is_not_known():
    x = keras.Input((None, None, 3), name="data")
    whole = CaffeMaxPooling2D(global_pooling=True, name="whole")(x)
    unknown = layers.Conv2D(3, 3, strides=2, padding="same", name="unknown")(x)
    behind = layers.Conv2D(1, 3, name="behind")(unknown)
    turned = Reverse([2], name="turned")(x)
    both = layers.Multiply(name="both")([x, whole])
    label = keras.Input((1,), name="label")
    outputs = [whole, behind, turned, both, layers.ReLU(name="like")(label)]
    fields = keras_fcn.receptive_field(keras.Model([x, label], outputs))
    assert fields["data"].size == (1, 1)
    assert {name for name, field in fields.items() if field is None} == {*fields} - {"data"}
    assert {*fields} - {*fields.unknown} == {"data", "whole", "both"}
    assert fields.unknown["behind"] == fields.unknown["unknown"]
    assert "layer 'unknown' (Conv2D)" in fields.unknown["behind"]
    assert "padding depends on the size of the image" in fields.unknown["behind"]
    assert "layer 'turned' (Reverse)" in fields.unknown["turned"]
    assert fields.unknown["like"] == "an input that is no image"


def test_branches_whose_cells_do_not_stand_together_are_named():
    x = keras.Input((16, 16, 1), name="data")
    left = layers.Conv2D(1, 2, strides=2, name="left")(x)
    right = layers.Cropping2D(4, name="right")(x)
    model = keras.Model(x, layers.Add(name="sum")([left, right]))
    reason = keras_fcn.receptive_field(model).unknown["sum"]
    assert reason == "layer 'sum' (Add): it joins cells 1 and 2 pixels apart"


@pytest.mark.parametrize(
    ("mask", "reason"), [("data", "not that of a pooling"), ("pool", "of maps of")]
)
def test_masks_that_tell_no_places(mask, reason):
    x = keras.Input((9, 9, 1), name="data")
    maxima, places = CaffeMaxPooling2D(2, strides=2, return_mask=True, name="pool")(x)
    inputs = {"data": [x, x], "pool": [maxima, places]}[mask]
    model = keras.Model(x, Upsample(2, name="up")(inputs))
    assert reason in keras_fcn.receptive_field(model).unknown["up"]


def test_a_period_that_is_too_long_is_not_followed():
    wide = Extent().through(Spread(300, 300))
    with pytest.raises(ValueError, match="120000 cells"):
        wide.through(Spread(400, 400))


def test_a_field_is_shown_by_its_numbers():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 3, strides=2, name="conv")(image))
    shown = repr(keras_fcn.receptive_field(model)["conv"])
    assert shown == "ReceptiveField(size=(3.0, 3.0), stride=(2.0, 2.0), offset=(1.0, 1.0))"
