"""Every constructor -> Caffe files -> Keras, with its own head and with a new one."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn import models
from keras_fcn.caffe.errors import CaffeWarning
from keras_fcn.layers import CaffeReshape, SampledDropout
from tests.keras_fcn.models.cases import CASES
from tests.keras_fcn.models.checks import construct, marked, one_of_each, randomize

# What has no case of its own: arguments.
OTHERS = {
    "CaffeNetFCN": {"input_shape": (199, 199, 3)},  # the least that fc6 covers
    "LeNet": {"input_shape": (28, 28, 1)},
    "LeNetFCN": {"input_shape": (30, 36, 1)},
}
QUICK = {"LeNet", "LeNetFCN"}
NAMES = one_of_each([*CASES, *OTHERS], slow={*CASES, *OTHERS} - QUICK)
FORKS = {
    "BayesianSegNet": {"Upsample", "Dropout"},
    "BayesianSegNetBasic": {"Upsample", "Dropout"},
    "ENet": {"Upsample", "Python"},
    "ENet, merged": {"Upsample"},
    "SegNet": {"Upsample"},
    "SegNetBasic": {"Upsample"},
}


def test_there_are_no_other_constructors():
    covered = {case.constructor or name for name, case in CASES.items()} | OTHERS.keys()
    assert covered == {name for name in models.__all__ if name[0].isupper()}


def constructed(name):
    if name in OTHERS:
        return getattr(keras_fcn, name)(**OTHERS[name])
    size = CASES[name].small
    return construct(name, input_shape=(size[0], size[-1], 3))


def layer_names(model):
    """Of those that have weights, or do more than to pad, flatten or drop."""
    stock = keras.layers
    helpers = (CaffeReshape, stock.Flatten, stock.InputLayer, stock.ZeroPadding2D)
    return [x.name for x in model.layers if not isinstance(x, helpers)]


@pytest.mark.filterwarnings("ignore:.*BVLC Caffe 1.0 lacks")
@pytest.mark.parametrize("head", [False, True], ids=["own head", "new head"])
@pytest.mark.parametrize("name", NAMES)
def test_a_model_comes_back(name, head, tmp_path, monkeypatch):
    monkeypatch.setattr(SampledDropout, "call", lambda self, inputs, training=False: inputs)
    model = constructed(name)
    if head:
        model = keras_fcn.replace_head(model, 5)
    randomize(model)
    keras_fcn.export(model, tmp_path / "net.caffemodel")
    again = keras_fcn.from_caffe(tmp_path / "net.prototxt", tmp_path / "net.caffemodel")
    assert layer_names(again) == layer_names(model)
    rng = np.random.default_rng(1)
    image = rng.normal(0, 40, (1, *model.inputs[0].shape[1:])).astype(np.float32)
    first, second = (
        [np.asarray(y) for y in keras.tree.flatten(x(image, training=False))]
        for x in (model, again)
    )
    for old, new in zip(first, second, strict=True):
        np.testing.assert_allclose(new, old, rtol=0, atol=1e-5 * np.abs(old).max())


@pytest.mark.parametrize("name", marked(FORKS, slow=FORKS.keys() - QUICK))
def test_layers_of_forks_are_told(name, tmp_path):
    with pytest.warns(CaffeWarning, match="BVLC Caffe 1.0 lacks") as told:
        keras_fcn.export(constructed(name), tmp_path / "net.caffemodel")
    (said,) = {str(x.message) for x in told if "BVLC" in str(x.message)}
    types = {word.strip(";,") for word in said.split("become: ")[1].split()}
    assert FORKS[name] <= types
