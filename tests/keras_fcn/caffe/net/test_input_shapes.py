"""Shapes of inputs: given, told by the data layer's parameters, by the weights, by readers."""

from __future__ import annotations

import numpy as np
import pytest

import convert
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.net.fitting import fit_weights

IP = """layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
                inner_product_param { num_output: 2 } }
"""
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "%s" bottom: "label" top: "loss" }\n'
CONV = """layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
                  convolution_param { num_output: 4 kernel_size: 3 %s } }
"""


def data(kind, params=""):
    return f'layer {{ name: "d" type: "{kind}" top: "data" top: "label" {params} }}\n'


@pytest.fixture
def load(tmp_path):
    def load(text, **options):
        (tmp_path / "net.prototxt").write_text(text)
        return convert.load_network(tmp_path / "net.prototxt", **options)

    return load


def shapes(network):
    return {blob.name: blob.shape for blob in network.inputs}


@pytest.mark.parametrize(
    ("kind", "params", "shape"),
    [
        ("Data", "transform_param { crop_size: 5 mean_value: [1, 2, 3] }", (None, 3, 5, 5)),
        ("Data", "data_param { force_encoded_color: true }", (None, 3, None, None)),
        ("Data", "transform_param { force_gray: true crop_size: 5 }", (None, 1, 5, 5)),
        ("Data", "data_param { crop_size: 5 }", (None, None, None, None)),  # only V1 reads it
        ("ImageData", "image_data_param { new_height: 10 new_width: 8 }", (None, 3, 10, 8)),
        (
            "ImageData",
            (
                "image_data_param { new_height: 10 new_width: 8 is_color: false } "
                "transform_param { crop_size: 5 }"
            ),
            (None, 1, 5, 5),
        ),
        ("WindowData", "window_data_param { } transform_param { crop_size: 5 }", (None, 3, 5, 5)),
        ("MemoryData", "memory_data_param { channels: 2 height: 3 width: 4 }", (None, 2, 3, 4)),
        (
            "AnnotatedData",
            "transform_param { mean_value: [1, 2, 3] resize_param { height: 30 width: 40 } }",
            (None, 3, 30, 40),
        ),
        (
            "AnnotatedData",
            "transform_param { resize_param { height: 30 width: 40 resize_mode: FIT_SMALL_SIZE } }",
            (None, None, None, None),
        ),
        ("AnnotatedData", "transform_param { crop_h: 6 crop_w: 7 }", (None, None, 6, 7)),
        ("SomeForksData", "transform_param { crop_size: 5 }", (None, None, 5, 5)),
        ("HDF5Data", "", (None, None, None, None)),
    ],
)
def test_parameters_tell(load, kind, params, shape):
    assert shapes(load(data(kind, params)))["data"] == shape


@pytest.mark.parametrize(
    ("kind", "message", "shape"),
    [
        ("DATA", "data_param", (None, None, 5, 5)),
        ("IMAGE_DATA", "image_data_param", (None, 3, 5, 5)),
        ("WINDOW_DATA", "window_data_param", (None, 3, 5, 5)),
    ],
)
def test_v1_data_layers_crop_in_their_own_message(load, kind, message, shape):
    own = 'crop_size: 5 scale: 0.5 mirror: true mean_file: "m"'
    text = f'layers {{ name: "d" type: {kind} top: "data" top: "label" {message} {{ {own} }} }}'
    network = load(text)
    assert shapes(network)["data"] == shape
    assert network.layer("d").params.fields["transform_param"] == {
        "scale": 0.5,
        "mirror": True,
        "crop_size": 5,
        "mean_file": "m",
    }


@pytest.mark.parametrize("given", [(3, 6, 7), (1, 3, 6, 7), [3, 6, 7]])
@pytest.mark.parametrize("kind", ["Data", "ImageData"])
def test_given_sizes(load, kind, given):
    network = load(data(kind) + IP, input_shapes={"data": given, "label": (1,)})
    assert shapes(network) == {"data": (None, 3, 6, 7), "label": (None, 1)}
    assert network.layer("ip").weight_shapes == ((2, 3 * 6 * 7), (2,))


