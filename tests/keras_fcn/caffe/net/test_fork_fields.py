"""Fields of forks: what each becomes, what is passed over, and what is refused."""

from __future__ import annotations

import pytest

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.net.network import NetState, Network
from keras_fcn.caffe.proto import forks, schema
from keras_fcn.caffe.text.prototxt import parse_net

DATA = """layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 4 dim: 12 dim: 12 } } }
"""
CONVOLUTION = 'type: "Convolution" convolution_param { num_output: 4 kernel_size: 3'
POOLING = 'type: "Pooling" pooling_param { kernel_size: 3 stride: 2'
INNER_PRODUCT = 'type: "InnerProduct" inner_product_param { num_output: 2'


def network(layer: str, **arguments):
    text = f'{DATA}layer {{ name: "l" bottom: "data" top: "y" {layer} }}'
    return Network.of(parse_net(text, **arguments).definition)


def params(layer: str):
    return network(layer).layers[-1].params


@pytest.mark.parametrize(
    ("fork", "current"),
    [
        (f"{CONVOLUTION} hole: 2 }}", f"{CONVOLUTION} dilation: 2 }}"),
        (f"{CONVOLUTION} hole_h: 2 hole_w: 3 }}", f"{CONVOLUTION} dilation: 2 dilation: 3 }}"),
        (f"{CONVOLUTION} hole_w: 3 }}", f"{CONVOLUTION} dilation: 1 dilation: 3 }}"),
        (f"{POOLING} ceil_mode: false }}", f"{POOLING} round_mode: FLOOR }}"),
        (f"{POOLING} ceil_mode: true }}", f"{POOLING} }}"),
        (f"{POOLING} torch_pooling: true }}", f"{POOLING} round_mode: FLOOR }}"),
        (f"{POOLING} torch_pooling: false }}", f"{POOLING} round_mode: CEIL }}"),
        (f"{POOLING} ceil_mode: false round_mode: FLOOR }}", f"{POOLING} round_mode: FLOOR }}"),
        (f"{INNER_PRODUCT} relu: false normalize: false }}", f"{INNER_PRODUCT} }}"),
        (f"{CONVOLUTION} relu: false negative_slope: 0 pad_type: 0 }}", f"{CONVOLUTION} }}"),
        (f"{CONVOLUTION} fusion_type: UNFUSED input_scale: 1 }}", f"{CONVOLUTION} }}"),
        ('type: "Concat" concat_param { per_fla_fuse: false }', 'type: "Concat"'),
        ('type: "Dropout" dropout_param { scale_train: true }', 'type: "Dropout"'),
        ('type: "BatchNorm" batch_norm_param { relu: false }', 'type: "BatchNorm"'),
        ('type: "BatchNorm" batch_norm_param { scale_bias: false }', 'type: "BatchNorm"'),
        ('type: "BatchNorm" batch_norm_param { use_weight_bias: false }', 'type: "BatchNorm"'),
    ],
)
def test_a_forks_field_is_the_current_one(fork, current):
    found = network(fork)
    assert found.layers[-1].params == params(current)
    assert found.notes == ()
    again = Network.of(parse_net(found.text).definition)
    assert again.layers[-1].params == found.layers[-1].params


@pytest.mark.parametrize(
    ("layer", "kinds", "setting"),
    [
        (f"{CONVOLUTION} relu: true }}", ["Convolution", "ReLU"], ("negative_slope", 0.0)),
        (
            f"{CONVOLUTION} relu: true negative_slope: 0.25 }}",
            ["Convolution", "ReLU"],
            ("negative_slope", 0.25),
        ),
        (f"{INNER_PRODUCT} relu: true }}", ["InnerProduct", "ReLU"], ("negative_slope", 0.0)),
        (
            'type: "BatchNorm" batch_norm_param { relu: true }',
            ["BatchNorm", "ReLU"],
            ("negative_slope", 0.0),
        ),
        (
            'type: "Dropout" dropout_param { dropout_ratio: 0.25 scale_train: false }',
            ["Dropout", "Power"],
            ("scale", 0.75),
        ),
    ],
)
def test_a_layer_that_is_two(layer, kinds, setting):
    found = network(layer)
    first, second = found.layers[1:]
    assert [first.type, second.type] == kinds
    assert getattr(second.params, setting[0]) == setting[1]
    assert (second.bottoms, second.tops[0].name, second.line) == (first.tops, "y", 3)
    assert [blob.layer for blob in found.outputs] == [second.name]


