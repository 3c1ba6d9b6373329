"""Reference cases -> Keras -> parameters: those that the network has."""

from __future__ import annotations

import dataclasses

import keras  # noqa: F401  before keras_fcn.layers
import pytest

import convert
import keras_fcn
from keras_fcn.caffe.layers.softmax_loss import InfogainLoss
from keras_fcn.layers.tied import Tied
from keras_fcn.unbuilder import unbuild
from tests.golden import LAYERS, LayerCase
from tests.keras_fcn.unbuilder.normal_form import normal_form

# A case may hold NaN, or weights for a part of its net: that is told of.
pytestmark = pytest.mark.filterwarnings("ignore::keras_fcn.caffe.errors.CaffeWarning")

FOLDERS = sorted((*LAYERS.iterdir(), *(LAYERS.parent / "forks").iterdir()))
CASES = {f"{folder.parent.name}/{folder.name}": folder for folder in FOLDERS}


def test_the_cases_are_found():
    assert len(CASES) == 572 + 23


def assert_unbuilt(model, network):
    """Each of the network's layers that the model has is unbuilt to its parameters.

    Returns:
        How many there are.
    """
    layers = {layer.name: layer for layer in model.layers}
    batch = network.inputs[0].shape[0] if network.inputs else None
    found = 0
    for layer in network.layers:
        ours = layers.get(layer.keras_name)
        if ours is None or layer.is_source:
            continue
        ours = ours.layer if isinstance(ours, Tied) else ours
        expected = normal_form(layer.params, layer, batch)
        if isinstance(layer.params, InfogainLoss) and layer.params.source is not None:
            expected = None  # the layer holds the matrix itself
        if padding := layers.get(f"{layer.keras_name}_pad"):  # a layer of its own in Keras
            assert padding.padding == tuple((pad, pad) for pad in expected.pad)
            expected = dataclasses.replace(expected, pad=(0,) * len(expected.pad))
        assert normal_form(unbuild(ours), layer, batch) == expected
        found += 1
    return found


@pytest.mark.sweep(10)
@pytest.mark.parametrize("name", CASES)
def test_a_layer_is_unbuilt_to_the_parameters_it_was_built_from(name):
    case = LayerCase(CASES[name])
    state = {key: case.case[key] for key in ("phase", "level", "stages") if key in case.case}
    network = convert.load_network(case.prototxt, **state)
    model = keras_fcn.from_caffe(case.prototxt, case.weights, **state)
    names = {layer.name for layer in model.layers}
    built = [x for x in network.layers if x.keras_name in names and not x.is_source]
    assert assert_unbuilt(model, network) == len(built)
