"""`Net` against what Caffe gave: blobs, gradients, names."""

from __future__ import annotations

import numpy as np
import pytest

import keras_fcn
from tests.golden import LayerCase, assert_close, layer_case, layer_case_names
from tests.keras_fcn.builder.cases import tolerance

pytestmark = pytest.mark.filterwarnings("ignore:.*has no weights for:convert.CaffeWarning")

CHOSEN = [
    "dummydata_const",
    "filter_two",
    "grad_bn_train_scale",
    "grad_conv_group",
    "grad_embed",
    "grad_fcn_crop",
    "grad_inplace_chain",
    "grad_loss_weight_on_reduction",
    "grad_lr_mult_zero_bias_only",
    "grad_lstm",
    "grad_propagate_down_false",
    "grad_shared_weights",
    "grad_split_fanout",
    "grad_two_losses",
    "graph_inplace_after_fanout_consumer",
    "graph_inplace_on_input",
    "lstm_stateful_second_forward",
    "names_layer_blob_differ",
    "parameter",
    "rules_level3_deploy_aux",
    "silence",
    "smloss_no_top",
]
REST = sorted({*layer_case_names("grad_*")} - {*CHOSEN})


def net_of(case: LayerCase) -> keras_fcn.Net:
    return keras_fcn.Net(case.prototxt, weights=case.weights, **case.state)


def feed(net: keras_fcn.Net, case: LayerCase) -> None:
    for name, array in case.inputs.items():
        assert net.blobs[name].shape == array.shape
        net.blobs[name].data[...] = array


def assert_blobs(net: keras_fcn.Net, case: LayerCase, expected: dict[str, np.ndarray]) -> None:
    for name, array in expected.items():
        assert_close(net.blobs[name].data, array, tolerance(case))


def assert_gradients(net: keras_fcn.Net, case: LayerCase) -> None:
    for key, array in case.grads.items():
        kind, _, rest = key.partition("/")
        if kind == "top" and net.blobs[rest].loss_weight:
            np.testing.assert_allclose(net.blobs[rest].diff, array)
        elif kind == "top":
            net.blobs[rest].diff[...] = array
    net.clear_param_diffs()
    net.backward()
    for key, array in case.grads.items():
        kind, _, rest = key.partition("/")
        if kind == "in":
            assert_close(net.blobs[rest].diff, array, tolerance(case))
        elif kind in ("param", "after"):
            name, index = rest.rsplit("/", 1)
            param = net.params[name][int(index)]
            actual = param.diff if kind == "param" else param.data
            assert_close(actual, array, tolerance(case))


def check(name: str, backward: int) -> None:
    """A case forward, and if need be backward, the second time compiled."""
    case = layer_case(name)
    net = net_of(case)
    assert sorted(net.inputs) == sorted(case.inputs)
    assert net.outputs == case.case["outputs"]
    feed(net, case)
    net.forward()
    assert_blobs(net, case, case.outputs)
    if case.second_outputs:
        feed(net, case)
        net.forward()
        assert_blobs(net, case, case.second_outputs)
    for _ in range(backward if case.has_gradients else 0):
        assert_gradients(net, case)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", CHOSEN)
def test_a_case(name):
    check(name, backward=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", REST)
def test_every_other_gradient(name):
    check(name, backward=2)
