"""What holds for every public layer: shapes, config, files, mixed precision."""

from __future__ import annotations

import inspect
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_fcn import layers
from tests.golden import assert_close
from tests.keras_fcn.layers.checks import assert_config_round_trip, reloaded
from tests.keras_fcn.layers.examples import ALSO, EXAMPLES

PUBLIC = {
    name
    for name in layers.__all__
    if isinstance(member := getattr(layers, name), type) and issubclass(member, keras.Layer)
}
EVERY = pytest.mark.parametrize("name", sorted(PUBLIC & EXAMPLES.keys()))


def made(kind, **settings):
    return getattr(layers, kind)(**EXAMPLES[kind].arguments, **settings)


def given(name):
    """What a call gets: the input, or a list of them."""
    inputs = EXAMPLES[name].inputs
    return inputs[0] if len(inputs) == 1 else list(inputs)


def called(layer, name):
    return [np.asarray(y) for y in keras.tree.flatten(layer(given(name)))]


def batch_shape(shape, free):
    """A shape with what is free unknown."""
    known = list(shape)
    known[0] = None if free else known[0]
    if free == "sizes":
        known[1:-1] = [None] * (len(known) - 2)
    return tuple(known)


def model(name, layer, free=""):
    """The layer alone as a model, built with sizes that are unknown."""
    inputs = [
        keras.Input(batch_shape=batch_shape(x.shape, free), name=f"in{i}")
        for i, x in enumerate(EXAMPLES[name].inputs)
    ]
    return keras.Model(inputs, layer(inputs if len(inputs) > 1 else inputs[0]))


def with_weights(layer):
    """The layer with weights that are not what it begins with, where they are numbers."""
    layer.set_weights(
        [
            np.random.default_rng(2).uniform(0.5, 1, w.shape).astype("float32")
            if w.dtype == "float32" and w.trainable
            else w.numpy()
            for w in layer.weights
        ]
    )
    return layer


def shapes_of(outputs):
    return [tuple(y.shape) for y in keras.tree.flatten(outputs)]


def is_like(shape, real):
    return len(shape) == len(real) and all(a in (None, b) for a, b in zip(shape, real, strict=True))


def test_every_public_layer_has_an_example():
    assert len(PUBLIC) > 80
    assert EXAMPLES.keys() == PUBLIC


@pytest.mark.sweep(2)
@EVERY
def test_the_computed_shape_is_the_real_one(name):
    layer = made(name)
    real = [y.shape for y in called(layer, name)]
    inputs = keras.tree.map_structure(lambda x: x.shape, given(name))
    computed = layer.compute_output_shape(inputs)
    flat = [computed] if not computed or not isinstance(computed[0], tuple | list) else computed
    assert len(flat) == len(real)
    assert all(map(is_like, map(tuple, flat), real)), (computed, real)


@pytest.mark.sweep(4)
@EVERY
def test_sizes_may_be_unknown_and_the_model_is_saved_and_loaded(name, tmp_path):
    example = EXAMPLES[name]
    expected = called(with_weights(first := built(name)), name)
    net = model(name, layer := made(name), *example.free[-1:])
    assert all(map(is_like, shapes_of(net.outputs), [y.shape for y in expected]))
    layer.set_weights(first.get_weights())
    again = reloaded(net, tmp_path)
    assert type(again.layers[-1]) is getattr(layers, name)
    for run, tolerance in ((net, 0), (graph(again), 1e-6)):
        outputs = keras.tree.flatten(run(list(map(tf.constant, example.inputs))))
        for output, wanted in zip(outputs, expected, strict=True):
            assert output.shape == wanted.shape
            assert keras.backend.standardize_dtype(output.dtype) == str(wanted.dtype)
            if example.repeatable:
                assert_close(output, wanted, tolerance)


def graph(net):
    """A model as one graph for all sizes that it leaves open, as exports have it."""
    specs = [tf.TensorSpec(x.shape, x.dtype) for x in net.inputs]
    return tf.function(net, autograph=False).get_concrete_function(specs)


def built(name):
    layer = made(name)
    layer(given(name))
    return layer


def own_arguments(kind):
    """Arguments of a class, and of public ones that it is made of -> what they are by default."""
    return {
        parameter.name: parameter.default
        for base in kind.__mro__
        if base.__name__ in {kind.__name__, *PUBLIC} and "__init__" in vars(base)
        for parameter in list(inspect.signature(base.__init__).parameters.values())[1:]
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }


@pytest.mark.parametrize(
    ("name", "arguments"),
    [*((name, EXAMPLES[name].arguments) for name in sorted(EXAMPLES)), *ALSO],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_config_holds_all_arguments(name, arguments):
    layer = getattr(layers, name)(**arguments, name="mine")
    assert_config_round_trip(layer)
    config = layer.get_config()
    assert config.keys() >= arguments.keys()
    for argument, default in own_arguments(type(layer)).items():
        assert argument in config or getattr(layer, argument) == default
    again = type(layer).from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config
    assert again.name == "mine"


@pytest.fixture
def _policy_restored():
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.sweep(6)
@EVERY
@pytest.mark.usefixtures("_policy_restored")
def test_mixed_precision(name):
    expected = called(full := built(name), name)
    for policy in ("mixed_float16", "mixed_bfloat16"):
        keras.config.set_dtype_policy(policy)
        assert_mixed(name, full, expected)


@pytest.mark.sweep(6)
@EVERY
def test_mixed_precision_of_one_layer(name):
    """As many give it: ``dtype=`` of the layer alone."""
    assert_mixed(name, full := built(name), called(full, name), dtype="mixed_float16")


def assert_mixed(name, full, expected, **settings):
    example, policy = EXAMPLES[name], settings.get("dtype", keras.config.dtype_policy().name)
    layer = made(name, **settings)
    net = model(name, layer)
    layer.set_weights(full.get_weights())
    outputs = keras.tree.flatten(layer(given(name)))
    dtypes = [keras.backend.standardize_dtype(y.dtype) for y in outputs]
    assert [y.dtype for y in net.outputs] == dtypes
    assert set(dtypes) <= {policy.removeprefix("mixed_"), "float32"}
    assert all(w.dtype == v.dtype for w, v in zip(layer.weights, full.weights, strict=True))
    for output, wanted in zip(outputs, expected, strict=True):
        assert output.shape == wanted.shape
        if example.half is not None and example.repeatable:
            assert_close(np.asarray(output, "float32"), wanted, example.half)
