"""Old forms of a network become the current one."""

from __future__ import annotations

import pytest

from keras_fcn.caffe.errors import CaffeError, NetworkError
from keras_fcn.caffe.net.assembly import load_network
from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.proto.upgrade import upgrade
from keras_fcn.caffe.text.prototxt import parse_net
from tests.keras_fcn.caffe import writer


def upgraded(text):
    return upgrade(writer.text("NetParameter", text))


def test_v1_layer():
    net = upgraded("""
        name: "old"
        layers { name: "conv" type: CONVOLUTION bottom: "a" bottom: "b" top: "c" top: "d"
          blobs_lr: 1 blobs_lr: 2 weight_decay: 3 param: "w" param: "x" param: "y"
          blob_share_mode: STRICT blob_share_mode: PERMISSIVE loss_weight: 0.5
          convolution_param { num_output: 4 kernel_size: 3 } include { phase: TRAIN } }
    """)
    assert net == writer.text(
        "NetParameter",
        """
        name: "old"
        layer { name: "conv" type: "Convolution" bottom: "a" bottom: "b" top: "c" top: "d"
          loss_weight: 0.5
          param { name: "w" share_mode: STRICT lr_mult: 1 decay_mult: 3 }
          param { name: "x" share_mode: PERMISSIVE lr_mult: 2 }
          param { name: "y" }
          convolution_param { num_output: 4 kernel_size: 3 } include { phase: TRAIN } }
        """,
    )


def test_v1_blobs_are_kept():
    net = upgraded("layers { type: POWER blobs { num: 1 channels: 2 data: 3 data: 4 } }")
    assert list(net.layer[0].blobs[0].data) == [3, 4]


@pytest.mark.parametrize(
    "head",
    [
        'input: "a" input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 4',
        'input: "a" input_shape { dim: 1 dim: 2 dim: 3 dim: 4 }',
    ],
)
@pytest.mark.parametrize(
    "layer", ['layer { name: "r" type: "ReLU" }', 'layers { name: "r" type: RELU }']
)
def test_input_header_becomes_the_first_layer(head, layer):
    net = upgraded(f"{head} {layer}")
    assert [(x.name, x.type) for x in net.layer] == [("input", "Input"), ("r", "ReLU")]
    assert list(net.layer[0].top) == ["a"]
    assert list(net.layer[0].input_param.shape[0].dim) == [1, 2, 3, 4]
    assert not net.input
    assert not net.input_dim
    assert not net.input_shape


def test_two_inputs():
    net = upgraded(
        'input: "a" input: "b" ' + "input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 4 " * 2
    )
    assert [list(shape.dim) for shape in net.layer[0].input_param.shape] == [[1, 2, 3, 4]] * 2
    net = upgraded('input: "a" input: "b" input_shape { dim: 1 } input_shape { dim: 2 dim: 3 }')
    assert [list(shape.dim) for shape in net.layer[0].input_param.shape] == [[1], [2, 3]]


def test_current_form_is_copied():
    net = writer.text("NetParameter", 'name: "n" layer { name: "a" }')
    copy = upgrade(net)
    assert copy == net
    copy.name = "other"
    assert net.name == "n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('layers { layer { name: "c" type: "Conv" } }', "layer 'c': V0 has no type 'Conv'"),
        ('layers { layer { name: "c" type: "relu" stride: 2 } }', "'relu' cannot have 'stride'"),
        ('input: "a"', "1 'input' names come with 0 'input_shape' and 0 'input_dim'"),
        (
            'input: "a" input_dim: 1 input_dim: 2 input_dim: 3',
            "with 0 'input_shape' and 3 'input_dim'",
        ),
        (
            'input: "a" input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 4 input_dim: 5',
            "5 'input_dim'",
        ),
        (
            'input: "a" input: "b" input_shape { dim: 1 }',
            "2 'input' names come with 1 'input_shape'",
        ),
        ("input_dim: 1", "without an 'input' name"),
        ("input_shape { dim: 1 }", "without an 'input' name"),
    ],
)
def test_damaged_headers(text, message):
    with pytest.raises(NetworkError, match=message):
        upgraded(text)
    with pytest.raises(CaffeError, match=f"^net.prototxt: .*{message}"):
        Network.of(parse_net(text, "net.prototxt").definition, path="net.prototxt")


def test_v0_layers():
    net = upgraded("""
        layers { layer { name: "p" type: "padding" pad: 2 } bottom: "data" top: "padded" }
        layers { layer { name: "c" type: "conv" num_output: 4 kernelsize: 3 stride: 2 group: 2
          biasterm: false weight_filler { type: "xavier" } blobs_lr: 1 blobs { num: 1 data: 5 } }
          bottom: "padded" top: "c" }
        layers { layer { name: "n" type: "lrn" local_size: 3 alpha: 2 beta: 1 k: 4 }
          bottom: "c" top: "n" }
        layers { layer { name: "m" type: "pool" pool: AVE kernelsize: 2 stride: 2 pad: 1 }
          bottom: "n" top: "m" }
    """)
    assert net == writer.text(
        "NetParameter",
        """
        layer { name: "c" type: "Convolution" bottom: "data" top: "c" param { lr_mult: 1 }
          blobs { num: 1 data: 5 } convolution_param { num_output: 4 kernel_size: 3 stride: 2
          group: 2 bias_term: false pad: 2 weight_filler { type: "xavier" } } }
        layer { name: "n" type: "LRN" bottom: "c" top: "n"
          lrn_param { local_size: 3 alpha: 2 beta: 1 k: 4 } }
        layer { name: "m" type: "Pooling" bottom: "n" top: "m"
          pooling_param { pool: AVE kernel_size: 2 stride: 2 pad: 1 } }
        """,
    )


def test_lines_pass_over_v0_padding(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        'layers { layer { name: "d" type: "data" } top: "data" }\n'
        'layers { layer { name: "p" type: "padding" pad: 1 } bottom: "data" top: "padded" }\n'
        'layers { layer { name: "c" type: "conv" num_output: 4 kernelsize: 3 }\n'
        ' bottom: "padded" top: "c" }\n'
        'layers { layer { name: "r" type: "relu" } bottom: "c" top: "r" }\n'
    )
    assert [layer.line for layer in load_network(path).layers] == [1, 3, 5]


def test_lines_count_the_added_input_layer(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        'input: "a"\ninput_shape { dim: 1 }\n\n'
        'layer { name: "r" type: "ReLU" bottom: "a" top: "b" }'
    )
    assert [layer.line for layer in load_network(path).layers] == [0, 4]
