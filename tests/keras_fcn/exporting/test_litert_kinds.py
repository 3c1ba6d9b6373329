"""Which kinds of layers LiteRT runs with operators of its own."""

from __future__ import annotations

import warnings

import pytest

import convert
import keras_fcn
from keras_fcn.builder import BUILDERS
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.exporting.litert_kinds import REFUSED, WITH_TENSORFLOW
from tests.golden import layer_case
from tests.keras_fcn.builder.forks import net
from tests.keras_fcn.unbuilder.fork_cases import CASES

GOLDEN = ["grad_conv", "grad_lrn_across", "grad_lstm", "grad_pool_max", "filter_two"]
FORKS = [
    "correlation",
    "ctc_axes",
    "eval_detection",
    "interp",
    "pooling_3d",
    "reorg",
    "roi_pooling",
]


def test_the_kinds_are_built():
    assert BUILDERS.keys() >= WITH_TENSORFLOW | REFUSED
    assert not WITH_TENSORFLOW & REFUSED


def assert_written(path, weights, file):
    kinds = {type(x.params) for x in convert.load_network(path).layers}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        keras_fcn.export(keras_fcn.from_caffe(path, weights), file)
    flex = any("Flex delegate" in str(each.message) for each in caught)
    assert flex == bool(kinds & WITH_TENSORFLOW)


@pytest.mark.slow
@pytest.mark.parametrize("name", GOLDEN)
def test_kinds_of_caffe(name, tmp_path):
    case = layer_case(name)
    assert_written(case.prototxt, case.weights, tmp_path / "net.tflite")


@pytest.mark.slow
@pytest.mark.parametrize("name", FORKS)
def test_kinds_of_forks(name, tmp_path):
    text, inputs = CASES[name]
    assert_written(net(tmp_path, text, **inputs), None, tmp_path / "net.tflite")


@pytest.mark.slow
def test_what_no_file_can_hold(tmp_path):
    text, inputs = CASES["box_annotator"]
    model = keras_fcn.from_caffe(net(tmp_path, text, **inputs))
    with pytest.raises(CaffeError, match="has no LiteRT form"):
        keras_fcn.export(model, tmp_path / "net.tflite")