def test_given_sizes_of_an_input_are_written_into_it(load):
    text = """layer { name: "in" type: "Input" top: "data" top: "b"
                      input_param { shape { dim: 2 dim: 3 dim: 9 dim: 9 } } }\n"""
    network = load(text + IP, input_shapes={"data": (3, 6, 7)})
    assert shapes(network) == {"data": (2, 3, 6, 7), "b": (2, 3, 9, 9)}
    assert "dim: 7" in network.text
    assert shapes(load(network.text + "\n")) == shapes(network)
    assert shapes(load(text, input_shapes={"b": (5, 3, 6, 7)}))["b"] == (5, 3, 6, 7)


def test_given_sizes_of_legacy_inputs(load):
    text = 'input: "data" input_dim: 1 input_dim: 3 input_dim: 9 input_dim: 9\n'
    assert shapes(load(text + IP, input_shapes={"data": (3, 4, 5)})) == {"data": (1, 3, 4, 5)}


@pytest.mark.parametrize(
    ("text", "given", "words"),
    [
        (data("Data"), {"dat": (3, 4, 4)}, "'dat' is no input; the inputs are 'data', 'label'"),
        (data("Data"), {"data": (3, 4)}, "'data' has 4 axes; give 3 sizes"),
        (data("Data"), {"data": (1, 1, 3, 4, 4)}, "'data' has 4 axes; give 3 sizes"),
        (data("HDF5Data"), {"data": (1, 3, 4, 4)}, r"the batch, which is left out; give \(3, 4, 4"),
        (
            data("Data", "transform_param { crop_size: 5 }"),
            {"data": (3, 6, 6)},
            r"'data' is given \(3, 6, 6\), but .* make it \(\?, 5, 5\)",
        ),
        (
            data("Data", "transform_param { mean_value: [1, 2, 3] }"),
            {"data": (1, 6, 6)},
            r"\(3, \?, \?\)",
        ),
    ],
)
def test_sizes_that_do_not_suit(load, text, given, words):
    with pytest.raises(NetworkError, match=words):
        load(text, input_shapes=given)


@pytest.mark.parametrize("given", [{"data": "3x4x4"}, {"data": 3}, {"data": (0, 4)}, {"data": 3.5}])
def test_malformed_sizes(load, given):
    with pytest.raises(ValueError, match=r"without the batch.*Received: 'data'"):
        load(data("Data"), input_shapes=given)


POOL = (
    'layer { name: "p" type: "Pooling" bottom: "data" top: "p" pooling_param { kernel_size: 2 } }'
)
BN = 'layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" }'
CROPPED = data("Data", "transform_param { crop_size: 8 }")


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        (CROPPED + CONV % "", {"conv": [(4, 5, 3, 3), (4,)]}),
        (CROPPED + CONV % "group: 2", {"conv": [(4, 5, 3, 3), (4,)]}),
        (CROPPED + POOL + (CONV % "").replace('"data"', '"p"'), {"conv": [(4, 5, 3, 3), (4,)]}),
        (CROPPED + IP, {"ip": [(1, 1, 2, 320), (1, 1, 1, 2)]}),
        (CROPPED + BN, {"bn": [(5,), (5,), (1,)]}),
    ],
)
def test_weights_tell_channels(load, text, stored):
    expected = 10 if "group" in text else 5
    assert shapes(load(text, shapes=stored))["data"] == (None, expected, 8, 8)


def test_weights_contradict(load):
    stored = {"conv": [(4, 5, 3, 3), (4,)]}
    with pytest.raises(NetworkError, match=r"'conv'.*'data' has 3 channels, .* are for 5"):
        load(CROPPED + CONV % "", shapes=stored, input_shapes={"data": (3, 8, 8)})


