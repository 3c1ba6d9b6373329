"""Passes over parts of a network, forward and backward."""

from __future__ import annotations

import numpy as np
import pytest

import keras_fcn
from keras_fcn.caffe.errors import CaffeError
from tests.golden import assert_close, layer_case
from tests.keras_fcn.pycaffe.nets import CLASSIFIER, FULLY_CONVOLUTIONAL, net_of, numbers

DROPOUT = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 30 } } }
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 4 } } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
  inner_product_param { num_output: 40 weight_filler { type: "xavier" } } }
layer { name: "drop" type: "Dropout" bottom: "fc" top: "drop" }
layer { name: "norm" type: "BatchNorm" bottom: "drop" top: "norm" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "norm" bottom: "label" top: "loss" }
"""

FLATTENED = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 2 dim: 3 dim: 4 } } }
layer { name: "flat" type: "Flatten" bottom: "data" top: "flat" }
layer { name: "relu" type: "ReLU" bottom: "flat" top: "flat" }
layer { name: "power" type: "Power" bottom: "flat" top: "power" power_param { scale: 2 } }
"""

FANOUT = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "a" type: "Power" bottom: "data" top: "a" power_param { scale: 2 } }
layer { name: "b" type: "Power" bottom: "a" top: "b" power_param { scale: 3 } }
layer { name: "c" type: "Power" bottom: "a" top: "c" power_param { scale: 5 } }
layer { name: "d" type: "Eltwise" bottom: "a" bottom: "c" top: "d" }
"""

READ_LOSS = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "a" type: "Power" bottom: "data" top: "a" power_param { scale: 2 } loss_weight: 4 }
layer { name: "b" type: "Power" bottom: "a" top: "b" power_param { scale: 3 } loss_weight: 1 }
"""

