"""Whether layers and models compute as the class that they are known by."""

from __future__ import annotations

import keras
import pytest

from keras_fcn import layers as own
from keras_fcn.layers.known import entry, own_method, stock_name

layers = keras.layers


class Call(layers.ReLU):
    def call(self, x):
        return 3 * x


class Below(Call):
    pass


class Mixin:
    def call(self, x):
        return 3 * x


class Mixed(Mixin, layers.Conv2D):
    pass


class Kernel(layers.Conv2D):
    @property
    def kernel(self):
        return 2 * super().kernel


class Convolves(layers.Conv2D):
    def convolution_op(self, inputs, kernel):
        return 2 * super().convolution_op(inputs, kernel)


class Other(layers.Conv2D):
    """Another configuration, and more methods; the same numbers."""

    def __init__(self, filters, more=1, **kwargs):
        super().__init__(filters, 3, **kwargs)
        self.more = more

    def build(self, input_shape):
        super().build(input_shape)

    def get_config(self):
        return {**super().get_config(), "more": self.more}

    def size(self):
        return self.kernel_size


class Doubled(keras.Model):
    def call(self, x, **kwargs):
        return 2 * super().call(x, **kwargs)


class Trained(keras.Model):
    def train_step(self, data):
        return super().train_step(data)


class Operation(keras.Operation):
    def call(self, x):
        return 3 * x


def model(cls):
    image = keras.Input((4, 4, 3))
    return cls(image, layers.ReLU()(image))


@pytest.mark.parametrize(
    ("made", "method"),
    [
        (lambda: layers.ReLU(), ""),
        (lambda: own.PixelwiseSoftmax(), ""),
        (lambda: own.Convolution(2, 3), ""),
        (lambda: Other(2), ""),
        (lambda: Call(), "call"),
        (lambda: Below(), "call"),
        (lambda: Mixed(2, 3), "call"),
        (lambda: Kernel(2, 3), "kernel"),
        (lambda: Convolves(2, 3), "convolution_op"),
        (lambda: Operation(), "call"),
        (lambda: model(keras.Model), ""),
        (lambda: model(Trained), ""),
        (lambda: model(Doubled), "call"),
    ],
)
def test_methods_of_ones_own(made, method):
    assert own_method(made()) == method


@pytest.mark.parametrize("made", [layers.ReLU, own.PixelwiseSoftmax, lambda: model(keras.Model)])
def test_an_instance_that_was_changed(made):
    changed = made()
    changed.call = lambda x: 5 * x
    assert own_method(changed) == own_method(changed, type(changed)) == "call"


def test_a_class_that_is_known_itself_computes_as_that():
    assert own_method(Call(), Call) == own_method(Below(), Call) == ""
    assert entry(Below(), {layers.ReLU: 1, Call: 2}) == 2
    assert entry(Below(), {layers.ReLU: 1}) is None
    assert entry(Other(2), {layers.Conv2D: 1}) == 1
    assert entry(Other(2), {}) is None


def test_only_operations_of_keras_are_known_by_name():
    tensor = keras.ops.relu(keras.Input((2,)))
    assert stock_name(tensor._keras_history.operation) == "Relu"
    assert stock_name(Operation()) == ""
