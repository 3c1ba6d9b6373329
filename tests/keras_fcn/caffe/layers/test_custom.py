"""Types that a user makes known."""

from __future__ import annotations

import pytest

from keras_fcn.caffe.layers import LAYER_TYPES, UnknownLayer
from keras_fcn.caffe.layers.custom import define
from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.text.prototxt import parse_net

IMAGE = 'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 2 dim: 3 } } }'


@pytest.fixture
def registry():
    """Registered types are forgotten after the test."""
    before = dict(LAYER_TYPES)
    yield
    LAYER_TYPES.clear()
    LAYER_TYPES.update(before)


def network(layer: str) -> Network:
    return Network.of(parse_net(IMAGE + layer).definition)


@pytest.mark.usefixtures("registry")
def test_shape_rule_and_fields():
    define(
        "Doubling", lambda params, bottoms: ((*bottoms[0], params.fields["tile_param"]["tiles"]),)
    )
    text = 'layer { name: "x" type: "Doubling" bottom: "d" top: "x" tile_param { tiles: 2 } }'
    assert network(text).blobs["x"].shape == (2, 3, 2)


@pytest.mark.usefixtures("registry")
def test_shape_of_the_bottom_without_a_rule():
    define("Same")
    text = 'layer { name: "x" type: "Same" bottom: "d" top: "x" top: "y" }'
    assert [blob.shape for blob in network(text).outputs] == [(2, 3), (2, 3)]


@pytest.mark.usefixtures("registry")
def test_python_layers_go_by_their_class():
    text = """layer { name: "x" type: "Python" bottom: "d" top: "x"
      python_param { module: "m" layer: "Shift" param_str: "5" } }"""
    assert isinstance(network(text).layer("x").params, UnknownLayer)
    define("Shift")
    params = network(text).layer("x").params
    assert params.fields["python_param"]["param_str"] == "5"


@pytest.mark.usefixtures("registry")
def test_known_types_cannot_be_taken():
    with pytest.raises(ValueError, match=r"has a builder already; .* Received: name='ReLU'"):
        define("ReLU")
    forks = r"one for each dialect of \['segnet', 'yolo'\]; .* Received: name='Upsample'"
    with pytest.raises(ValueError, match=forks):
        define("Upsample")
    with pytest.raises(ValueError, match=r"needs a name\. Received: name=''"):
        define("")