SPLIT = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "split" type: "Split" bottom: "data" top: "x" top: "y" }
"""


@pytest.fixture
def net(tmp_path):
    net = net_of(CLASSIFIER, tmp_path)
    net.blobs["data"].data[...] = numbers(2, 3, 8, 8)
    return net


def test_a_pass_in_two_parts_is_a_whole_one(net):
    whole = {name: blob.data.copy() for name, blob in net.blobs.items() if net.forward()}
    for name in net.layer_dict:
        for blob in list(net.blobs.values())[1:]:
            blob.data[...] = 0
        assert net.forward(end=name).keys() == set(net.top_names[name])
        behind = net._layer_names[net._layer_names.index(name) + 1 :]
        if behind:
            net.forward(start=behind[0])
        for blob, expected in whole.items():
            np.testing.assert_allclose(net.blobs[blob].data, expected, rtol=1e-6, atol=1e-7)


def test_a_part_reads_what_was_written_to_its_bottoms(net):
    net.forward()
    net.blobs["fc6"].data[...] = [[1, 0, 0, 0, 0], [0, 0, 0, 0, -1]]
    found = net.forward(start="fc7", end="fc7")
    weights = net.params["fc7"][0].data
    np.testing.assert_allclose(found["fc7"], [weights[:, 0], -weights[:, 4]], rtol=1e-6)
    net.blobs["fc6"].data[...] = -1
    assert not net.forward(start="relu6", blobs=["fc6"])["fc6"].any()


def test_blobs_of_one_memory_are_changed_together(tmp_path):
    net = net_of(FLATTENED, tmp_path)
    values = numbers(1, 2, 3, 4)
    net.forward(data=values)
    # Flatten shares its bottom's memory in Caffe, so that the ReLU in place changes both.
    np.testing.assert_array_equal(net.blobs["data"].data, np.maximum(values, 0))
    np.testing.assert_array_equal(net.blobs["flat"].data, np.maximum(values, 0).reshape(1, -1))
    net.blobs["data"].data[0, 1, 2, 3] = 50
    assert net.forward(start="power")["power"][0, -1] == 100


def test_arrays_follow_the_passes(net):
    prob, fc6 = net.forward(blobs=["fc6"]).values()
    before = prob.copy(), fc6.copy()
    view = net.blobs["fc6"].data[1]
    net.forward(data=numbers(2, 3, 8, 8, seed=5))
    assert not np.array_equal(prob, before[0])
    assert net.blobs["prob"].data.base is prob.base
    np.testing.assert_array_equal(view, net.blobs["fc6"].data[1])


def test_passes_of_one_size_are_compiled(net):
    for _ in range(3):
        net.forward()
    (stretch,) = net._engine._stretches.values()
    (model,) = stretch._models.values()
    assert model._passes.traces == 1


def test_inputs_by_name(net):
    data = numbers(2, 3, 8, 8, seed=3)
    found = net.forward(["conv1"], data=data)
    assert list(found) == ["prob", "conv1"]
    np.testing.assert_array_equal(net.blobs["data"].data, data)
    net.blobs["data"].data[...] = 0
    net.blobs["data"].data[...] = data
    np.testing.assert_array_equal(net.forward()["prob"], found["prob"])
    with pytest.raises(ValueError, match=r"inputs of the net are \['data'\]"):
        net.forward(image=data)
    with pytest.raises(ValueError, match="reshape"):
        net.forward(data=data[:1])
    with pytest.raises(ValueError, match="could not broadcast"):
        net.forward(data=data[:, :, :5])
    with pytest.raises(ValueError, match="the layers are data, conv1"):
        net.forward(end="nonsense")
    with pytest.raises(ValueError, match="the blobs are data, conv1"):
        net.forward(blobs=["nonsense"])
    with pytest.raises(ValueError, match="'prob' stands behind layer 'conv1'"):
        net.forward(start="prob", end="conv1")


def test_all_images_in_batches(net):
    images = numbers(5, 3, 8, 8, seed=2)
    found = net.forward_all(blobs=["fc6"], data=images)
    assert {name: array.shape for name, array in found.items()} == {"prob": (5, 4), "fc6": (5, 5)}
    for index in range(5):
        one = net.forward(data=images[[index, index]])["prob"][0]
        np.testing.assert_allclose(found["prob"][index], one, rtol=1e-5)
    data, diffs = net.forward_backward_all(data=images, prob=np.ones((5, 4)))
    np.testing.assert_allclose(data["prob"], found["prob"], rtol=1e-5)
    assert diffs["data"].shape == images.shape
    with pytest.raises(ValueError, match="one length"):
        net.forward_all()


def test_a_number_is_not_joined(tmp_path):
    net = net_of(DROPOUT, tmp_path)
    with pytest.raises(ValueError, match="'loss' of shape \\(\\) does not have one item"):
        net.forward_all(data=numbers(4, 30), label=np.zeros(4))


def test_other_sizes(tmp_path, net):
    maps = net_of(FULLY_CONVOLUTIONAL, tmp_path)
    maps.blobs["data"].reshape(2, 3, 20, 16)
    maps.reshape()
    assert maps.blobs["prob"].shape == (2, 4, 7, 5)
    assert maps.forward()["prob"].shape == (2, 4, 7, 5)
    net.blobs["data"].reshape(7, 3, 8, 8)
    assert net.forward()["prob"].shape == (7, 4)
    before, kept = net.keras, net.params["fc6"][0].data.copy()
    net.blobs["data"].reshape(1, 3, 10, 8)
    with pytest.raises(CaffeError, match=r"'fc6'.*\(\(5, 36\), \(5,\)\).*have to be \(\(5, 48\)"):
        net.reshape()
    net.blobs["data"].reshape(1, 3, 7, 8)  # the last window of the pooling is cut off
    held = net.params["fc7"][1].data
    held[0] = 4
    net.forward()
    assert net.keras is not before
    held[1] = 5
    assert np.asarray(net.keras.get_layer("fc7").bias).tolist() == [4, 5, 0, 0]
    np.testing.assert_array_equal(net.params["fc6"][0].data, kept)


def test_streams_of_a_recurrent_net_may_be_others():
    case = layer_case("lstm_basic")
    net = keras_fcn.Net(case.prototxt, case.weights)
    for name, array in case.inputs.items():
        doubled = np.concatenate([array, array], axis=1)
        net.blobs[name].reshape(*doubled.shape)
        net.blobs[name].data[...] = doubled
    expected = case.outputs["out"]
    assert_close(net.forward()["out"], np.concatenate([expected, expected], axis=1))


def test_gradients_go_back_part_by_part(net):
    seed = numbers(2, 4, seed=7)
    net.forward()
    net.backward(prob=seed)
    whole = {name: blob.diff.copy() for name, blob in net.blobs.items()}
    learnt = {name: [x.diff.copy() for x in group] for name, group in net.params.items()}
    net.clear_param_diffs()
    assert net.backward(end="fc7", prob=seed).keys() == {"fc6"}
    assert not net.params["fc6"][0].diff.any()
    net.backward(start="relu6", end="pool1")
    net.backward(start="relu1")
    for name, expected in whole.items():
        np.testing.assert_allclose(net.blobs[name].diff, expected, rtol=1e-5, atol=1e-8)
    for name, group in learnt.items():
        for blob, expected in zip(net.params[name], group, strict=True):
            np.testing.assert_allclose(blob.diff, expected, rtol=1e-5, atol=1e-8)
    net.backward(prob=seed)
    np.testing.assert_allclose(net.params["fc7"][1].diff, 2 * learnt["fc7"][1], rtol=1e-5)


def test_gradients_against_differences(net):
    net.forward()
    seed = numbers(2, 4, seed=7)
    net.backward(prob=seed)
    gradient = net.params["fc6"][0].diff[3, 17]
    step = np.float32(1e-2)
    values = []
    for sign in (1, -1):
        net.params["fc6"][0].data[3, 17] += sign * step
        values.append(float((net.forward()["prob"] * seed).sum()))
        net.params["fc6"][0].data[3, 17] -= sign * step
    np.testing.assert_allclose(gradient, (values[0] - values[1]) / (2 * step), rtol=1e-2)


def test_an_objective_at_a_layer_inside(net):
    """As in Caffe's dreams: a part forward, its own activations as gradient, back, a step."""
    src, dst = net.blobs["data"], net.blobs["pool1"]
    norms = []
    for _ in range(4):
        net.forward(end="pool1")
        norms.append(float(np.square(dst.data).sum()))
        dst.diff[:] = dst.data
        net.backward(start="pool1")
        g = src.diff[0]
        assert g.any()
        src.data[:] += 0.1 / np.abs(g).mean() * src.diff
    assert norms == sorted(norms)


