import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from keras_fcn.layers import Convolution, Crop, Deconvolution
from tests.golden import assert_close, to_caffe_order, to_channels_last
from tests.keras_fcn.layers.checks import EXPORTS, normal
from tests.thorough import examples


@st.composite
def crops(draw):
    """Shapes in Caffe's order, axis and offsets."""
    rank = draw(st.integers(1, 5))
    axis = draw(st.integers(0, rank - 1))
    reference = draw(st.lists(st.integers(1, 4), min_size=rank, max_size=rank))
    same = draw(st.booleans())
    offsets = draw(st.lists(st.integers(0, 3), min_size=rank - axis, max_size=rank - axis))
    offsets = offsets[:1] * (rank - axis) if same else offsets
    room = draw(st.lists(st.integers(0, 2), min_size=rank, max_size=rank))
    shape = [
        size + room[i] + (offsets[i - axis] if i >= axis else 0) for i, size in enumerate(reference)
    ]
    negative = draw(st.booleans())
    return shape, reference, axis - rank * negative, offsets[0] if same else tuple(offsets)


@examples(100)
@given(crop=crops())
def test_equals_a_slice(crop):
    shape, reference, axis, offset = crop
    x = normal(*shape)
    first = axis % len(shape)
    offsets = np.broadcast_to(offset, len(shape) - first)
    cells = (slice(o, o + n) for o, n in zip(offsets, reference[first:], strict=True))
    expected = x[(slice(None),) * first + tuple(cells)]
    layer = Crop(axis, offset)
    inputs = [to_channels_last(x), to_channels_last(np.zeros(reference, "float32"))]
    assert_close(to_caffe_order(layer(inputs)), expected, 0)
    shapes = [array.shape for array in inputs]
    assert layer.compute_output_shape(shapes) == to_channels_last(expected).shape


def upsampling_net():
    """The end of an FCN: scores at a fourth of the image, brought back to its size."""
    image = keras.Input((None, None, 2), name="data")
    scores = Convolution(3, 3, strides=4, padding=6)(image)
    scores = Deconvolution(3, 8, strides=4, groups=3, use_bias=False)(scores)
    return keras.Model(image, Crop(offset=5)([scores, image]))


def test_follows_the_image_when_it_runs():
    model = upsampling_net()
    assert model.output_shape == (None, None, None, 3)
    graph = tf.function(model).get_concrete_function(tf.TensorSpec((None, None, None, 2)))
    for height, width in [(9, 12), (20, 7)]:
        x = normal(2, height, width, 2)
        assert graph(x).shape == (2, height, width, 3)
        assert_close(graph(x), model(x), 1e-6)


@EXPORTS
def test_exports_run_at_any_size(export, tmp_path):
    model = upsampling_net()
    run = export(model, tmp_path)
    for shape in [(1, 9, 12, 2), (2, 20, 7, 2)]:
        assert_close(run(normal(*shape)), model(normal(*shape)))


def test_no_gradient_goes_to_the_reference():
    x, reference = tf.constant(normal(1, 5, 5, 2)), tf.constant(normal(1, 2, 3, 4))
    with tf.GradientTape() as tape:
        tape.watch([x, reference])
        y = Crop(offset=1)([x, reference])
    to_x, to_reference = tape.gradient(y, [x, reference])
    assert to_reference is None
    assert to_x[0, 1:3, 1:4].numpy().tolist() == np.ones((2, 3, 2)).tolist()
    assert np.sum(to_x) == 12


def test_a_crop_past_the_end_fails_when_it_runs():
    layer = Crop(offset=2)
    spec = tf.TensorSpec((None, None, None, 1))
    graph = tf.function(lambda x, y: layer([x, y])).get_concrete_function(spec, spec)
    with pytest.raises(tf.errors.InvalidArgumentError):
        graph(normal(1, 5, 5, 1), normal(1, 4, 3, 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"offset": 2}, "offset: 2 leaves 3 of 5 positions along axis 2.*has 4"),
        ({"offset": (1, 1, 1)}, r"offset: \(1, 1, 1\) must have one number.*2 axes"),
        ({"axis": 4}, "axis: 4"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        Crop(**arguments)([keras.Input((5, 5, 1)), keras.Input((4, 4, 1))])