def test_weights_that_any_number_of_channels_has_tell_nothing(load):
    text = CROPPED + 'layer { name: "s" type: "Bias" bottom: "data" top: "s" bias_param { axis: 0 '
    text += "num_axes: 0 } }"
    assert shapes(load(text, shapes={"s": [()]}))["data"] == (None, None, 8, 8)


@pytest.mark.parametrize("kind", ["HDF5Data", "Python", "SomeForksData"])
@pytest.mark.parametrize(
    ("readers", "label"),
    [
        (CONV % "" + LOSS % "conv", (None, 1, None, None)),
        (IP + LOSS % "ip", (None,)),
        (IP + LOSS.replace("SoftmaxWithLoss", "EuclideanLoss") % "ip", (None, 2)),
        (
            (
                'layer { name: "cut" type: "Slice" bottom: "label" top: "a" top: "b" '
                "slice_param { axis: 1 slice_point: 2 } }"
            ),
            (None, None),
        ),
        (
            (
                'layer { name: "r" type: "ROIPooling" bottom: "data" bottom: "label" top: "r" '
                "roi_pooling_param { pooled_h: 2 pooled_w: 2 } }"
            ),
            (None, 5),
        ),
        ((CONV % "").replace('"data"', '"label"'), (None,) * 4),
    ],
)
def test_readers_tell_axes(load, kind, readers, label):
    assert shapes(load(data(kind) + readers))["label"] == label


def test_labels_of_several_axes_are_cut(load):
    text = (
        data("HDF5Data")
        + IP
        + """
    layer { name: "cut" type: "Slice" bottom: "label" top: "age" top: "gender"
            slice_param { axis: 1 slice_point: 2 } }
    layer { name: "l1" type: "EuclideanLoss" bottom: "ip" bottom: "age" top: "l1" }
    layer { name: "l2" type: "EuclideanLoss" bottom: "ip" bottom: "gender" top: "l2" }"""
    )
    network = load(text, input_shapes={"data": (3, 4, 4), "label": (4,)})
    assert network.blobs["gender"].shape == (None, 2)


def test_an_error_behind_open_inputs_names_the_argument(load):
    text = (
        data("HDF5Data")
        + """
    layer { name: "e" type: "Eltwise" bottom: "data" bottom: "label" top: "e" }"""
    )
    with pytest.raises(NetworkError, match=r"shape of 'data', 'label': input_shapes=.* does"):
        load(text)


def test_a_layer_of_unknown_type_with_weights_is_no_input(load):
    network = load('layer { name: "x" type: "Learnt" top: "x" }', shapes={"x": [(3,)]})
    assert network.inputs == ()


def test_a_shape_is_learnt_beside_layers_that_become_two(load):
    text = data("Python") + IP + LOSS.replace("loss", "cls") % "ip"
    relu = 'layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param '
    relu += "{ num_output: 2 kernel_size: 1 relu: true } }\n"
    network = load(relu.join(text.partition("\n")[::2]))
    assert shapes(network)["label"] == (None,)


def test_readers_tell_the_channels_of_label_maps(load):
    text = data("Data").replace(' top: "label"', "") + CONV % ""
    text += 'layer { name: "l" type: "Data" top: "label" }\n' + LOSS % "conv"
    assert shapes(load(text))["label"] == (None, 1, None, None)
    given = {"data": (3, 8, 8)}
    assert shapes(load(text, input_shapes=given))["label"] == (None, 1, 6, 6)


def test_sequences(load):
    text = """layer { name: "d" type: "HDF5Data" top: "cont" top: "words" top: "label" }
    layer { name: "e" type: "Embed" bottom: "words" top: "e"
            embed_param { input_dim: 9 num_output: 3 } }
    layer { name: "lstm" type: "LSTM" bottom: "e" bottom: "cont" top: "lstm"
            recurrent_param { num_output: 4 } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "lstm" bottom: "label" top: "loss"
            softmax_param { axis: 2 } }"""
    with pytest.raises(NetworkError, match=r"'lstm' .*of 'cont', 'label', 'words': input_shapes="):
        load(text)
    network = load(text, input_shapes={"words": (2,)})
    assert shapes(network) == {"cont": (None, 2), "words": (None, 2), "label": (None, 2)}


