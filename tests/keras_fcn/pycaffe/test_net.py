"""The facts that a `Net` tells, its blobs, and what it refuses."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.builder import BUILDERS
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.layers import DIALECTS, LAYER_TYPES
from keras_fcn.core.definition import defined_network
from keras_fcn.to_caffe import to_caffe
from tests.golden import layer_case
from tests.keras_fcn.pycaffe.nets import CLASSIFIER, net_of, numbers

SILENCED = """
layer { name: "data" type: "Input" top: "data" top: "mask"
  input_param { shape { dim: 1 dim: 2 dim: 4 dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 3 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "side" type: "Convolution" bottom: "data" top: "side"
  convolution_param { num_output: 2 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "quiet" type: "Silence" bottom: "side" }
"""

DATA = """
layer { name: "data" type: "Data" top: "data" top: "label"
  data_param { source: "x" batch_size: 8 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 3 kernel_size: 3 } }
"""


@pytest.fixture
def net(tmp_path):
    return net_of(CLASSIFIER, tmp_path)


def test_a_blob_that_shrinks_keeps_its_first_elements(net):
    blob = net.blobs["data"]
    blob.data[...] = numbers(2, 3, 8, 8)
    blob.reshape(1, 3, 8, 8)
    np.testing.assert_array_equal(blob.data, numbers(2, 3, 8, 8)[:1])
    blob.reshape(2, 3, 8, 8)
    assert not blob.data.any()


def test_passes_of_parts_leave_the_model_as_it_is(net, tmp_path):
    net.forward(end="fc6")
    net.forward(start="relu6")
    net.backward()
    written = to_caffe(net.keras)
    assert written.prototxt == (net.keras.card.definition or {})["prototxt"]
    assert [layer.name for layer in net.keras.layers][1:3] == ["conv1", "relu1"]
    net.keras.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    assert defined_network(again) is not None
    x = numbers(2, 8, 8, 3)
    np.testing.assert_array_equal(again.predict(x, verbose=0), net.keras.predict(x, verbose=0))


def test_names_and_layers(net):
    assert (net.name, net.phase, net.inputs, net.outputs) == ("small", 1, ["data"], ["prob"])
    assert list(net.blobs) == ["data", "conv1", "pool1", "fc6", "fc7", "prob"]
    assert net._blob_names == list(net.blobs)
    names = ["data", "conv1", "relu1", "pool1", "fc6", "relu6", "fc7", "prob"]
    assert net._layer_names == names == list(net.layer_dict)
    assert [layer.type for layer in net.layers][:4] == ["Input", "Convolution", "ReLU", "Pooling"]
    assert net.layer_dict["fc6"].blobs[0] is net.params["fc6"][0]
    assert not net.layer_dict["relu6"].blobs
    assert net.bottom_names["relu1"] == net.top_names["relu1"] == ["conv1"]
    assert net.bottom_names["data"] == []


def test_it_is_shown_in_a_line_and_as_a_table(net):
    assert repr(net) == "<Net 'small', TEST: 8 layers, data (2, 3, 8, 8) -> prob (2, 4)>"
    assert repr(net.blobs["fc6"]) == "<Blob 'fc6' (2, 5)>"
    assert repr(net.params["fc6"][0]) == "<Param 'fc6', 0 (5, 36)>"
    assert repr(net.layers[1]) == "<Convolution 'conv1'>"
    page = net._repr_html_()
    assert page.count("<tr>") == 9
    assert "<td>(5, 36), (5,)</td>" in page


def test_a_blob_has_caffes_sizes(net):
    blob = net.blobs["data"]
    assert (blob.num, blob.channels, blob.height, blob.width) == blob.shape == (2, 3, 8, 8)
    assert (blob.count, net.blobs["fc6"].channels, net.blobs["fc6"].height) == (384, 5, 1)
    blob.data = 3
    assert blob.data.sum() == 3 * 384
    assert blob.data.dtype == np.float32
    with pytest.raises(ValueError, match="at least 0"):
        blob.reshape(1, -1)
    with pytest.raises(TypeError):
        blob.reshape((1, 3, 8, 8))
    blob.reshape(1, 1, 1, 1, 2)
    with pytest.raises(ValueError, match="up to 4 axes"):
        _ = blob.num


def test_the_model_behind_it_gives_the_same(net):
    data = numbers(2, 3, 8, 8)
    found = net.forward(data=data)["prob"]
    np.testing.assert_allclose(
        net.keras.predict(np.moveaxis(data, 1, -1), verbose=0), found, rtol=1e-5
    )
    assert isinstance(net.keras, type(keras_fcn.from_caffe(layer_case("conv_k3").prototxt)))


def test_layers_that_lead_to_no_output_run_too(tmp_path):
    net = net_of(SILENCED, tmp_path)
    assert net.outputs == ["conv", "mask"]
    net.forward(data=np.ones((1, 2, 4, 4)), mask=np.zeros((1, 2, 4, 4)))
    expected = net.params["side"][0].data[:, :, 0, 0].sum(axis=1)
    np.testing.assert_allclose(net.blobs["side"].data[0, :, 0, 0], expected, rtol=1e-6)
    net.params["side"][1].data[...] = 1
    net.save(tmp_path / "all.caffemodel")
    again = keras_fcn.Net(tmp_path / "net.prototxt", tmp_path / "all.caffemodel")
    np.testing.assert_array_equal(again.params["side"][1].data, [1, 1])


def test_tops_of_data_layers_are_inputs(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(DATA)
    net = keras_fcn.Net(path, input_shapes={"data": (3, None, None), "label": ()})
    assert net.inputs == ["data", "label"]
    with pytest.raises(CaffeError, match=r"'data' has shape \(\d+, 3, 0, 0\).*reshape"):
        net.forward()
    net.blobs["data"].reshape(2, 3, 6, 7)
    net.blobs["label"].reshape(2)
    assert net.forward()["conv"].shape == (2, 3, 4, 5)


def test_registered_sources_are_refused(tmp_path):
    registries = (LAYER_TYPES, DIALECTS, BUILDERS)
    before = [dict(registry) for registry in registries]
    keras_fcn.register("Feeder")(lambda layer: np.ones((1, 2)))
    try:
        with pytest.raises(CaffeError, match="a registered function feeds"):
            net_of('layer { name: "feed" type: "Feeder" top: "data" }', tmp_path)
    finally:
        for registry, old in zip(registries, before, strict=True):
            registry.clear()
            registry.update(old)