def test_what_did_not_run_has_no_gradient(net):
    with pytest.raises(ValueError, match="layer 'conv1' has not run"):
        net.backward()
    net.forward(end="fc6")
    with pytest.raises(ValueError, match="layer 'relu6' has not run"):
        net.backward()
    net.blobs["fc6"].diff[...] = 1
    net.backward(start="fc6")
    with pytest.raises(ValueError, match=r"outputs of the net are \['prob'\]"):
        net.backward(start="fc6", fc6=np.ones((2, 5)))


def test_a_pass_in_parts_goes_back_as_it_ran(net):
    net.forward(end="relu1")
    net.blobs["conv1"].data[...] = np.abs(numbers(2, 4, 6, 6, seed=9))
    net.forward(start="pool1")
    seed = numbers(2, 4, seed=7)
    net.backward(prob=seed)
    pooled = net.blobs["pool1"].data.copy()
    net.forward(start="fc6")
    net.blobs["prob"].diff[...] = seed
    net.backward(end="fc6")
    weights = net.params["fc6"][0].diff / 2  # both gave the same, from what was written
    by_hand = net.blobs["fc6"].diff.T @ pooled.reshape(2, -1)
    np.testing.assert_allclose(weights, by_hand, rtol=1e-4, atol=1e-7)


def test_the_gradient_is_that_of_the_very_pass_that_ran(tmp_path):
    net = net_of(DROPOUT, tmp_path, phase=keras_fcn.TRAIN)
    net.forward(data=np.abs(numbers(4, 30)) + 1, label=np.arange(4))
    statistics = [blob.data.copy() for blob in net.params["norm"]]
    dropped = net.blobs["drop"].data == 0
    assert 0.2 < dropped.mean() < 0.8
    for _ in range(3):  # the last ones compiled
        net.backward()
        np.testing.assert_array_equal(net.blobs["fc"].diff == 0, dropped)
    for blob, expected in zip(net.params["norm"], statistics, strict=True):
        np.testing.assert_array_equal(blob.data, expected)
        assert not blob.diff.any()
    net.forward()
    assert (dropped != (net.blobs["drop"].data == 0)).any()


@pytest.mark.parametrize(
    ("start", "seeds", "expected"),
    [
        (None, {"b": 1, "d": 10}, {"data": 126, "a": 63, "b": 1, "c": 10, "d": 10}),
        ("b", {"b": 1}, {"data": 6, "a": 3, "b": 1, "c": 0, "d": 0}),
        ("a", {"a": 7}, {"data": 14, "a": 7, "b": 0, "c": 0, "d": 0}),
    ],
)
def test_readers_behind_the_start_give_nothing(tmp_path, start, seeds, expected):
    """Numbers by BVLC Caffe."""
    net = net_of(FANOUT, tmp_path)
    assert net.outputs == ["b", "d"]
    net.forward(data=np.ones((1, 3)))
    for name, value in seeds.items():
        net.blobs[name].diff[...] = value
    net.backward(start=start)
    assert {name: blob.diff[0, 0] for name, blob in net.blobs.items()} == expected


def test_a_loss_that_is_read_counts_twice(tmp_path):
    """Numbers by BVLC Caffe."""
    net = net_of(READ_LOSS, tmp_path)
    net.forward(data=np.ones((1, 3)))
    for _ in range(2):
        net.backward()
        assert [blob.diff[0, 0] for blob in net.blobs.values()] == [14, 7, 1]


def test_splits_by_hand_have_no_gradients(tmp_path):
    net = net_of(SPLIT, tmp_path)
    found = net.forward(data=np.ones((1, 3)))
    assert found["x"][0, 0] == found["y"][0, 0] == 1
    with pytest.raises(CaffeError, match="are not told apart"):
        net.backward()


def test_loss_weights(tmp_path):
    net = keras_fcn.Net(layer_case("grad_two_losses").prototxt, seed=0)
    assert net.blob_loss_weights["l1"] == net.blobs["l1"].diff == np.float32(0.3)
    assert net._blob_loss_weights == [0, 0, 0, 0, 0, 0, np.float32(0.3), 2]
    net.forward(data=numbers(2, 3, 6, 6), label=[0, 1], target=numbers(2, 4))
    net.backward()
    first = net.params["fb"][0].diff.copy()
    net.blobs["l2"].diff[...] = 4
    net.clear_param_diffs()
    net.backward()
    np.testing.assert_allclose(net.params["fb"][0].diff, 2 * first, rtol=1e-5)
