"""Parameters shared by name, of which weights files hold one, several or none."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import convert
from keras_fcn.caffe import surgery
from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.keras_hdf5.writing import WeightsFile
from keras_fcn.caffe.net.assembly import load_network
from keras_fcn.caffe.net.fillers import fill_blobs
from keras_fcn.caffe.net.fitting import fit_weights
from keras_fcn.caffe.net.sharing import shared_places

TWINS = """
layer {{ name: "l" type: "Input" top: "l" top: "r" input_param {{ shape {{ dim: 1 dim: 2 }} }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "l" top: "ip" param {{ name: "w" }} {bias}
  inner_product_param {{ num_output: 2 weight_filler {{ value: 3 }} bias_filler {{ value: 1 }} }} }}
layer {{ name: "ip_p" type: "InnerProduct" bottom: "r" top: "ip_p" param {{ name: "w" }} {bias}
  inner_product_param {{ num_output: 2 bias_filler {{ value: 7 }} }} }}
"""
SHARED = TWINS.format(bias='param { name: "b" }')
OWN_BIAS = TWINS.format(bias="")
W, B = np.array([[1, 2], [3, 4]], "f4"), np.array([10, 20], "f4")
OTHER, OWN = np.array([[5, 6], [7, 8]], "f4"), np.array([30, 40], "f4")


@pytest.fixture
def net(tmp_path):
    def write(text):
        (tmp_path / "net.prototxt").write_text(text)
        return load_network(tmp_path / "net.prototxt")

    return write


def caffe_hdf5(path, blobs):
    """What ``Net::ToHDF5`` writes: a group a layer, without the blobs of another owner."""
    with h5py.File(path, "w") as file:
        for layer, numbered in blobs.items():
            group = file.create_group(f"data/{layer}")
            for number, blob in numbered.items():
                group[str(number)] = blob


def fitted(network, path):
    return {name: [b.tolist() for b in x] for name, x in weights_of(network, path).items()}


def weights_of(network, path):
    return fit_weights(network, convert.load_weights(path))


def test_owners(net):
    assert shared_places(net(OWN_BIAS)) == {("ip", 0): ("ip", 0), ("ip_p", 0): ("ip", 0)}


def test_hdf5_of_owners_only(net, tmp_path):
    caffe_hdf5(tmp_path / "net.h5", {"ip": {0: W, 1: B}, "ip_p": {}})
    held = [W.tolist(), B.tolist()]
    assert fitted(net(SHARED), tmp_path / "net.h5") == {"ip": held, "ip_p": held}


def test_hdf5_with_a_blob_of_ones_own(net, tmp_path):
    caffe_hdf5(tmp_path / "net.h5", {"ip": {0: W, 1: B}, "ip_p": {1: OWN}})
    found = fitted(net(OWN_BIAS), tmp_path / "net.h5")
    assert found == {"ip": [W.tolist(), B.tolist()], "ip_p": [W.tolist(), OWN.tolist()]}


def test_only_a_shared_blob_may_be_absent(net, tmp_path):
    caffe_hdf5(tmp_path / "net.h5", {"ip": {1: B}, "ip_p": {0: W, 1: OWN}})
    with pytest.raises(WeightsError, match=r"'ip' .* lacks blob 0"):
        weights_of(net(OWN_BIAS), tmp_path / "net.h5")
    caffe_hdf5(tmp_path / "net.h5", {"ip_p": {1: OWN}})
    with pytest.raises(WeightsError, match="'ip_p' lacks a blob that it shares"):
        weights_of(net(OWN_BIAS), tmp_path / "net.h5")


@pytest.mark.parametrize("order", [("ip", "ip_p"), ("ip_p", "ip")])
def test_the_last_in_the_file_counts(net, order):
    blobs = {"ip": [W, B], "ip_p": [OTHER, OWN]}
    found = fit_weights(net(SHARED), {name: blobs[name] for name in order})
    for layer in ("ip", "ip_p"):
        np.testing.assert_array_equal(found[layer][0], blobs[order[1]][0])


def test_the_owner_may_be_lacking(net):
    network = net(OWN_BIAS)
    found = fit_weights(network, {"ip_p": [OTHER, OWN]})
    assert list(found) == ["ip_p"]
    kernel, bias = fill_blobs(network, stored=found)["ip"]
    assert kernel.tolist() == OTHER.tolist()
    assert bias.tolist() == [1, 1]


def test_fillers_fill_the_owner_once(net):
    found = fill_blobs(net(OWN_BIAS))
    assert [b.tolist() for b in found["ip"]] == [[[3, 3], [3, 3]], [1, 1]]
    assert [b.tolist() for b in found["ip_p"]] == [[[3, 3], [3, 3]], [7, 7]]


def test_permissive_sharing_is_of_the_same_memory(net):
    text = OWN_BIAS.replace("dim: 1 dim: 2 } }", "dim: 1 dim: 2 } shape { dim: 1 dim: 4 } }")
    text = text.replace('"r" top: "ip_p" param {', '"r" top: "ip_p" param { share_mode: PERMISSIVE')
    network = net(text.replace("num_output: 2 bias_filler", "num_output: 1 bias_filler"))
    found = fit_weights(network, {"ip": [W, B], "ip_p": [OTHER.reshape(1, 4), OWN[:1]]})
    assert found["ip"][0].tolist() == OTHER.tolist()
    assert fit_weights(network, {"ip": [W, B]}).keys() == {"ip"}
    stored = {"ip": [W, B]}
    assert fill_blobs(network, stored=stored)["ip_p"][0].tolist() == [W.ravel().tolist()]


def test_the_by_name_file_holds_every_layer(net, tmp_path):
    network = net(SHARED)
    caffe_hdf5(tmp_path / "caffe.h5", {"ip": {0: W, 1: B}, "ip_p": {}})
    report = convert.convert(network.path, tmp_path / "caffe.h5", tmp_path / "net.h5")
    assert report.notes == ()
    with WeightsFile(tmp_path / "net.h5") as file:
        assert file["ip_p"][0].tolist() == W.T.tolist()


# Surgery


@pytest.fixture
def opened(net, tmp_path):
    network = net(SHARED)
    caffe_hdf5(tmp_path / "caffe.h5", {"ip": {0: W, 1: B}, "ip_p": {}})
    return surgery.open_net(network.path, tmp_path / "caffe.h5")


@pytest.mark.parametrize("layer", ["ip", "ip_p"])
def test_params_are_one_array(opened, layer, tmp_path):
    opened.params[layer][0] += 1
    opened.params[layer][1] = OWN
    other = {"ip": "ip_p", "ip_p": "ip"}[layer]
    for blobs in (opened.params.peek(other), opened.params[other]):
        np.testing.assert_array_equal(blobs[0], W + 1)
        np.testing.assert_array_equal(blobs[1], OWN)
    opened.params[other] = [W, B]
    np.testing.assert_array_equal(opened.params[layer][0], W)
    opened.save(tmp_path / "a.prototxt", tmp_path / "a.caffemodel")
    saved = convert.load_weights(tmp_path / "a.caffemodel")
    for name in ("ip", "ip_p"):
        np.testing.assert_array_equal(saved[name][0], W)


def test_a_blob_of_another_shape_is_refused(opened):
    with pytest.raises(ValueError, match=r"shape \(2, 2\). Received: \(2,\)"):
        opened.params["ip"][0] = B


@pytest.mark.parametrize("layer", ["ip", "ip_p"])
def test_transplanted_weights_go_to_all_who_share(opened, net, layer):
    source = surgery.open_net(net(SHARED).path)
    moved = surgery.transplant(opened, source, {layer: "ip"})
    for name in ("ip", "ip_p"):
        assert moved.params[name][0].tolist() == [[3, 3], [3, 3]]


def test_without_the_owner_the_next_one_owns(opened):
    rest = surgery.drop(opened, ["ip"])
    assert rest.params["ip_p"][0].tolist() == W.tolist()


def part(tmp_path, text, *outputs):
    (tmp_path / "part.prototxt").write_text(text)
    return load_network(tmp_path / "part.prototxt", outputs=outputs)


def test_an_owner_that_the_outputs_do_not_need_lends_its_blobs(tmp_path):
    network = part(tmp_path, SHARED, "ip_p")
    assert [layer.name for layer in network.layers] == ["l", "ip_p"]
    caffe_hdf5(tmp_path / "w.caffemodel.h5", {"ip": {0: W, 1: B}, "ip_p": {}})
    assert fitted(network, tmp_path / "w.caffemodel.h5") == {"ip_p": [W.tolist(), B.tolist()]}
    only = fit_weights(network, {"ip": [W.reshape(1, 1, 2, 2), B]})
    assert [blob.tolist() for blob in only["ip_p"]] == [W.tolist(), B.tolist()]


def test_the_last_in_the_file_counts_though_the_outputs_do_not_need_it(tmp_path):
    last = {"ip": [W, B], "ip_p": [OTHER, OWN]}
    assert fit_weights(part(tmp_path, SHARED, "ip"), last)["ip"][0].tolist() == OTHER.tolist()


def test_fillers_of_an_owner_that_the_outputs_do_not_need(tmp_path):
    kernel, bias = fill_blobs(part(tmp_path, SHARED, "ip_p"))["ip_p"]
    assert (kernel == 3).all()
    assert (bias == 1).all()


def test_what_an_unneeded_owner_holds_must_be_as_large(tmp_path):
    with pytest.raises(WeightsError, match=r"'ip' holds blob 0 of shape \(2, 3\), which .*'ip_p'"):
        fit_weights(part(tmp_path, SHARED, "ip_p"), {"ip": [np.zeros((2, 3), "f4"), B]})
