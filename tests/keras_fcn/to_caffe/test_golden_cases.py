"""Golden nets -> Keras -> Caffe -> Keras."""

from __future__ import annotations

import shutil

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.to_caffe import to_caffe
from keras_fcn.to_caffe.graph import from_graph
from tests.golden import each_case, layer_case, layer_case_names

# A case may hold NaN, or weights for a part of its net: that is told of.
pytestmark = pytest.mark.filterwarnings("ignore::keras_fcn.caffe.errors.CaffeWarning")

NAMES = layer_case_names("*")
# The graph is written for inference, where these normalize by their batch.
TRAINED = {"bn_train_phase", "grad_bn_train", "grad_bn_train_scale"}
EXPRESSIBLE = 560  # of the cases with every input recorded: fewer would be a loss


def built(case):
    about = case.case
    return keras_fcn.from_caffe(case.prototxt, case.weights, **_state(about))


def _state(about):
    return {
        "phase": about["phase"],
        "level": about.get("level", 0),
        "stages": about.get("stages", ()),
    }


def arrays(model, case):
    """The recorded inputs, as Keras has them; None where one is missing."""
    names = [model.caffe.inputs[tensor.name] for tensor in model.inputs]
    if any(name not in case.inputs for name in names):
        return None
    return [_channels_last(case.inputs[name]) for name in names]


def _channels_last(x):
    return np.moveaxis(x, 1, -1) if x.ndim > 2 else x


def outputs(model, x):
    return [
        np.asarray(y) for y in keras.tree.flatten(model(x if len(x) > 1 else x[0], training=False))
    ]


@pytest.mark.sweep(12)
@each_case(map(layer_case, NAMES))
def test_a_net_as_it_was_comes_back_by_its_definition(built_case, tmp_path):
    """The weights are the same numbers, and a second round trip writes the same bytes."""
    case, model = built_case
    for source in case.folder.glob("*.binaryproto"):
        shutil.copy(source, tmp_path)  # an infogain matrix stands beside the prototxt
    first, second = tmp_path / "a.prototxt", tmp_path / "b.prototxt"
    to_caffe(model).save(first, first.with_suffix(".caffemodel"))
    again = keras_fcn.from_caffe(first, first.with_suffix(".caffemodel"), **_state(case.case))
    for old, new in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(new, old, rtol=2e-7, atol=0)
    to_caffe(again).save(second, second.with_suffix(".caffemodel"))
    assert first.read_bytes() == second.read_bytes()
    caffemodels = [path.with_suffix(".caffemodel").read_bytes() for path in (first, second)]
    assert caffemodels[0] == caffemodels[1]


@pytest.mark.slow
def test_the_graph_itself_gives_the_same_net(tmp_path):
    """All cases that can be written: equal outputs within 1e-5, in their order."""
    written = 0
    for name in set(NAMES) - TRAINED:
        case = layer_case(name)
        model = built(case)
        x = arrays(model, case)
        shapes = {
            tensor.name: case.inputs[blob].shape
            for tensor in model.inputs
            if (blob := model.caffe.inputs[tensor.name]) in case.inputs
        }
        try:
            net = from_graph(model, shapes)
        except UnsupportedLayerError:
            continue
        path = tmp_path / "net.prototxt"
        net.save(path, path.with_suffix(".caffemodel"))
        again = keras_fcn.from_caffe(path, path.with_suffix(".caffemodel"))
        if x is None:
            continue
        written += 1
        for old, new in zip(outputs(model, x), outputs(again, x), strict=True):
            scale = np.abs(old[np.isfinite(old)]).max(initial=0)
            np.testing.assert_allclose(new, old, rtol=0, atol=1e-5 * scale, err_msg=name)
    assert written >= EXPRESSIBLE
