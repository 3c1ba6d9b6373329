"""DummyData, and networks without inputs, beyond the reference cases."""

from __future__ import annotations

import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.caffe.layers import Filler
from keras_fcn.caffe.layers.dummy_data import DummyData as Params
from keras_fcn.layers import DummyData
from tests.golden import assert_close, layer_case
from tests.keras_fcn.layers.checks import assert_config_round_trip, normal, reloaded

CONSTANT = {"type": "constant", "value": 0.5}


def build(tmp_path, text):
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    return keras_fcn.from_caffe(path)


def random_net(filler):
    return f"""
        layer {{ name: "noise" type: "DummyData" top: "noise"
                 dummy_data_param {{ shape {{ dim: 50 dim: 400 }} data_filler {{ {filler} }} }} }}
    """


@pytest.mark.parametrize(
    ("filler", "mean", "deviation"),
    [
        ('type: "uniform" min: 2 max: 4', 3, 2 / np.sqrt(12)),
        ('type: "gaussian" mean: -1 std: 2', -1, 2),
    ],
)
def test_random_numbers_are_new_at_each_pass(filler, mean, deviation, tmp_path):
    model = build(tmp_path, random_net(filler))
    first, second = (keras_fcn.blobs(model, {})["noise"] for _ in range(2))
    assert abs(first.mean() - mean) < 0.05
    assert abs(first.std() - deviation) < 0.05
    assert (first != second).mean() > 0.99
    third, fourth = (model.predict(np.zeros(1), verbose=0) for _ in range(2))
    assert (third != fourth).mean() > 0.99
    assert model.weights == []


def test_other_fillers_are_refused(tmp_path):
    with pytest.raises(convert.CaffeError, match=r"layer 'noise' \(DummyData\): .*'xavier'"):
        build(tmp_path, random_net('type: "xavier"'))


def test_a_first_size_that_repeats_the_batch_follows_it(tmp_path):
    model = build(
        tmp_path,
        """
        layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
        layer { name: "dummy" type: "DummyData" top: "ones" top: "fixed"
                dummy_data_param { shape { dim: 2 dim: 4 } shape { dim: 5 dim: 6 dim: 7 }
                                   data_filler { value: 1 } } }
        layer { name: "joined" type: "Concat" bottom: "data" bottom: "ones" top: "joined" }
        """,
    )
    x = normal(9, 3)
    blobs = keras_fcn.blobs(model, x)
    assert_close(blobs["joined"], np.concatenate([x, np.ones((9, 4))], 1), 0)
    assert_close(blobs["fixed"], np.ones((5, 6, 7)), 0)


def test_a_network_without_inputs_needs_none(tmp_path):
    case = layer_case("dummydata_const")
    model = reloaded(keras_fcn.from_caffe(case.prototxt), tmp_path)
    assert [tensor.name for tensor in model.inputs] == ["unread"]
    assert model.input_shape == (None,)
    assert_close(keras_fcn.blobs(model, {})["a"], case.outputs["a"])
    with pytest.raises(ValueError, match=r"has inputs \[\]. Received: inputs=\['data'\]"):
        keras_fcn.blobs(model, {"data": normal(1)})
    with pytest.raises(ValueError, match=r"has inputs \[\]. Received: one array"):
        keras_fcn.blobs(model, normal(1))


def test_its_input_takes_no_layers_name(tmp_path):
    model = build(
        tmp_path,
        """
        layer { name: "unread" type: "DummyData" top: "a" dummy_data_param { shape { dim: 2 } } }
        """,
    )
    assert_close(keras_fcn.blobs(model, {})["a"], np.zeros(2), 0)


def test_sizes_and_fillers_are_given_once_or_for_each_top():
    shapes = ((2, 3), (4,))
    fillers = (Filler(value=1), Filler(value=2))
    assert Params(shape=shapes).top_shapes((), 2) == shapes
    assert Params(shape=shapes[:1]).top_shapes((), 3) == shapes[:1] * 3
    assert Params(shape=shapes).top_fillers(2) == (Filler(), Filler())
    assert Params(shape=shapes, data_filler=fillers).top_fillers(2) == fillers
    with pytest.raises(convert.CaffeError, match="shape: given 2 times for 3 tops"):
        Params(shape=shapes).top_shapes((), 3)
    with pytest.raises(convert.CaffeError, match="data_filler: given 2 times for 1 tops"):
        Params(shape=shapes[:1], data_filler=fillers).top_shapes((), 1)
    with pytest.raises(convert.CaffeError, match=r"shape: \(\(-1,\),\)"):
        Params(shape=((-1,),))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("num: 1 shape { dim: 2 }", "either 'shape' or num, channels, height, width"),
        ("num: 1 channels: 2 height: 3", "width: given 0 times for 1 tops"),
        ("", "field 'shape' is missing"),
    ],
)
def test_sizes_that_caffe_refuses(fields, message, tmp_path):
    text = f'layer {{ name: "d" type: "DummyData" top: "a" dummy_data_param {{ {fields} }} }}'
    with pytest.raises(convert.CaffeError, match=rf"layer 'd' \(DummyData\): .*{message}"):
        build(tmp_path, text)


def test_arguments():
    assert_config_round_trip(DummyData([(None, 2), ()], [CONSTANT, CONSTANT], name="d"))
    with pytest.raises(ValueError, match="Received: 1 for 2"):
        DummyData([(2,), (3,)], [CONSTANT])
    with pytest.raises(ValueError, match="Received: 'msra'"):
        DummyData([(2,)], [{"type": "msra"}])