def test_an_input_that_the_prototxt_lacks(load):
    network = load(IP, input_shapes={"data": (1, 4, 5)})
    assert shapes(network) == {"data": (1, 1, 4, 5)}
    assert [layer.line for layer in network.layers] == [0, 1]
    assert shapes(load(network.text)) == shapes(network)
    with pytest.raises(NetworkError, match=r"is no input \(input_shapes would"):
        load(IP)


def test_sizes_of_what_another_state_feeds(load):
    text = data("Data", "include { phase: TRAIN }") + IP
    hint = r"'data' is no input; the inputs are none; line 1 makes it for phase TRAIN: ask"
    with pytest.raises(NetworkError, match=hint):
        load(text, input_shapes={"data": (3, 4, 4)})


def test_weights_that_given_sizes_do_not_suit(load):
    network = load(data("Data") + IP, input_shapes={"data": (3, 4, 4)})
    stored = {"ip": [np.zeros((2, 50), np.float32), np.zeros(2, np.float32)]}
    with pytest.raises(convert.WeightsError, match=r"or input_shapes of 'data' do not suit it$"):
        fit_weights(network, stored)


@pytest.mark.slow
def test_inputs_without_end(load):
    tops = "".join(f'top: "t{index}" ' for index in range(201))
    text = f'layer {{ name: "d" type: "HDF5Data" {tops} }}\n' + "".join(
        (CONV % "").replace('"conv"', f'"c{index}"').replace('"data"', f'"t{index}"')
        for index in range(1, 201)
    )
    with pytest.raises(NetworkError, match="shapes of too many inputs are not told"):
        load(text)
    given = {f"t{index}": (3, 8, 8) for index in range(201)}
    assert len(load(text, input_shapes=given).inputs) == 201


@pytest.mark.parametrize("label", [{}, {"label": (1, 6, 6)}])
def test_whether_sizes_may_be_free_is_told_without_learning(load, label):
    text = data("Python") + CONV % "" + LOSS % "conv"
    network = load(text, input_shapes={"data": (3, 8, 8), **label})
    assert network.resizable
    flat = 'layer { name: "f" type: "InnerProduct" bottom: "conv" top: "f" inner_product_param '
    flat += "{ num_output: 2 } }"
    assert not load(text + flat, input_shapes={"data": (3, 8, 8), **label}).resizable


def test_boxes_of_a_training_net(load):
    text = """layer { name: "d" type: "AnnotatedData" top: "data" top: "label"
        transform_param { mean_value: [1, 2, 3] resize_param { height: 8 width: 8 } } }
    layer { name: "loc" type: "Convolution" bottom: "data" top: "loc"
            convolution_param { num_output: 4 kernel_size: 8 } }
    layer { name: "conf" type: "Convolution" bottom: "data" top: "conf"
            convolution_param { num_output: 2 kernel_size: 8 } }
    layer { name: "prior" type: "PriorBox" bottom: "loc" bottom: "data" top: "prior"
            prior_box_param { min_size: 3 } }
    layer { name: "a" type: "Flatten" bottom: "loc" top: "a" }
    layer { name: "b" type: "Flatten" bottom: "conf" top: "b" }
    layer { name: "loss" type: "MultiBoxLoss" bottom: "a" bottom: "b" bottom: "prior"
            bottom: "label" top: "loss" multibox_loss_param { num_classes: 2 } }"""
    for source in (text, text.replace("AnnotatedData", "SomeForksData")):
        network = load(source)
        assert shapes(network)["label"] == (1, 1, None, 8)
        assert network.resizable
