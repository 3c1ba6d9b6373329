"""Net surgery against a plain evaluation of what it must not change."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import convert
from keras_fcn.caffe import surgery

HEAD = 'name: "net" layer { name: "data" type: "Input" top: "data" input_param { shape { %s } } }'
LENET = (
    HEAD % "dim: 1 dim: 1 dim: 12 dim: 16"
    + """
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 3 kernel_size: 5 weight_filler { type: "xavier" } } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "ip1" type: "InnerProduct" bottom: "pool1" top: "ip1"
  inner_product_param { num_output: 7 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } bias_term: false } }
layer { name: "prob" type: "Softmax" bottom: "ip2" top: "prob" }
"""
)


def opened(tmp_path: Path, text: str, **options: object) -> surgery.TrainedNet:
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    return surgery.open_net(path, seed=1, **options)


def test_params_can_be_edited_and_saved(tmp_path):
    net = opened(tmp_path, LENET)
    net.params["conv1"][1] += 1
    net.params["ip2"] = [np.full((4, 7), 2.0)]
    net.save(tmp_path / "new.prototxt", tmp_path / "new.caffemodel")
    again = surgery.open_net(tmp_path / "new.prototxt", tmp_path / "new.caffemodel")
    assert list(again.params) == ["conv1", "ip1", "ip2"]
    np.testing.assert_array_equal(again.params["conv1"][1], np.ones(3))
    np.testing.assert_array_equal(again.params["ip2"][0], np.full((4, 7), 2))
    np.testing.assert_array_equal(again.params["ip1"][0], net.params["ip1"][0])


def test_weights_that_do_not_fit_an_edited_network_are_not_saved(tmp_path):
    net = opened(tmp_path, LENET)
    pool = net.layer("pool1").params
    network = net.network.replace("pool1", params=dataclasses.replace(pool, stride=(3, 3)))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(convert.CaffeError, match=r"ip1.*blob 0 of shape"):
        dataclasses.replace(net, network=network).save(
            tmp_path / "new.prototxt", tmp_path / "new.caffemodel"
        )
    assert sorted(tmp_path.iterdir()) == before


def test_a_second_save_writes_the_same_bytes(tmp_path):
    opened(tmp_path, LENET).save(tmp_path / "a.prototxt", tmp_path / "a.caffemodel")
    surgery.open_net(tmp_path / "a.prototxt", tmp_path / "a.caffemodel").save(
        tmp_path / "b.prototxt", tmp_path / "b.caffemodel"
    )
    assert (tmp_path / "a.prototxt").read_bytes() == (tmp_path / "b.prototxt").read_bytes()
    assert (tmp_path / "a.caffemodel").read_bytes() == (tmp_path / "b.caffemodel").read_bytes()


def test_params_of_another_shape_are_refused(tmp_path):
    net = opened(tmp_path, LENET)
    with pytest.raises(ValueError, match=r"'ip2' have shapes \[\(4, 7\)\].*\(7, 4\)"):
        net.params["ip2"] = [np.zeros((7, 4))]
    with pytest.raises(TypeError, match=r"surgery\.drop"):
        del net.params["ip2"]


def test_params_of_the_converters_hdf5(tmp_path):
    net = opened(tmp_path, LENET)
    net.save(tmp_path / "a.prototxt", tmp_path / "a.caffemodel")
    convert.convert(tmp_path / "a.prototxt", tmp_path / "a.caffemodel", tmp_path / "a.h5")
    again = surgery.open_net(tmp_path / "a.prototxt", tmp_path / "a.h5")
    for name in net.params:
        for blob, other in zip(net.params[name], again.params[name], strict=True):
            np.testing.assert_array_equal(blob, other)


def test_an_operation_leaves_the_old_net_alone(tmp_path):
    net = opened(tmp_path, LENET)
    kernel = net.params["conv1"][0]
    other = surgery.rename(net, {"ip1": "fc1"})
    kernel += 1
    assert not np.array_equal(other.params["conv1"][0], kernel)
    assert "ip1" in net.params


def test_cast_gives_kernels_of_the_maps_size(tmp_path):
    net = opened(tmp_path, LENET)
    fcn = surgery.to_fully_convolutional(net)
    assert [layer.name for layer in fcn.network.layers] == [
        *("data", "conv1", "pool1", "ip1-conv", "relu1", "ip2-conv", "prob")
    ]
    assert fcn.params["ip1-conv"][0].shape == (7, 3, 4, 6)
    np.testing.assert_array_equal(fcn.params["ip1-conv"][0].ravel(), net.params["ip1"][0].ravel())
    assert fcn.params["ip2-conv"][0].shape == (4, 7, 1, 1)
    assert fcn.network.blobs["prob"].shape == (1, 4, 1, 1)
    larger = surgery.resize(fcn, {"data": (2, 1, 20, 30)})
    assert larger.network.blobs["prob"].shape == (2, 4, 5, 8)


def test_a_cast_that_does_not_fit_names_the_kernel_that_would(tmp_path):
    net = opened(tmp_path, LENET)
    with pytest.raises(convert.NetworkError, match=r"'ip1'.* 1 x 1 holds 21 of .* 504 .*4 x 6"):
        surgery.to_fully_convolutional(net, kernels={"ip1": (1, 1)})
    with pytest.raises(ValueError, match=r"inner products\. Received: 'conv1'"):
        surgery.to_fully_convolutional(net, kernels={"conv1": (1, 1)})


def test_cast_drops_flatten_and_turns_global_pooling_into_windows(tmp_path):
    net = opened(
        tmp_path,
        HEAD % "dim: 1 dim: 5 dim: 4 dim: 6"
        + """
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool"
  pooling_param { pool: AVE global_pooling: true } }
