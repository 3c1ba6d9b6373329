"""Layers with a call of their own are not written as the Caffe layer of their base."""

from __future__ import annotations

import keras
import pytest

import keras_fcn
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.core.definition import defined_network
from keras_fcn.to_caffe import to_caffe
from keras_fcn.unbuilder import unbuild
from tests.keras_fcn.to_caffe.trips import assert_same, round_trip

L = keras.layers
NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 3, 6, 6] } } }
layer { name: "odd" type: "Pooling" bottom: "data" top: "odd"
  pooling_param { kernel_size: 2 stride: 2 } }
"""


def doubled(base):
    """A subclass whose call gives twice the numbers."""

    def call(self, inputs, **kwargs):
        return 2 * base.call(self, inputs, **kwargs)

    return type("Own", (base,), {"call": call})


def model(layer):
    image = keras.Input((6, 6, 3))
    return keras.Model(image, layer(image))


@pytest.mark.parametrize(
    ("base", "arguments"),
    [
        (L.ReLU, ()),
        (L.MaxPooling2D, (2,)),
        (L.Conv2D, (2, 3)),
        (L.Dense, (2,)),
        (L.GlobalAveragePooling2D, ()),
        (L.Flatten, ()),
        (L.Add, ()),
        (L.BatchNormalization, ()),
        (keras_fcn.layers.PixelwiseSoftmax, ()),
        (keras_fcn.layers.Convolution, (2, 3)),
    ],
)
@pytest.mark.parametrize("changed", ["class", "instance"])
def test_a_call_of_its_own_is_refused(base, arguments, changed):
    layer = (base if changed == "instance" else doubled(base))(*arguments, name="odd")
    made = model((lambda x: layer([x, x])) if base is L.Add else layer)
    if changed == "instance":
        layer.call = lambda x: 5 * x
    with pytest.raises(UnsupportedLayerError, match=r"layer 'odd' \(.*\): has a call of its own"):
        to_caffe(made)
    assert unbuild(layer) is None


def test_an_operation_that_is_called_like_one_of_keras():
    class Relu(keras.Operation):
        def call(self, x):
            return 3 * x

        def compute_output_spec(self, x):
            return keras.KerasTensor(x.shape, x.dtype)

    with pytest.raises(UnsupportedLayerError, match=r"\(Relu\): has a call of its own"):
        to_caffe(model(Relu(name="odd")))


def test_a_model_that_was_read_and_changed(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    made = keras_fcn.from_caffe(tmp_path / "net.prototxt")
    assert defined_network(made) is not None
    pool = made.get_layer("odd")
    pool.call = lambda x, call=pool.call: 2 * call(x)
    assert defined_network(made) is None
    with pytest.raises(UnsupportedLayerError, match=r"layer 'odd' \(.*\): has a call of its own"):
        to_caffe(made)
    del pool.call
    assert defined_network(made) is not None


def test_a_subclass_that_computes_as_its_base_is_written(tmp_path):
    class Own(L.Conv2D):
        def __init__(self, **kwargs):
            super().__init__(2, 3, **kwargs)

        def get_config(self):
            return {"name": self.name}

    made = model(Own(name="conv"))
    assert_same(made, round_trip(made, tmp_path))
