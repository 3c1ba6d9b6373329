import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from keras_fcn.caffe.layers.pooling import pool_size
from keras_fcn.layers import CaffeStochasticPooling2D
from tests.golden import assert_close
from tests.keras_fcn.layers.checks import (
    EXPORTS,
    dynamic,
    model_of,
    normal,
)
from tests.thorough import examples


def windows(x, size, stride):
    """Each window's cells of a channels-last map, row by row."""
    counts = [pool_size(n, size, stride, 0, "CEIL", False) for n in x.shape[1:3]]
    for i, j in np.ndindex(*counts):
        cells = x[:, i * stride : i * stride + size, j * stride : j * stride + size]
        yield i, j, cells.reshape(len(x), -1, x.shape[-1])


def activations(*shape):
    """Some are 0, as after a ReLU; the first channel is 0 all over."""
    x = np.maximum(normal(*shape), 0)
    x[..., 0] = 0
    return x


@examples(40)
@given(
    sizes=st.tuples(st.integers(3, 9), st.integers(3, 9)),
    size=st.integers(1, 3),
    stride=st.integers(1, 3),
)
def test_weighted_mean_by_definition(sizes, size, stride):
    x = activations(2, *sizes, 3)
    layer = CaffeStochasticPooling2D(size, stride)
    outputs = np.array(layer(x))
    assert layer.compute_output_shape(x.shape) == outputs.shape
    for i, j, cells in windows(x, size, stride):
        sums = cells.sum(1)
        squares = (cells**2).sum(1)
        expected = np.divide(squares, sums, out=np.zeros_like(sums), where=sums > 0)
        assert_close(outputs[:, i, j], expected)


def test_draws_in_proportion_to_the_activation():
    x = np.tile(np.float32([[1, 0], [2, 5]])[None, :, :, None], (4000, 1, 1, 1))
    for arguments in ({"pool_size": 2, "strides": 2}, {"global_pooling": True}):
        layer = CaffeStochasticPooling2D(seed=1, **arguments)
        outputs = np.array(layer(x, training=True)).ravel()
        drawn, counts = np.unique(outputs, return_counts=True)
        assert drawn.tolist() == [1, 2, 5]
        # Four standard deviations of the rarest draw.
        assert_close(counts / len(outputs), [1 / 8, 2 / 8, 5 / 8], 0.035)


def test_draws_from_its_own_window():
    x = activations(2, 7, 6, 3)
    outputs = np.array(CaffeStochasticPooling2D(3, 2, seed=1)(x, training=True))
    for i, j, cells in windows(x, 3, 2):
        assert (cells == outputs[:, None, i, j]).any(1).all()
        assert ((outputs[:, i, j] > 0) == (cells.sum(1) > 0)).all()


def test_the_gradient_goes_to_the_drawn_cell():
    x = tf.constant(np.abs(normal(1, 4, 4, 2)) + 1)
    layer = CaffeStochasticPooling2D(2, 2, seed=1)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
    grad = tape.gradient(y, x).numpy()
    assert sorted(np.unique(grad)) == [0, 1]
    assert_close(np.sort(x.numpy()[grad == 1]), np.sort(y.numpy().ravel()), 0)


def test_zeros_have_a_gradient_without_nan():
    x = tf.zeros((1, 4, 4, 1))
    for training in (False, True):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = CaffeStochasticPooling2D(2, 2)(x, training=training)
        assert np.isfinite(tape.gradient(y, x)).all()


def test_a_seed_repeats_the_draws():
    x = np.abs(normal(1, 8, 8, 3))
    first, second = (CaffeStochasticPooling2D(2, 2, seed=5)(x, training=True) for _ in range(2))
    assert_close(first, second, 0)


@pytest.mark.parametrize("arguments", [{"pool_size": 3, "strides": 2}, {"global_pooling": True}])
def test_one_graph_serves_every_size(arguments):
    layer = CaffeStochasticPooling2D(**arguments)
    graph = dynamic(layer, 2)
    for shape in [(1, 5, 6, 2), (2, 8, 7, 2)]:
        assert_close(graph(activations(*shape)), layer(activations(*shape)), 1e-6)


@EXPORTS
def test_exports_run_at_any_size(export, tmp_path):
    model = model_of(CaffeStochasticPooling2D(3, 2), (None, None, 2))
    run = export(model, tmp_path)
    for shape in [(1, 5, 6, 2), (2, 8, 7, 2)]:
        assert_close(run(activations(*shape)), model(activations(*shape)))
