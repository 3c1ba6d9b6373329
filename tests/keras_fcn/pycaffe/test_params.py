"""Parameters in Caffe's layout and the Keras variables behind them: never out of step."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from tests.golden import layer_case
from tests.keras_fcn.pycaffe.nets import CLASSIFIER, CONV, net_of, numbers


@pytest.fixture
def net(tmp_path):
    net = net_of(CLASSIFIER, tmp_path)
    net.blobs["data"].data[...] = numbers(2, 3, 8, 8)
    return net


def kernel(net: keras_fcn.Net, name: str = "conv1") -> np.ndarray:
    """As the layer itself has it, in Caffe's order."""
    return np.asarray(net._model.get_layer(name).kernel).transpose(3, 2, 0, 1)


def test_shapes_are_caffes(net):
    shapes = {name: [blob.shape for blob in blobs] for name, blobs in net.params.items()}
    assert shapes == {
        "conv1": [(4, 3, 3, 3), (4,)],
        "fc6": [(5, 36), (5,)],
        "fc7": [(4, 5), (4,)],
    }
    weights = net.params["conv1"][0]
    assert (weights.num, weights.channels, weights.height, weights.width) == (4, 3, 3, 3)
    assert weights.count == 108
    assert net.params["fc6"][1].channels == 1
    with pytest.raises(ValueError, match="which the layer needs"):
        weights.reshape(4, 3, 5, 5)


def write_flat(array):
    array.flat[...] = 2.0


def write_slice(array):
    array[1:3, :, 0] = 2.0


def write_view(array):
    array.reshape(-1)[::2] = 2.0


def write_added(array):
    array += 2.0


def write_by_function(array):
    np.multiply(array, 3.0, out=array)


def write_nan(array):
    array[0] = np.nan


WRITES = [write_flat, write_slice, write_view, write_added, write_by_function, write_nan]


@pytest.mark.parametrize("write", WRITES)
def test_every_way_of_writing_reaches_keras(net, write):
    array = net.params["conv1"][0].data
    before = array.copy()
    write(array)
    assert not np.array_equal(array, before)
    expected = array.copy()
    net.forward()
    np.testing.assert_array_equal(kernel(net), expected)


def test_a_write_reaches_the_pass_the_model_and_the_file(net, tmp_path):
    before = net.forward()["prob"].copy()
    net.params["fc7"][1].data[0] = 5.0
    np.testing.assert_array_equal(net.keras.get_layer("fc7").bias[0], 5.0)
    after = net.forward()["prob"]
    assert after[0, 0] > before[0, 0]
    net.params["fc7"][1].data[1] = 7.0
    net.save(tmp_path / "new.caffemodel")
    again = keras_fcn.Net(tmp_path / "net.prototxt", tmp_path / "new.caffemodel", keras_fcn.TEST)
    np.testing.assert_array_equal(again.params["fc7"][1].data, [5, 7, 0, 0])


def test_a_model_that_was_taken_before_sees_later_writes(net, tmp_path):
    model = net.keras
    x = numbers(2, 8, 8, 3)
    uses = [
        lambda: model.predict(x, verbose=0),
        lambda: np.asarray(model(x)),
        lambda: model.predict_on_batch(x),
        lambda: keras_fcn.blobs(model, np.moveaxis(x, -1, 1))["prob"],
    ]
    for place, use in enumerate(uses):
        net.params["fc7"][1].data[...] = [0, 0, 0, 30 * (-1) ** place]
        np.testing.assert_allclose(use()[:, 3], 1 - place % 2, atol=1e-4)
    net.params["fc7"][1].data[...] = 4
    assert model.get_weights()[-1].tolist() == [4] * 4
    net.params["fc7"][1].data[...] = 5
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert np.asarray(again.get_layer("fc7").bias).tolist() == [5] * 4


def test_training_is_seen_in_arrays_that_are_held(net):
    model, held = net.keras, net.params["fc7"][0].data
    before = held.copy()
    held[0] = 9.0
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    model.fit(numbers(2, 8, 8, 3), np.array([0, 1]), verbose=0)
    assert not np.array_equal(held[1:], before[1:])
    assert abs(held[0] - 9.0).max() < 1  # trained from what was written
    np.testing.assert_array_equal(held, np.asarray(model.get_layer("fc7").kernel).T)