layer { name: "flat" type: "Flatten" bottom: "pool" top: "flat" }
layer { name: "drop" type: "Dropout" bottom: "flat" top: "flat" }
layer { name: "a" type: "InnerProduct" bottom: "flat" top: "a"
  inner_product_param { num_output: 2 transpose: true weight_filler { type: "xavier" } } }
layer { name: "b" type: "InnerProduct" bottom: "flat" top: "b"
  inner_product_param { num_output: 3 } }
""",
    )
    fcn = surgery.resize(surgery.to_fully_convolutional(net), {"data": (1, 5, 7, 7)})
    assert fcn.network.blobs["a-conv"].shape == (1, 2, 4, 2)
    assert fcn.network.blobs["b-conv"].shape == (1, 3, 4, 2)
    np.testing.assert_array_equal(
        fcn.params["a-conv"][0][:, :, 0, 0], net.params["a"][0].transpose()
    )


def test_cast_refuses_what_would_rearrange_the_map(tmp_path):
    tail = """layer { name: "again" type: "Reshape" bottom: "ip2" top: "again"
      reshape_param { shape { dim: 0 dim: 2 dim: 2 } } }"""
    with pytest.raises(convert.NetworkError, match=r"'again' \(Reshape\).*map"):
        surgery.to_fully_convolutional(opened(tmp_path, LENET + tail))


def test_rename_carries_tops_and_refuses_twins(tmp_path):
    net = opened(tmp_path, LENET)
    renamed = surgery.rename(net, {"ip1": "fc1"})
    assert renamed.layer("relu1").bottoms[0].name == "fc1"
    np.testing.assert_array_equal(renamed.params["fc1"][0], net.params["ip1"][0])
    exchanged = surgery.rename(net, {"ip1": "ip2", "ip2": "ip1"})
    assert exchanged.params["ip1"][0].shape == (4, 7)
    with pytest.raises(ValueError, match="would be called 'ip2'"):
        surgery.rename(net, {"ip1": "ip2"})
    with pytest.raises(ValueError, match="Received: 'none'"):
        surgery.rename(net, {"none": "ip3"})
    blob = opened(
        tmp_path, LENET.replace('top: "ip2"', 'top: "score"').replace('"ip2" top', '"score" top')
    )
    with pytest.raises(ValueError, match="two blobs would be called 'score'"):
        surgery.rename(blob, {"ip1": "score"})  # it would become another net


def test_a_renamed_input_keeps_the_sizes_that_were_given(tmp_path):
    text = LENET[LENET.index('layer { name: "conv1"') :]
    source = 'layer { name: "data" type: "Data" top: "data" data_param { source: "a" } }'
    net = opened(tmp_path, source + text, input_shapes={"data": (1, 12, 16)})
    renamed = surgery.rename(net, {"data": "image"})
    assert renamed.network.input_shapes == {"image": (None, 1, 12, 16)}


def test_layers_of_one_name_in_two_states(tmp_path):
    twin = """layer { name: "ip2" type: "%s" bottom: "ip1" top: "ip2" include { phase: TRAIN }
      %s { num_output: 4 } }"""
    text = LENET.replace("bias_term: false }", "bias_term: false } include { phase: TEST }")
    same = opened(tmp_path, text + twin % ("InnerProduct", "inner_product_param"))
    new = surgery.with_classes(same, "ip2", 9).network.definition.layers
    counts = [x.fields["inner_product_param"]["num_output"] for x in new if x.name == "ip2"]
    assert counts == [9, 9]
    other = opened(tmp_path, text + twin % ("Embed", "embed_param"))
    with pytest.raises(
        convert.CaffeError, match=r"'ip2' \(Embed\) is of type InnerProduct in another"
    ):
        surgery.with_classes(other, "ip2", 9)


def test_replace_by_a_layer_of_another_state(tmp_path):
    net = opened(tmp_path, LENET)
    text = 'layer { name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" include { phase: TRAIN } }'
    new = surgery.replace(net, "relu1", text).network
    assert "relu1" not in [layer.name for layer in new.layers]
    assert "relu1" in [layer.name for layer in new.definition.layers]


def test_drop_takes_a_collection(tmp_path):
    with pytest.raises(TypeError, match=r"collection of layers\. Received: 'relu'"):
        surgery.drop(opened(tmp_path, LENET), "relu")


def test_drop_bridges(tmp_path):
    net = opened(tmp_path, LENET)
    assert surgery.drop(net, ["prob", "relu1"]).network.outputs[0].name == "ip2"
    same_size = surgery.drop(net, ["prob", "ip2"])
    assert list(same_size.params) == ["conv1", "ip1"]
    with pytest.raises(convert.CaffeError, match=r"ip1.*need the shapes"):
        surgery.drop(net, ["pool1"])  # ip1 would read a larger map
    with pytest.raises(ValueError, match="one bottom and one top"):
        surgery.drop(net, ["data"])


def test_replace_keeps_weights_of_the_same_shape(tmp_path):
    net = opened(tmp_path, LENET)
    text = 'layer { name: "relu1" type: "Sigmoid" bottom: "ip1" top: "ip1" }'
    assert surgery.replace(net, "relu1", text).layer("relu1").type == "Sigmoid"
    text = """layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
      convolution_param { num_output: 3 kernel_size: 5 pad: %d } }"""
    kept = surgery.replace(opened(tmp_path, LENET), "conv1", text % 0)
    np.testing.assert_array_equal(kept.params["conv1"][0], net.params["conv1"][0])
    with pytest.raises(convert.CaffeError):
        surgery.replace(net, "conv1", 'layer { name: "conv1" type: "Convolution" }')
    with pytest.raises(convert.CaffeError):
        surgery.replace(net, "relu1", "layer {")


def test_with_classes_fills_the_new_head(tmp_path):
    net = surgery.with_classes(opened(tmp_path, LENET), "ip2", 9, new_name="score", seed=3)
    assert net.params["score"][0].shape == (9, 7)
    assert np.ptp(net.params["score"][0]) > 0
    assert net.network.blobs["prob"].shape == (1, 9)
    with pytest.raises(ValueError, match="num_output"):
        surgery.with_classes(net, "relu1", 2)


def test_transplant(tmp_path):
    source = opened(tmp_path, LENET)
    target = surgery.to_fully_convolutional(opened(tmp_path, LENET))
    for name in target.params:
        target.params[name] = [np.zeros_like(blob) for blob in target.params[name]]
    pairs = {"ip1-conv": "ip1", "ip2-conv": "ip2", "conv1": "conv1"}
    filled = surgery.transplant(target, source, pairs)
    for new, old in pairs.items():
        assert filled.params[new][0].ravel().tolist() == source.params[old][0].ravel().tolist()
    assert filled.params["ip1-conv"][0].any()
    assert not target.params["ip1-conv"][0].any()
    only = surgery.transplant(target, source)
    assert only.params["conv1"][0].any()
    assert not only.params["ip1-conv"][0].any()


def test_a_transplant_that_does_not_fit_says_what_would(tmp_path):
    source = opened(tmp_path, LENET)
    wrong = LENET.replace('"ip1" type: "InnerProduct"', '"ip1-conv" type: "Convolution"').replace(
        "inner_product_param { num_output: 7", "convolution_param { num_output: 7 kernel_size: 1"
    )
    target = opened(tmp_path, wrong)
    with pytest.raises(convert.WeightsError, match=r"\(7, 3, 1, 1\).*\(7, 72\).*4 x 6 would fit"):
        surgery.transplant(target, source, {"ip1-conv": "ip1"})
    with pytest.raises(ValueError, match="'relu1' has no weights"):
        surgery.transplant(target, source, {"relu1": "ip1"})


def test_shapes_of_data_layers_stay(tmp_path):
    text = LENET.replace(
        'type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 12 dim: 16 } }',
        'type: "Data" top: "data"',
    )
    net = opened(tmp_path, text, input_shapes={"data": (1, 12, 16)})
    assert net.network.blobs["pool1"].shape == (None, 3, 4, 6)
    cast = surgery.to_fully_convolutional(net)
    assert cast.network.input_shapes == {"data": (None, 1, 12, 16)}
    assert cast.network.blobs["prob"].shape == (None, 4, 1, 1)
