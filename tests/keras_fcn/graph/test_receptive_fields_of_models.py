"""Receptive fields of the ready-made networks, against gradients."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_fcn
from keras_fcn import models
from keras_fcn.layers import CaffeAveragePooling2D, CaffeMaxPooling2D
from tests.keras_fcn.graph.test_receptive_fields import box, lies_in, within
from tests.keras_fcn.models.checks import one_of_each

SIDES = {
    **dict.fromkeys(("AlexNet", "CaffeNet", "CaffeNetFCN", "NIN"), 227),
    **dict.fromkeys((name for name in models.__all__ if name.startswith("Dilated")), 420),
    "LeNet": 28,
    "LeNetFCN": 40,
}
"""Network -> the side of the image; 96 for all others."""
MASKED = ("BayesianSegNet", "BayesianSegNetBasic", "ENet", "SegNet", "SegNetBasic")
QUICK = {"LeNetFCN"}


def made(name):
    side = SIDES.get(name, 96)
    channels = 1 if name.startswith("LeNet") else 3
    return getattr(keras_fcn, name)(input_shape=(side, side, channels))


def averaging(layer):
    """Means in place of maxima, whose gradient reaches one pixel of a window alone."""
    config = layer.get_config()
    if isinstance(layer, CaffeMaxPooling2D) and not config.pop("return_mask"):
        return CaffeAveragePooling2D.from_config(config)
    return type(layer).from_config(layer.get_config())


def keep_positive(model):
    """Kernels whose products neither cancel nor vanish."""
    rng = np.random.default_rng(0)
    for weight in model.trainable_variables:
        if len(weight.shape) > 1:
            depthwise = "depthwise" in weight.path.rpartition("/")[2] or weight.shape[-1] == 1
            taps = math.prod(weight.shape[: 2 if depthwise else -1])
            weight.assign(rng.uniform(0.5, 1.5, weight.shape) / taps)


def fills(inner, outer, sizes):
    """Whether boxes are equal, but for the pixels that no window reads at the image's end."""
    return all(
        low[0] == high[0] and (low[1] == high[1] or size - 1 == high[1] < low[1] + 32)
        for low, high, size in zip(inner, outer, sizes, strict=True)
    )


def test_all_of_a_network_that_unpools_is_known():
    fields = keras_fcn.receptive_field(keras_fcn.SegNetBasic())
    assert fields.unknown == {}
    assert None not in fields.values()
    assert fields["conv_decode4"].stride == (8, 8)
    assert fields["conv_decode1"].stride == (1, 1)


@pytest.mark.parametrize("name", one_of_each(models.__all__, slow=set(models.__all__) - QUICK))
def test_every_blob_of_a_network_sees_what_gradients_reach(name):
    model = made(name)
    fields = keras_fcn.receptive_field(model)
    assert fields.unknown == {}
    model = keras.models.clone_model(model, clone_function=averaging)
    keep_positive(model)
    model = keras.Model(model.inputs, model.outputs)  # its blobs are named as its layers
    fields = keras_fcn.receptive_field(model)
    assert fields.unknown == {}
    maps = [x for x in model.layers[1:] if not isinstance(x.output, list) and fields[x.name]]
    steps = max(len(maps) // 8, 1)
    sampled = [*maps[steps // 2 :: steps], maps[-1]]
    image = tf.ones((1, *model.input_shape[1:]))
    tails = keras.Model(model.inputs, [layer.output for layer in sampled])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(image)
        outputs = tails(image)
        # In the middle: where DilatedNet pads its map by 33, other positions see zeros alone.
        cells = [(x.shape[1] // 2, (x.shape[2] - 1) // 2) for x in outputs]
        values = [
            tf.reduce_sum(x[0, row, column] * tf.range(1.0, x.shape[-1] + 1))  # no sum of softmax
            for x, (row, column) in zip(outputs, cells, strict=True)
        ]
    for layer, cell, value in zip(sampled, cells, values, strict=True):
        changed = (tape.gradient(value, image).numpy()[0] != 0).any(axis=-1)
        expected = within(fields[layer.name].pixels(*cell), changed.shape)
        assert lies_in(box(changed), expected), layer.name
        if name not in MASKED:
            assert fills(box(changed), expected, changed.shape), layer.name
