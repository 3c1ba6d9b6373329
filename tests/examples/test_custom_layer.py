"""The example of a registered layer, and the registration itself."""

from __future__ import annotations

import importlib.util

import keras
import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.builder import BUILDERS
from keras_fcn.caffe.layers import LAYER_TYPES
from tests.golden import REPOSITORY

NET = """
input: "data"
input_shape { dim: 1 dim: 3 dim: 4 dim: 4 }
layer {
  name: "twice"
  type: "%s"
  bottom: "data"
  top: "twice"
}
layer {
  name: "fc"
  type: "InnerProduct"
  bottom: "twice"
  top: "fc"
  inner_product_param { num_output: 2 }
}
"""


@pytest.fixture(autouse=True)
def _registries():
    """What a test registers is forgotten after it."""
    kept = [(registry, dict(registry)) for registry in (LAYER_TYPES, BUILDERS)]
    yield
    for registry, before in kept:
        registry.clear()
        registry.update(before)


def test_the_example_runs():
    spec = importlib.util.spec_from_file_location(
        "custom_layer", REPOSITORY / "examples" / "custom_layer.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.main()
    assert [layer.name for layer in model.layers] == ["data", "swish", "drop", "score"]
    assert model.get_layer("drop").rate == 0.25
    assert model.input_shape == (None, None, None, 3)


def test_an_unknown_type_is_named_with_its_line_and_the_cure(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET % "Twice")
    with pytest.raises(convert.CaffeError) as caught:
        keras_fcn.from_caffe(tmp_path / "net.prototxt")
    message = str(caught.value)
    assert "net.prototxt:4: layer 'twice' (Twice)" in message
    assert "@keras_fcn.register('Twice')" in message


def test_shapes_after_a_registered_layer(tmp_path):
    def double_channels(params, bottoms):
        batch, channels, *sizes = bottoms[0]
        return ((batch, 2 * channels, *sizes),)

    @keras_fcn.register("Twice", top_shapes=double_channels)
    def twice(layer, x):
        return keras.layers.Concatenate(name=layer.keras_name)([x, x])

    (tmp_path / "net.prototxt").write_text(NET % "Twice")
    model = keras_fcn.from_caffe(tmp_path / "net.prototxt")
    assert model.get_layer("fc").kernel.shape == (96, 2)
    blobs = keras_fcn.blobs(model, np.ones((1, 3, 4, 4), np.float32))
    assert blobs["twice"].shape == (1, 6, 4, 4)


def test_known_types_cannot_be_taken():
    with pytest.raises(ValueError, match=r"has a builder already; .* Received: name='ReLU'"):
        keras_fcn.register("ReLU")
