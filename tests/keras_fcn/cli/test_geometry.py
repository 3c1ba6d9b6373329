from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

import keras_fcn
from keras_fcn.cli.geometry import Geometry, geometry
from keras_fcn.layers import CaffeAveragePooling2D, CaffeMaxPooling2D
from tests.golden import layer_case


def _model(*stack: layers.Layer) -> keras.Model:
    return keras.Sequential([keras.Input((None, None, 1)), *stack])


def _centre(model: keras.Model, cell: tuple[int, int], size: int = 64) -> tuple[float, float]:
    """The middle of the pixels that a cell depends on, found by changing each row and column."""
    random = np.random.default_rng(0)
    image = random.uniform(1, 2, (1, size, size, 1)).astype(np.float32)
    before = model(image).numpy()[0][cell]
    centres = []
    for axis in (1, 2):
        changed = []
        for place in range(size):
            other = image.copy()
            other[(slice(None), *[slice(None)] * (axis - 1), place)] *= 100
            if not np.array_equal(model(other).numpy()[0][cell], before):
                changed.append(place)
        centres.append((changed[0] + changed[-1]) / 2)
    return tuple(centres)


@pytest.mark.parametrize(
    "stack",
    [
        lambda: [layers.Conv2D(1, 3, kernel_initializer="ones")],
        lambda: [layers.Conv2D(1, (3, 5), strides=(2, 3), kernel_initializer="ones")],
        lambda: [layers.Conv2D(1, 3, dilation_rate=2, kernel_initializer="ones")],
        lambda: [layers.Conv2D(1, 5, padding="same", kernel_initializer="ones")],
        lambda: [
            layers.ZeroPadding2D(((2, 1), (3, 0))),
            layers.Conv2D(1, 4, strides=2, kernel_initializer="ones"),
        ],
        lambda: [
            layers.Conv2D(1, 4, strides=3, kernel_initializer="ones"),
            layers.ReLU(),
            CaffeAveragePooling2D(3, strides=2, padding=1),
            layers.Conv2D(1, 2, kernel_initializer="ones"),
        ],
    ],
)
def test_cells_lie_where_they_look(stack):
    model = _model(*stack())
    stride, offset = geometry(model)
    cell = (2, 3)
    expected = tuple(o + s * c for o, s, c in zip(offset, stride, cell, strict=True))
    assert _centre(model, cell) == expected


def test_caffenet_fcn():
    model = keras_fcn.CaffeNetFCN(include_top=False)
    model.add(layers.Conv2D(4, 6))
    assert geometry(model) == Geometry((32, 32), (113, 113))


def test_lenet_fcn():
    """Position (i, j) is the classifier on the 28 x 28 crop at (4i, 4j)."""
    assert geometry(keras_fcn.LeNetFCN()) == Geometry((4, 4), (13.5, 13.5))


def test_functional_model():
    case = layer_case("conv_k3_p1_s2")
    assert geometry(keras_fcn.from_caffe(case.prototxt)) == Geometry((2, 2), (0, 0))


def test_unknown_geometry():
    image = keras.Input((None, None, 1))
    branches = keras.Model(image, layers.Add()([layers.ReLU()(image), image]))
    assert geometry(branches) is None
    assert geometry(_model(layers.Conv2DTranspose(1, 4, strides=2))) is None
    assert geometry(_model(layers.Conv2D(1, 3, strides=2, padding="same"))) is None
    assert geometry(_model(CaffeMaxPooling2D(global_pooling=True))) is None