def test_a_layer_that_the_state_leaves_out_stays():
    text = f'{DATA}layer {{ name: "l" bottom: "data" top: "y" {CONVOLUTION} relu: true fork: 1 }} '
    text += "include { phase: TRAIN } }"
    found = Network.of(parse_net(text, keeps=NetState("TEST").keeps).definition)
    assert (len(found.layers), found.notes) == (1, ())
    left_out = found.definition.layers[1]
    assert left_out.fields.message("convolution_param")["relu"] is True


@pytest.mark.parametrize(
    ("layer", "note"),
    [
        (f"{CONVOLUTION} engine: MKLDNN }}", "convolution_param: engine: MKLDNN is passed over"),
        (f"{POOLING} engine: MKL2017 }}", "pooling_param: engine: MKL2017 is passed over"),
        (f'{CONVOLUTION} conv_algorithm: "winograd" }}', "conv_algorithm is passed over (Intel"),
        (f"{CONVOLUTION} filter_group: 2 }}", "filter_group is passed over (C3D"),
        (f"{CONVOLUTION} cudnn_convolution_algo_seeker: GET }}", "NVIDIA: for cuDNN"),
        (f"{CONVOLUTION} weight_filler {{ alpha: 2 }} }}", "it counts for blobs that no file"),
        (f'{CONVOLUTION} }} engine: "MKLDNN"', "engine is passed over"),
        (
            'type: "BatchNorm" batch_norm_param { stats_batch_size: 32 }',
            "stats_batch_size is passed over",
        ),
        (f"{INNER_PRODUCT} engine: MKLDNN }}", "inner_product_param: engine is passed over"),
    ],
)
def test_what_changes_no_number_is_noted(layer, note):
    found = network(layer)
    assert note in found.notes[0]
    assert found.notes[0].startswith("layer 'l': ")
    assert len(found.layers) == 2


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (f"{CONVOLUTION} hole: 2 dilation: 2 }}", "give one of 'hole'"),
        (f"{CONVOLUTION} hole: 2 hole_h: 2 }}", "give one of 'hole'"),
        (f"{POOLING} ceil_mode: true round_mode: FLOOR }}", "contradicts 'round_mode'"),
        (
            f"{CONVOLUTION} pad_type: 1 }}",
            r"'pad_type' is not built here .Synopsys: 1 pads as TensorFlow's SAME .*only 0 is",
        ),
        (f"{CONVOLUTION} fusion_type: SUM_FUSION }}", "the second bottom is added"),
        (f"{INNER_PRODUCT} normalize: true }}", "each row of the weights is divided by its"),
        ('type: "Concat" concat_param { per_fla_fuse: true }', "every bottom is flattened"),
        (f"{POOLING} kernel_size_3d: 2 }}", "frames, height and width of a window"),
        ('type: "ReLU" relu_param { maximum: 6 }', "the largest value of the top"),
    ],
)
def test_what_is_not_built_says_what_it_means(layer, message):
    with pytest.raises(CaffeError, match=f"<net>:3: layer 'l' .*{message}") as caught:
        network(layer)
    assert "remove" not in str(caught.value)


def test_nvidias_statistics_are_not_trained_whatever_the_rates():
    rates = "param { lr_mult: 1 } param { lr_mult: 1 }"
    layer = f'type: "BatchNorm" {rates} batch_norm_param {{ %s eps: 1e-9 }}'
    assert params(layer % "scale_bias: true").eps == pytest.approx(1e-5)  # cuDNN's least
    assert params('type: "BatchNorm" batch_norm_param { eps: 1e-9 }').eps == pytest.approx(1e-9)
    with pytest.raises(CaffeError, match="lr_mult: 1 must be 0"):
        network(layer % "use_weight_bias: true")


def test_unknown_types_and_data_keep_their_fields():
    layer = network('type: "Fork" pooling_param { ceil_mode: false }').layers[-1]
    assert "ceil_mode" in layer.definition.fields.message("pooling_param")


def test_every_line_of_the_table_is_a_field_with_a_sentence():
    kinds = {"read", "idle", "refused"}
    for (message, name), known in forks.fields().items():
        assert name in schema.new(message).DESCRIPTOR.fields_by_name
        assert known.verdict in kinds or known.verdict.startswith("=")
        assert known.meaning


def test_neutral_values_of_the_table_can_be_read():
    for (message, name), known in forks.fields().items():
        if not known.verdict.startswith("="):
            continue
        field = schema.new(message).DESCRIPTOR.fields_by_name[name]
        value = {"true": True, "false": False}.get(known.verdict[1:], known.verdict[1:])
        if field.cpp_type not in (field.CPPTYPE_BOOL, field.CPPTYPE_STRING, field.CPPTYPE_ENUM):
            value = float(value)
        assert known.is_neutral(value)
        other = "other" if isinstance(value, str) else not value if value in (True, False) else 7
        assert not known.is_neutral(type(value)(other))
