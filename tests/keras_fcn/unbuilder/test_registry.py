"""Which Keras layers are unbuilt, and what is said of others."""

from __future__ import annotations

import inspect

import keras
import pytest

from keras_fcn import layers
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers.activation import ReLU
from keras_fcn.caffe.layers.convolution import Convolution
from keras_fcn.unbuilder import REASONS, UNBUILDERS, unbuild, unbuilds
from keras_fcn.unbuilder.registry import reason

OWN = [cls for name in layers.__all__ if inspect.isclass(cls := getattr(layers, name))]


@pytest.mark.parametrize("cls", OWN)
def test_each_own_layer_is_unbuilt_or_says_why_not(cls):
    assert (
        (cls in UNBUILDERS)
        or (cls in REASONS)
        or cls
        in (
            layers.GroupedConv2D,  # keras.layers.Conv2D
            layers.SampledDropout,  # keras.layers.Dropout
            layers.SpatialDropout,  # keras.layers.SpatialDropout2D
        )
    )


def test_a_reason_is_a_sentence_part():
    assert all(len(reason.split()) > 3 for reason in REASONS.values())


@pytest.mark.parametrize("cls", [keras.layers.ELU, layers.CommonSize])
def test_a_class_is_unbuilt_once(cls):
    with pytest.raises(ValueError, match="is already unbuilt"):
        unbuilds(cls)(lambda layer: None)


def test_a_subclass_is_unbuilt_as_its_base():
    class Own(keras.layers.Conv2D):
        pass

    params = unbuild(Own(3, 5, strides=2))
    assert (params.kernel_size, params.stride) == ((5, 5), (2, 2))


def test_settings_are_those_of_the_base_whatever_the_configuration():
    class Own(keras.layers.ELU):
        def __init__(self):
            super().__init__(alpha=0.5)

        def get_config(self):
            return {}

    assert unbuild(Own()).alpha == 0.5


def test_a_subclass_with_a_call_of_its_own_is_none():
    class Own(keras.layers.ELU):
        def call(self, inputs):
            return 2 * super().call(inputs)

    assert unbuild(Own()) is None
    assert reason(Own()) == "has a call of its own, so that what it computes is not known"


def test_a_layer_that_nobody_knows_is_none():
    class Own(keras.layers.Layer):
        pass

    assert unbuild(Own()) is None


def test_a_refusal_names_layer_setting_and_value():
    layer = keras.layers.Dropout(0.5, noise_shape=(None, 1, 8), name="drop")
    with pytest.raises(UnsupportedLayerError, match=r"^layer 'drop' \(Dropout\): noise_shape: \("):
        unbuild(layer)


def test_channels_first_is_refused():
    layer = keras.layers.Conv2D(3, 3, data_format="channels_first", name="conv")
    with pytest.raises(UnsupportedLayerError, match="data_format: 'channels_first' has no"):
        unbuild(layer)


def test_a_form_that_depends_on_the_shape_asks_for_a_call():
    layer = keras.layers.Dense(3, name="fc")
    with pytest.raises(UnsupportedLayerError, match=r"layer 'fc' .*call it first"):
        unbuild(layer)


def test_a_layer_that_is_only_built_knows_its_shape():
    layer = keras.layers.Dense(3)
    layer.build((None, 7, 7, 5))
    assert unbuild(layer) == Convolution(num_output=3, kernel_size=(1, 1))


def test_the_activation_of_a_layer_is_not_told():
    layer = keras.layers.Conv2D(3, 1, activation="relu")
    assert unbuild(layer) == Convolution(
        num_output=3, kernel_size=(1, 1), stride=(1, 1), pad=(0, 0), dilation=(1, 1)
    )
    assert unbuild(keras.layers.Activation("relu")) == ReLU()