def test_what_is_assigned_to_variables_is_seen_when_read(net):
    held = net.params["fc7"][1].data
    net.keras.get_layer("fc7").bias.assign([1, 2, 3, 4])
    assert net.params["fc7"][1].data.tolist() == [1, 2, 3, 4]
    assert held.tolist() == [1, 2, 3, 4]
    net.keras.get_layer("fc7").bias.assign_add([1, 1, 1, 1])
    net.forward()
    assert held.tolist() == [2, 3, 4, 5]


def test_elements_are_taken_from_the_side_that_wrote_them(net):
    bias = net._model.get_layer("fc7").bias
    held = net.params["fc7"][1].data
    held[0] = 7.0
    bias.assign([0, 8, 0, 0])
    net.forward()
    assert held.tolist() == [7, 8, 0, 0]
    assert np.asarray(bias).tolist() == [7, 8, 0, 0]


def test_one_element_written_on_both_sides_is_an_error_once(net):
    bias = net._model.get_layer("fc7").bias
    held, other = net.params["fc7"][1].data, net.params["fc7"][0].data
    held[:2], other[0, 0] = 7.0, 3.0
    bias.assign([8, 0, 0, 0])
    with pytest.raises(ValueError, match=r"net.params\['fc7'\]\[1\] and the Keras variable"):
        net.forward()
    assert held.tolist() == [8, 0, 0, 0]  # the variable's, as the message says
    net.forward()
    assert np.asarray(net.keras.get_layer("fc7").kernel)[0, 0] == 3  # the other blob's is kept
    held[:2], bias_now = 7.0, [7, 7, 0, 0]
    bias.assign(bias_now)
    net.forward()  # both wrote the same
    assert held.tolist() == bias_now


def test_nothing_is_held_for_arrays_that_nobody_looks_at(net):
    net.params["conv1"][0].data[...] = 1.0
    kept = net.params["fc6"][0].data
    net.forward()
    held = net.params._held
    assert not held["conv1"]._arrays
    assert list(held["fc6"]._arrays) == [0]
    assert kept.base is held["fc6"]._arrays[0]


def test_shared_parameters_are_one_memory():
    case = layer_case("grad_shared_weights")
    net = keras_fcn.Net(case.prototxt, case.weights)
    for name in ("a", "b"):
        net.blobs[name].data[...] = case.inputs[name]
    net.params["cb"][0].data[...] = 0.5
    assert (net.params["ca"][0].data == 0.5).all()
    net.params["ca"][1].data[...] = 2.0
    assert (net.params["cb"][1].data == 2.0).all()
    net.forward()
    for fed, made in (("a", "fa"), ("b", "fb")):
        window = case.inputs[fed][0, :, :3, :3].sum() * 0.5 + 2
        np.testing.assert_allclose(net.blobs[made].data[0, :, 0, 0], window, rtol=1e-5)


def test_the_two_blobs_of_a_convolution_of_one_channel(tmp_path):
    net = net_of(CONV, tmp_path)
    net.params["conv"][0].data[1, 0, 1:-1, 1:-1] = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
    net.params["conv"][0].data[1, 0, 0] = 0
    assert np.asarray(net.keras.get_layer("conv").kernel)[2, 1, 0, 1] == -2


def test_files_are_copied_from_and_other_layers_stay(net, tmp_path):
    net.save(tmp_path / "all.caffemodel")
    net.save_hdf5(tmp_path / "all.caffemodel.h5")
    saved = {name: [x.data.copy() for x in group] for name, group in net.params.items()}
    for ending in ("caffemodel", "caffemodel.h5"):
        for group in net.params.values():
            for blob in group:
                blob.data[...] = 0
        net.copy_from(tmp_path / f"all.{ending}")
        for name, group in saved.items():
            for blob, array in zip(net.params[name], group, strict=True):
                np.testing.assert_array_equal(blob.data, array)
    with pytest.raises(NotImplementedError, match="copy_from"):
        net.share_with(net)


def test_copying_leaves_layers_that_the_file_lacks(tmp_path):
    part = CLASSIFIER.replace('name: "fc7"', 'name: "new"')
    (tmp_path / "a").mkdir()
    old, new = net_of(CLASSIFIER, tmp_path / "a"), net_of(part, tmp_path, seed=1)
    old.save(tmp_path / "old.caffemodel")
    before = new.params["new"][0].data.copy()
    new.copy_from(tmp_path / "old.caffemodel")
    np.testing.assert_array_equal(new.params["fc6"][0].data, old.params["fc6"][0].data)
    np.testing.assert_array_equal(new.params["new"][0].data, before)
