"""What the kinds of layers say of their gradients, against Caffe's and ours."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.inference.inspection import keras_inputs
from tests.golden import LAYERS, LayerCase
from tests.keras_fcn.builder.forks import net
from tests.keras_fcn.gradients import pass_gradients
from tests.keras_fcn.unbuilder.fork_cases import CASES

pytestmark = pytest.mark.filterwarnings("ignore::keras_fcn.caffe.errors.CaffeWarning")

GOLDEN = [LayerCase(x) for x in sorted((*LAYERS.iterdir(), *(LAYERS.parent / "forks").iterdir()))]
WITHOUT = ["accuracy_top1", "argmax_ties", "threshold", "silence"]
FORKS_WITHOUT = [
    *("box_annotator", "cluster", "ctc_axes", "eval_detection", "prior_box", "proposal"),
    *("text_proposal", "yolo_v2_output", "yolo_v3_output"),
]


def layers_of(path, **state):
    return [x for x in convert.load_network(path, **state).layers if not x.is_source]


def test_what_caffe_gave_a_gradient_to_has_one():
    found = 0
    for case in (each for each in GOLDEN if each.has_gradients):
        layers = layers_of(case.prototxt, **case.state)
        passed = any(
            x.any() for name, x in case.grads.items() if name.startswith(("in/", "param/"))
        )
        if len(layers) == 1 and passed:
            assert layers[0].params.has_gradient, case.name
            found += 1
    assert found > 50


def assert_no_gradient(model, fed):
    by_input, by_variable = pass_gradients(
        model, fed, False, lambda tops: sum(keras.ops.sum(keras.ops.square(x)) for x in tops)
    )
    assert all(x is None or not np.any(x) for x in (*by_input, *by_variable.values()))


@pytest.mark.parametrize("name", WITHOUT)
def test_a_kind_without_a_gradient(name):
    case = LayerCase(LAYERS / name)
    (layer,) = (x for x in layers_of(case.prototxt, **case.state) if not x.params.has_gradient)
    if layer.tops:
        model = keras_fcn.from_caffe(case.prototxt, **case.state)
        assert_no_gradient(model, keras_inputs(model, case.inputs))


@pytest.mark.sweep(4)
@pytest.mark.parametrize("name", FORKS_WITHOUT)
def test_a_forks_kind_without_a_gradient(name, tmp_path):
    text, inputs = CASES[name]
    path = net(tmp_path, text, **inputs)
    (layer,) = layers_of(path)
    assert not layer.params.has_gradient
    model = keras_fcn.from_caffe(path)
    random = np.random.default_rng(0)
    fed = {
        name: random.uniform(0.1, 0.9, shape).astype("float32") for name, shape in inputs.items()
    }
    assert_no_gradient(model, keras_inputs(model, fed))
