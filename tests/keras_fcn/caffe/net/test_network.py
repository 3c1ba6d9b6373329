"""Networks as Caffe builds them: layers kept, blobs, shapes, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import convert
from keras_fcn.caffe.definition import LayerDefinition, NetDefinition
from keras_fcn.caffe.errors import CaffeError, NetworkError, WeightsError
from keras_fcn.caffe.layers import UnknownLayer
from keras_fcn.caffe.net.assembly import load_network, network_of
from keras_fcn.caffe.net.fitting import fit_weights, unknown_orders
from keras_fcn.caffe.net.network import NetState, Network, Reading
from keras_fcn.caffe.text.prototxt import parse_net
from tests.golden import REJECTS, TAKEN, LayerCase, layer_case, layer_case_names
from tests.keras_fcn.caffe import writer
from tests.keras_fcn.caffe.conftest import SHAPES, SMALL, layers_of, random_blobs


def load(case: LayerCase) -> Network:
    about = case.case
    return load_network(
        case.prototxt, about["phase"], about.get("level", 0), about.get("stages", ())
    )


def network(text: str, **state: object) -> Network:
    return Network.of(parse_net(text).definition, Reading(NetState(**state)), path="n")


def is_known(net: Network) -> bool:
    return not any(isinstance(layer.params, UnknownLayer) for layer in net.layers)


def image(*shape: int) -> str:
    dims = " ".join(f"dim: {size}" for size in shape or (2, 3, 9, 8))
    return (
        f'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ {dims} }} }} }}\n'
    )


# Against Caffe


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", layer_case_names("*"))
def test_golden_layers(name):
    case = layer_case(name)
    net = load(case)
    assert is_known(net)
    assert sorted(blob.name for blob in net.inputs) == sorted(case.case["inputs"])
    assert sorted(blob.name for blob in net.outputs) == sorted(case.case["outputs"])
    made = {layer.type for layer in net.layers} - {"Input"}
    assert made | {"Split"} == set(case.case["layers"]) | {"Split"}
    shapes = {blob.name: blob.shape for blob in net.blobs.values()}
    arrays = case.inputs | case.outputs
    assert set(shapes) == set(arrays)
    for blob, shape in shapes.items():
        assert fits(shape, arrays[blob].shape), blob
    if case.weights is not None:
        weights = fit_weights(net, convert.load_weights(case.weights))
        for layer in net.layers:
            if layer.name in weights:
                assert tuple(w.shape for w in weights[layer.name]) == layer.weight_shapes


def fits(shape: tuple[int | None, ...], actual: tuple[int, ...]) -> bool:
    """Whether a shape is the actual one; sizes that depend on the data are None."""
    return len(shape) == len(actual) and all(
        size in (None, other) for size, other in zip(shape, actual, strict=True)
    )


@pytest.mark.slow
def test_sizes_are_open_only_where_the_data_decide():
    open_sizes = {
        name
        for name in layer_case_names("*")
        if any(None in blob.shape for blob in load(layer_case(name)).blobs.values())
    }
    assert open_sizes == {"filter", "filter_all", "filter_none", "filter_two"}


@pytest.mark.parametrize("name", layer_case_names("rules_*"))
def test_golden_rules_keep_the_layers_that_caffe_keeps(name):
    case = layer_case(name)
    assert sorted(blob.name for blob in load(case).outputs) == sorted(case.case["outputs"])


# Rules about phase, level and stages


@pytest.mark.parametrize(
    ("rules", "state", "kept"),
    [
        ("", {}, True),
        ("include { phase: TEST }", {}, True),
        ("include { phase: TRAIN }", {}, False),
        ("include { phase: TRAIN }", {"phase": "TRAIN"}, True),
        ("exclude { phase: TEST }", {}, False),
        ("exclude { phase: TEST }", {"phase": "TRAIN"}, True),
        ("include { min_level: 2 }", {"level": 1}, False),
        ("include { min_level: 2 }", {"level": 2}, True),
        ("include { max_level: -1 }", {"level": -1}, True),
        ("include { max_level: -1 }", {"level": 0}, False),
        ('include { stage: "a" stage: "b" }', {"stages": ("a",)}, False),
        ('include { stage: "a" stage: "b" }', {"stages": ("b", "c", "a")}, True),
        ('include { not_stage: "a" }', {"stages": ("a",)}, False),
        ('include { not_stage: "a" }', {"stages": ("b",)}, True),
        ("include { phase: TRAIN } include { min_level: 1 }", {"level": 1}, True),
        ("exclude { phase: TRAIN } exclude { min_level: 1 }", {"level": 1}, False),
        ("include { phase: TRAIN }", {"phase": None}, True),
    ],
)
def test_rules(rules, state, kept):
    net = network(
        f'{image()} layer {{ name: "r" type: "ReLU" bottom: "data" top: "r" {rules} }}', **state
    )
    assert ("r" in [layer.name for layer in net.layers]) == kept


def test_stages_of_the_file_count_as_well():
    text = f"""state {{ phase: TRAIN level: 5 stage: "a" }} {image()}
        layer {{ name: "r" type: "ReLU" bottom: "data" top: "r"
          include {{ phase: TEST max_level: 0 stage: "a" stage: "b" }} }}"""
    assert len(network(text, stages=("b",)).layers) == 2
    assert len(network(text).layers) == 1


def test_state_is_checked():
    with pytest.raises(ValueError, match=r"phase must be one of .*Received: phase='test'"):
        NetState("test")
    with pytest.raises(NetworkError, match="n: no layers for phase TEST, level 0, stages"):
        network('layer { name: "r" type: "ReLU" include { phase: TRAIN } }')


# Blobs


def test_small_network(small):
    net = load_network(small.prototxt)
    assert net.name == "small"
    assert [layer.name for layer in net.layers][:4] == ["data", "conv1", "relu1", "block/conv2"]
    assert net.layer("block/conv2").keras_name == "block_conv2"
    assert [blob.shape for blob in net.blobs.values()] == [
        (2, 3, 9, 8), (2, 4, 7, 6), (2, 6, 7, 6), (2, 6, 4, 3), (2, 5), (2, 7), (2, 7),
    ]  # fmt: skip
    assert [blob.name for blob in net.inputs] == ["data"]
    assert [blob.name for blob in net.outputs] == ["prob"]
    assert [layer.line for layer in net.layers[:3]] == [3, 5, 7]
    assert net.layer("conv1").weight_shapes == ((4, 3, 3, 3), (4,))
    assert parse_net(net.text).definition == net.definition
    with pytest.raises(KeyError):
        net.layer("conv2")


def test_in_place_layers_make_new_versions(small):
    net = load_network(small.prototxt)
    conv, relu, after = net.layer("conv1"), net.layer("relu1"), net.layer("block/conv2")
    assert relu.bottoms == conv.tops
    assert relu.tops == after.bottoms
    assert relu.tops != conv.tops
    assert net.blobs["conv1"] is relu.tops[0]
    assert (relu.tops[0].layer, relu.tops[0].shape) == ("relu1", (2, 4, 7, 6))


def test_in_place_chain_is_one_output():
    text = image() + "".join(
        f'layer {{ name: "r{i}" type: "ReLU" bottom: "data" top: "data" }}' for i in range(3)
    )
    net = network(text)
    assert net.outputs == net.layers[-1].tops
    assert net.inputs == net.layers[0].tops


def test_unused_blobs_are_outputs():
    net = network(image() + 'layer { name: "s" type: "Split" bottom: "data" top: "a" top: "b" }')
    assert [blob.name for blob in net.outputs] == ["a", "b"]
    assert [blob.index for blob in net.outputs] == [0, 1]


def test_unknown_type_leaves_the_shape_open():
    text = (
        image()
        + """
        layer { name: "x" type: "Foreign" bottom: "data" top: "x" }
        layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
          inner_product_param { num_output: 5 } }"""
    )
    net = network(text)
    assert net.blobs["x"].shape is None
    assert net.blobs["ip"].shape is None
    assert net.layer("ip").weight_shapes is None
    assert net.layer("ip").flattened is None


def test_data_layer_is_an_input_of_open_size():
    net = network("""
        layer { name: "d" type: "Data" top: "data" top: "label" data_param { batch_size: 5 } }
        layer { name: "c" type: "Convolution" bottom: "data" top: "c"
          convolution_param { num_output: 4 kernel_size: 3 } }""")
    assert [(blob.name, blob.shape) for blob in net.inputs] == [
        ("data", (None, None, None, None)),
        ("label", (None,)),
    ]
    assert net.blobs["c"].shape == (None, 4, None, None)
    assert net.layer("c").weight_shapes == ((4, None, 3, 3), (4,))


CONV = """layer {{ name: "c" type: "Convolution" bottom: "{}" top: "c"
    convolution_param {{ num_output: 4 kernel_size: 3 }} }}"""
POOL = 'layer {{ name: "p" type: "Pooling" bottom: "{}" top: "p" pooling_param {{ {} }} }}'
PRODUCT = """layer {{ name: "ip" type: "InnerProduct" bottom: "{}" top: "ip"
    inner_product_param {{ num_output: 5 {} }} }}"""
FORK = 'layer {{ name: "f" type: "{}" bottom: "data" top: "f" {} }}'
MASKED = """layer {{ name: "p" type: "Pooling" bottom: "data" top: "p" top: "mask"
      pooling_param {{ kernel_size: 2 stride: 2 }} }}
    layer {{ name: "u" type: "Upsample" bottom: "p" bottom: "mask" top: "u"
      upsample_param {{ {} }} }}"""
OWN_SIZE = """layer { name: "p" type: "Parameter" top: "p"
      parameter_param { shape { dim: 2 dim: 3 dim: 4 dim: 5 } } }"""


@pytest.mark.parametrize(
    ("layers", "resizable"),
    [
        (CONV.format("data"), True),
        (CONV.format("data") + POOL.format("c", "kernel_size: 2 stride: 2"), True),
        (CONV.format("data") + PRODUCT.format("c", ""), False),
        (POOL.format("data", "global_pooling: true") + PRODUCT.format("p", ""), True),
        (PRODUCT.format("data", "axis: 3"), False),
        (PRODUCT.format("data", ""), False),
        (FORK.format("Interp", "interp_param { zoom_factor: 2 }"), True),
        (FORK.format("Interp", "interp_param { height: 5 width: 6 }"), False),
        (FORK.format("Interp", 'bottom: "data" interp_param { shrink_factor: 2 }'), True),
        (FORK.format("Upsample", "upsample_param { scale: 2 }"), True),
        (MASKED.format("scale: 2"), True),
        (MASKED.format("upsample_h: 9 upsample_w: 8"), False),
        (FORK.format("Resample", "resample_param { height: 5 width: 6 }"), True),
        (OWN_SIZE + PRODUCT.format("p", "axis: 2"), True),
    ],
)
def test_resizable(layers, resizable):
    assert network(image() + layers).resizable == resizable


DROP = 'layer { name: "d" type: "Dropout" bottom: "c" top: "d" }'
RELU = 'layer { name: "d" type: "ReLU" bottom: "c" top: "d" }'
SPLIT = 'layer { name: "s" type: "Split" bottom: "c" top: "d" top: "e" }'
FLAT = 'layer { name: "f" type: "Flatten" bottom: "%s" top: "f" }'


@pytest.mark.parametrize(
    ("layers", "flattened"),
    [
        (CONV.format("data") + PRODUCT.format("c", ""), (2, 4, 7, 6)),
        (CONV.format("data") + DROP + PRODUCT.format("d", ""), (2, 4, 7, 6)),
        (CONV.format("data") + RELU + PRODUCT.format("d", ""), (2, 4, 7, 6)),
        (CONV.format("data") + SPLIT + PRODUCT.format("d", ""), (2, 4, 7, 6)),
        (CONV.format("data") + SPLIT + PRODUCT.format("e", ""), (2, 4, 7, 6)),
        (CONV.format("data") + FLAT % "c" + PRODUCT.format("f", ""), (2, 4, 7, 6)),
        (CONV.format("data") + DROP + FLAT % "d" + PRODUCT.format("f", ""), (2, 4, 7, 6)),
        (POOL.format("data", "kernel_size: 3") + PRODUCT.format("p", ""), (2, 3, 7, 6)),
        (PRODUCT.format("data", ""), (2, 3, 9, 8)),
        (PRODUCT.format("data", "axis: 2"), None),
        (PRODUCT.format("data", "axis: -1"), None),
    ],
)
def test_flattened_map(layers, flattened):
    layer = network(image() + layers).layer("ip")
    assert layer.flattened == flattened
    assert layer.flattened_channels == (flattened[1] if flattened else None)


def test_flatten_keeps_the_map_through_layers_that_keep_places():
    drop = 'layer { name: "d" type: "Dropout" bottom: "f" top: "f" }'
    net = network(image() + FLAT % "data" + drop + PRODUCT.format("f", ""))
    assert net.layer("ip").flattened == (2, 3, 9, 8)


def test_inner_product_after_inner_product_reads_a_plain_vector():
    first = PRODUCT.format("data", "").replace('"ip"', '"first"')
    for between in ("", 'layer { name: "r" type: "ReLU" bottom: "first" top: "first" }'):
        net = network(image() + first + between + PRODUCT.format("first", ""))
        assert net.layer("ip").flattened is None
    flat = FLAT % "first"
    assert network(image() + first + flat + PRODUCT.format("f", "")).layer("ip").flattened is None


# What Caffe refuses

# No such types at all: the weights of such a net can be converted, the builder refuses it.
FOREIGN = {"layer_type_wrong_case", "unknown_layer_type"}
REFUSED = {
    "bilinear_not_square": ("'c' (Deconvolution)", "kernel_size: (4, 2) must be square"),
    "bn_1d": ("'s' (BatchNorm)", "axis: 1"),
    "bn_params_trainable": ("'b' (BatchNorm)", "lr_mult: 1 must be 0"),
    "clip_missing_max": ("'c' (Clip)", "'max' is missing"),
    "concat_axes_mismatch": ("'c' (Concat)", "(2, 4, 6, 6), (2, 4)"),
    "concat_axis_and_dim": ("'c' (Concat)", "'axis' or 'concat_dim'"),
    "concat_shape_mismatch": ("'c' (Concat)", "(2, 4, 6, 6), (2, 4, 5, 6)"),
    "crop_out_of_bounds": ("'c' (Crop)", "offset: 2 leaves 4 of 6"),
    "eltwise_coeff_count": ("'e' (Eltwise)", "coeff: (2.0,)"),
    "eltwise_no_broadcast": ("'e' (Eltwise)", "(2, 4, 6, 6), (2, 4, 1, 1)"),
    "eltwise_prod_coeff": ("'e' (Eltwise)", "coeff: (1.0, 2.0)", "PROD"),
    "eltwise_shape_mismatch": ("'e' (Eltwise)", "(2, 4, 6, 6), (2, 4, 6, 5)"),
    "embed_missing_input_dim": ("'e' (Embed)", "'input_dim' is missing"),
    "inplace_absval": ("'f' (AbsVal)", "cannot work in place"),
    "label_count_mismatch": ("'l' (SoftmaxWithLoss)", "18 labels", "(2,)"),
    "loss_two_tops_with_weights": ("'l' (SoftmaxWithLoss)", "1 top blobs, has 2"),
    "loss_two_tops_without_weights": ("'l' (SoftmaxWithLoss)", "loss_weight"),
    "mvn_5d": ("'s' (MVN)", "4 axes, got shape (1, 2, 2, 2, 2)"),
    "reshape_bad_count": ("'s' (Reshape)", "shape: (2, 100) gives 200", "288"),
    "reshape_two_infer": ("'s' (Reshape)", "shape: (-1, -1)"),
    "scale_shape_mismatch": ("'s' (Scale)", "axis: 1", "(2, 4, 6, 6)"),
    "slice_not_divisible": ("'s' (Slice)", "size of 4 cannot be cut into 3"),
    "slice_points_count": ("'s' (Slice)", "slice_point: (1,) must have 2"),
    "spp_pad_ge_kernel": ("'s' (SPP)", "pyramid_height: 4"),
    "tile_missing_tiles": ("'t' (Tile)", "'tiles' is missing"),
    "too_few_bottoms": ("'r' (SoftmaxWithLoss)", "2 bottom blobs, has 1"),
    "bad_group_channels": ("'c' (Convolution)", "group: 3"),
    "bad_group_outputs": ("'c' (Convolution)", "group: 2"),
    "bottom_defined_later": ("'r' (ReLU)", "bottom 'late'"),
    "conv_kernel_both": ("'c' (Convolution)", "'kernel_size'"),
    "conv_kernel_count": ("'c' (Convolution)", "kernel_size: 3 sizes for 2"),
    "conv_kernel_h_only": ("'c' (Convolution)", "'kernel_w'"),
    "conv_kernel_too_large": ("'c' (Convolution)", "kernel of extent 9 does not fit into 6"),
    "conv_missing_kernel": ("'c' (Convolution)", "'kernel_size' is missing"),
    "conv_missing_num_output": ("'c' (Convolution)", "'num_output' is missing"),
    "conv_stride_h_only": ("'c' (Convolution)", "'stride_w'"),
    "conv_tops_bottoms_differ": ("'c' (Convolution)", "as many tops as bottoms, has 2 and 1"),
    "duplicate_top": ("'b' (TanH)", "top 'o' is already made by layer 'a'"),
    "include_and_exclude": ("'r' (ReLU)", "'include' or 'exclude'"),
    "inplace_after_fanout": ("'r' (ReLU)", "top 'x'"),
    "inplace_flatten": ("'f' (Flatten)", "cannot work in place"),
    "input_header_without_dims": ("'input'", "'input_dim'"),
    "layer_type_missing": ("'x'", "field 'type' is missing"),
    "lrn_even_size": ("'n' (LRN)", "local_size: 4"),
    "mixed_layer_layers": ("'layer'", "'layers'"),
    "pool_global_with_kernel": ("'p' (Pooling)", "kernel_size"),
    "pool_missing_kernel": ("'p' (Pooling)", "'kernel_size' is missing"),
    "pool_not_4d": ("'p' (Pooling)", "4 axes, got shape (2, 4, 6)"),
    "pool_pad_ge_kernel": ("'p' (Pooling)", "pad (2, 2)"),
    "pool_pad_h_only": ("'p' (Pooling)", "'pad_w'"),
    "pool_stride_h_only": ("'p' (Pooling)", "'stride_w'"),
    "shared_param_shape_mismatch": ("'i' (InnerProduct)", "'w' is shared with layer 'c'"),
    "softmax_axis_out_of_range": ("'l' (Softmax)", "axis: 2"),
    "text_bad_enum": ("'pool'", "'MEAN'"),
    "text_missing_brace": ("'}'", "missing"),
    "text_negative_uint": ("'pad'", "-1"),
    "text_repeated_optional": ("'num_output'", "twice"),
    "text_unknown_field": ("ConvolutionParameter", "'kernel_sise'"),
    "text_wrong_scalar": ("'num_output'", '"2"'),
    "too_many_bottoms": ("'r' (ReLU)", "1 bottom blobs, has 2"),
    "too_many_param_specs": ("'c' (Convolution)", "3 'param' for 2"),
    "unknown_bottom": ("'r' (ReLU)", "bottom 'dataa'"),
    "v1_unknown_enum": ("'type'", "'PRELU'"),
    "weights_blob_count": ("'c' (Convolution)", "holds 1 blobs, the network needs 2"),
    "weights_blob_count_extra": ("'c' (Convolution)", "holds 2 blobs, the network needs 1"),
    "weights_same_count_other_shape": ("'c' (Convolution)", "(2, 3, 4, 3)", "(2, 4, 3, 3)"),
    "weights_shape_mismatch": ("'c' (Convolution)", "(3, 4, 3, 3)", "(2, 4, 3, 3)"),
    "weights_truncated": ("cut short", "150 bytes"),
}


def _prototxt(name: str) -> Path:
    return REJECTS / f"{name}.prototxt"


def _load_reject(name: str) -> None:
    net = load_network(_prototxt(name))
    weights = REJECTS / f"{name}.caffemodel"
    if weights.exists():
        fit_weights(net, convert.load_weights(weights))


def test_every_reject_is_listed():
    names = {path.stem for path in REJECTS.glob("*.prototxt")}
    assert names == FOREIGN | TAKEN | set(REFUSED)


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_caffe_refuses(name):
    with pytest.raises(CaffeError) as caught:
        _load_reject(name)
    message = str(caught.value)
    assert name in message
    assert "\n" not in message
    for part in REFUSED[name]:
        assert part in message


@pytest.mark.parametrize("name", sorted(FOREIGN))
def test_foreign_types_are_kept_for_their_weights(name):
    assert not is_known(load_network(_prototxt(name)))


X = 'bottom: "data" top: "x"'


@pytest.mark.parametrize(
    ("kind", "ends", "params", "message"),
    [
        ("", X, "", r"^n:2: layer 'l' \(\): field 'type' is missing$"),
        ("Split", 'bottom: "data" top: "a" top: "a"', "", "top 'a' is given twice"),
        ("ReLU", 'bottom: "y" top: "x"', "", "bottom 'y' is made by no .* so far: data$"),
        ("ReLU", 'top: "x"', "", "needs 1 bottom blobs, has 0"),
        ("ReLU", 'bottom: "data"', "", "needs 1 top blobs, has 0"),
        ("Pooling", f'{X} top: "b" top: "c"', "pooling { kernel_size: 2 }", "1 to 2 top .* has 3"),
        ("Convolution", 'top: "x"', "convolution { num_output: 2 kernel_size: 1 }", "1 to any num"),
        ("Convolution", X, "convolution { num_output: 0 kernel_size: 1 }", "num_output: 0 must be"),
        (
            "Convolution",
            X,
            "convolution { num_output: 2 kernel_size: 0 }",
            "kernel_size: .0,. must",
        ),
        (
            "Convolution",
            X,
            "convolution { num_output: 2 kernel_size: 1 group: 0 }",
            "group: 0 must",
        ),
        (
            "Convolution",
            X,
            "convolution { num_output: 2 kernel_size: 1 stride: 0 }",
            "stride: .* 1",
        ),
        (
            "Convolution",
            X,
            "convolution { num_output: 2 kernel_size: 1 axis: 4 }",
            "axis: 4 is out",
        ),
        ("InnerProduct", X, "inner_product { num_output: 0 }", "num_output: 0 must be at least 1"),
        ("Dropout", X, "dropout { dropout_ratio: 1 }", r"dropout_ratio: 1.0 must be in \[0, 1\)"),
        ("Flatten", X, "flatten { axis: 3 end_axis: 1 }", "end_axis: 1 comes before axis: 3"),
        (
            "Input",
            'top: "a" top: "b"',
            "input { shape {} shape {} shape {} }",
            "3 shapes for 2 tops",
        ),
        ("Input", 'top: "a"', "input { shape { dim: -1 } }", "has a negative size"),
        ("LRN", X, "lrn { local_size: 0 }", "local_size: 0 must be odd"),
        (r"a\000b", X, "", r"^n: the name 'a\\x00b' is not plain text$"),
    ],
)
def test_refused_layers(kind, ends, params, message):
    params = params.replace(" {", "_param {", 1)
    with pytest.raises(NetworkError, match=message):
        network(image() + f'layer {{ name: "l" type: "{kind}" {ends} {params} }}')


@pytest.mark.parametrize("shared", ["", "share_mode: PERMISSIVE"])
def test_shared_parameters(shared):
    text = (
        image(2, 4, 3, 3)
        + """
        layer { name: "c" type: "Convolution" bottom: "data" top: "c" param { name: "w" }
          convolution_param { num_output: 2 kernel_size: 3 bias_term: false } }
        layer { name: "i" type: "InnerProduct" bottom: "data" top: "i" param { name: "w" %s }
          inner_product_param { num_output: %d bias_term: false } }"""
    )
    if shared:
        assert network(text % (shared, 2)).layer("i").weight_shapes == ((2, 36),)
    with pytest.raises(
        NetworkError, match=r"'w' is shared with layer 'c', whose blob has shape \(2, 4"
    ):
        network(text % (shared, 3))


def test_message_without_a_line_has_the_file():
    definition = NetDefinition(layers=(LayerDefinition("r", "ReLU", ("x",), ("r",)),))
    with pytest.raises(NetworkError, match=r"^net.prototxt: layer 'r' \(ReLU\): bottom 'x'"):
        Network.of(definition, path="net.prototxt")


def test_sizes_behind_shared_memory_are_open_too():
    text = """layer { name: "v" type: "Flatten" bottom: "data" top: "v" }
      layer { name: "r" type: "ReLU" bottom: "v" top: "v" }
      layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
        inner_product_param { num_output: 2 } }"""
    net = network(image() + text)
    assert net.layer("ip").bottoms == net.layer("r").aliases
    assert net.layer("ip").flattened == (2, 3, 9, 8)
    assert not net.resizable


# Weights that fit


def _model(tmp_path: Path, shapes: dict[str, list[tuple[int, ...]]], **form: bool):
    weights = {name: random_blobs(blobs) for name, blobs in shapes.items()}
    path = tmp_path / "other.caffemodel"
    path.write_bytes(writer.net("", layers_of(SMALL, weights, **form)))
    return convert.load_weights(path)


@pytest.mark.parametrize("legacy", [True, False])
def test_fitted_blobs_have_the_shapes_of_the_network(small, tmp_path, legacy):
    net = load_network(small.prototxt)
    model = _model(tmp_path, SHAPES, legacy=legacy)
    fitted = fit_weights(net, model)
    assert {name: [blob.shape for blob in blobs] for name, blobs in fitted.items()} == SHAPES
    for name, blobs in fitted.items():
        for blob, stored in zip(blobs, model[name], strict=True):
            assert np.shares_memory(blob, stored)


def test_plain_arrays_fit_as_well(small):
    fitted = fit_weights(load_network(small.prototxt), small.weights)
    assert list(fitted) == list(SHAPES)


@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
        (
            "conv1",
            [(4, 3, 5, 5), (4,)],
            r"'conv1' .* blob 0 of shape \(4, 3, 5, 5\).*\(4, 3, 3, 3\)",
        ),
        ("conv1", [(4, 3, 3, 3), (5,)], r"blob 1 of shape \(5,\), the network needs \(4,\)"),
        ("conv1", [(4, 3, 3, 3)], r"holds 1 blobs, the network needs 2 .*set bias_term: false$"),
        ("conv1", [(2, 4, 3, 3, 3), (4,)], r"\(2, 4, 3, 3, 3\), the network needs \(4, 3, 3, 3\)"),
        ("ip2", [(5,)], r"blob 0 of shape \(5,\), the network needs \(7, 5\)"),
        ("ip2", [(7, 5), (7,)], r"holds 2 blobs, the network needs 1 .*set bias_term: true$"),
        ("relu1", [(1,)], r"holds 1 blobs, the network needs 0 .*belong to another network$"),
    ],
)
def test_weights_of_another_network(small, tmp_path, layer, shapes, message):
    model = _model(tmp_path, SHAPES | {layer: shapes})
    with pytest.raises(WeightsError, match=message) as caught:
        fit_weights(load_network(small.prototxt), model)
    assert "other.caffemodel" in str(caught.value)


def test_weights_without_one_common_name(small, tmp_path):
    path = tmp_path / "other.caffemodel"
    layer = writer.layer('name: "fc" type: "InnerProduct"', [writer.blob(np.ones((2, 2)))])
    path.write_bytes(writer.net("", [layer]))
    with pytest.raises(WeightsError, match=r"none of its layers \(fc.*\) .*net.prototxt \(conv1, "):
        fit_weights(load_network(small.prototxt), convert.load_weights(path))


OPEN = (
    image()
    + """
    layer { name: "x" type: "Foreign" bottom: "data" top: "x" }
    layer { name: "c" type: "Convolution" bottom: "x" top: "c"
      convolution_param { num_output: 4 kernel_size: 3 } }
    layer { name: "ip" type: "InnerProduct" bottom: "c" top: "ip"
      inner_product_param { num_output: 5 } }"""
)


@pytest.mark.parametrize("legacy", [True, False])
def test_behind_a_foreign_type_the_number_of_axes_is_known(tmp_path, legacy):
    shapes = {"c": [(4, 2, 3, 3), (4,)], "ip": [(5, 12), (5,)]}
    weights = {name: random_blobs(blobs) for name, blobs in shapes.items()}
    path = tmp_path / "net.caffemodel"
    path.write_bytes(writer.net("", layers_of(OPEN, weights, legacy=legacy)))
    fitted = fit_weights(network(OPEN), convert.load_weights(path))
    assert {name: [blob.shape for blob in blobs] for name, blobs in fitted.items()} == shapes


def test_blobs_that_no_such_layer_has_are_refused():
    net = network(OPEN)
    with pytest.raises(WeightsError, match=r"layer 'c' \(Convolution\) cannot hold .*\[\(4,\)\]"):
        net.layer("c").keras_weights([np.zeros(4, "f4")])
    mapped = network(image() + PRODUCT.format("data", ""))
    with pytest.raises(WeightsError, match=r"'ip' \(InnerProduct\) cannot hold .*\[\(5, 10\)\]"):
        mapped.layer("ip").keras_weights([np.zeros((5, 10), "f4")])


# A caffemodel alone


def test_network_of_a_caffemodel(small):
    net = network_of(convert.load_weights(small.caffemodel))
    assert [layer.name for layer in net.layers][:3] == ["data", "conv1", "relu1"]
    assert net.layer("ip1").flattened_channels == 6
    assert net.layer("ip1").flattened == (None, 6, None, None)
    assert net.blobs["conv2"].shape == (None, 6, None, None)


def test_caffemodel_of_training_may_hold_both_phases(tmp_path):
    text = """
        layer { name: "d" type: "Data" top: "data" include { phase: TRAIN } }
        layer { name: "d" type: "Data" top: "data" include { phase: TEST } }
    """ + PRODUCT.format("data", "")
    path = tmp_path / "net.caffemodel"
    path.write_bytes(writer.net("", layers_of(text, {"ip": random_blobs([(5, 12), (5,)])})))
    net = network_of(convert.load_weights(path))
    assert list(fit_weights(net, convert.load_weights(path))) == ["ip"]


def test_caffemodel_with_names_and_blobs_only(tmp_path):
    """Some writers leave out the parameters."""
    text = """layer { name: "c" type: "Convolution" bottom: "data" top: "c" }
        layer { name: "p" type: "Pooling" bottom: "c" top: "p" }
        layer { name: "ip" type: "InnerProduct" bottom: "p" top: "ip" }"""
    shapes = {"c": [(4, 2, 3, 3), (4,)], "ip": [(5, 12), (5,)]}
    weights = {name: random_blobs(blobs) for name, blobs in shapes.items()}
    path = tmp_path / "net.caffemodel"
    head = 'layer { name: "data" type: "Input" top: "data" }'
    path.write_bytes(writer.net("", layers_of(head + text, weights)))
    net = network_of(convert.load_weights(path))
    assert net.layer("c").params.num_output == 4
    assert net.layer("ip").params.num_output == 5
    fitted = fit_weights(net, convert.load_weights(path))
    assert {name: [blob.shape for blob in blobs] for name, blobs in fitted.items()} == shapes


def test_caffemodel_whose_layers_list_no_bottoms(tmp_path):
    """So that nothing tells what they read."""
    text = """layer { name: "c" type: "Convolution" convolution_param { num_output: 4 } }
        layer { name: "r" type: "ReLU" } layer { name: "e" type: "Eltwise" }
        layer { name: "ip" type: "InnerProduct" }"""
    shapes = {"c": [(4, 2, 3, 3), (4,)], "ip": [(5, 12), (5,)]}
    weights = {name: random_blobs(blobs) for name, blobs in shapes.items()}
    path = tmp_path / "net.caffemodel"
    path.write_bytes(writer.net("", layers_of(text, weights)))
    model = convert.load_weights(path)
    net = network_of(model)
    assert net.layer("ip").flattened is None
    fitted = fit_weights(net, model)
    assert {name: [blob.shape for blob in blobs] for name, blobs in fitted.items()} == shapes
    (note,) = unknown_orders(net, fitted)
    assert "layer 'ip': its inputs are taken as a plain vector" in note
    report = convert.convert(None, path, tmp_path / "net.h5")
    assert report.notes == (note,)


@pytest.mark.parametrize("head", ["", 'input: "data"'])
def test_caffemodel_that_keeps_only_names_of_its_inputs(tmp_path, head):
    """The channels that an inner product reads are still known."""
    text = (
        CONV.format("data") + POOL.format("c", "kernel_size: 2 stride: 2") + PRODUCT.format("p", "")
    )
    weights = {"c": random_blobs([(4, 2, 3, 3), (4,)]), "ip": random_blobs([(5, 24), (5,)])}
    path = tmp_path / "net.caffemodel"
    path.write_bytes(writer.net(head, layers_of(text, weights)))
    net = network_of(convert.load_weights(path))
    assert net.layer("ip").flattened_channels == 4
    assert not unknown_orders(net, ["c", "ip"])
