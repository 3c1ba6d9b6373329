"""Arrays that a model cannot take: one line that names the input or the layer."""

from __future__ import annotations

import numpy as np
import pytest

import keras_fcn
from keras_fcn.caffe.errors import CaffeError

DATA = """
layer {{ name: "data" type: "Input" top: "data" input_param {{
  shape {{ dim: 1 dim: {channels} dim: 9 dim: 10 }} }} }}
"""
CONVOLUTION = (
    DATA.format(channels=3)
    + """
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 2 kernel_size: 3 } }
"""
)
UPSAMPLE = (
    DATA.format(channels=2)
    + """
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" top: "mask"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "up" type: "Upsample" bottom: "pool" bottom: "mask" top: "up"
  upsample_param { scale: 2 pad_out_h: true } }
"""
)


@pytest.fixture
def model(tmp_path):
    def build(text):
        (tmp_path / "net.prototxt").write_text(text)
        return keras_fcn.from_caffe(tmp_path / "net.prototxt")

    return build


def calls(model, shape):
    """The ways to run a model on zeros of Caffe's shape."""
    x = np.zeros(shape, "f4") - np.arange(shape[-1])[::-1]  # each maximum is the last of its row
    x -= np.arange(shape[-2])[::-1, np.newaxis]
    y = np.moveaxis(x, 1, -1)
    return {
        "blobs": lambda: keras_fcn.blobs(model, x),
        "predict": lambda: model.predict(y, verbose=0),
        "call": lambda: model(y),
    }


def refused(call):
    with pytest.raises(CaffeError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("way", ["blobs", "predict", "call"])
def test_places_outside_of_a_map(model, way):
    net = model(UPSAMPLE)
    assert calls(net, (1, 2, 9, 10))[way]() is not None
    message = refused(calls(net, (1, 2, 10, 10))[way])
    assert "layer 'up': the mask has places outside of the 9 x 10 output" in message
    assert "another size" in message


@pytest.mark.parametrize("way", ["blobs", "predict", "call"])
def test_an_image_smaller_than_a_kernel_names_the_layer(model, way):
    assert "layer 'conv' (Conv2D) of" in refused(calls(model(CONVOLUTION), (1, 3, 2, 2))[way])
