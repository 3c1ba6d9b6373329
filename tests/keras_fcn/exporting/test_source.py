"""Keras source of networks: the numbers, the form, and names that would be code."""

from __future__ import annotations

import ast

import keras
import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.cli import main
from tests.golden import LAYERS, LayerCase, layer_case, to_channels_last
from tests.keras_fcn.exporting.source_checks import (
    assert_clean,
    assert_same,
    built,
    converted,
    fill_rest,
    outputs_of,
)
from tests.reference_nets import reference_net
from tests.thorough import THOROUGH

pytestmark = pytest.mark.filterwarnings("ignore::keras_fcn.caffe.errors.CaffeWarning")

# Random whatever the weights, or with states that every pass changes.
RANDOM = {"DummyData", "CaffeStochasticPooling2D", "SampledDropout"}
PARTS = 4
SOME = [
    "bn_scale_factor",
    "conv_depthwise_mult2_s2",
    "conv_dilation2_p2_s2",
    "conv_group2",
    "conv_k1_s2",
    "crop_2d",
    "deconv_k3_s2_p1",
    "eltwise_sum_coeff",
    "graph_inception",
    "graph_lenet",
    "graph_multi_outputs",
    "graph_residual",
    "ip_transpose",
    "lrn_alexnet",
    "names_odd",
    "params_shared",
    "pool_ave_k3s2p1",
    "pool_max_k2s2p1_clip",
    "pool_max_k3s2",
    "prelu",
    "scale_bias",
    "slice_points",
    "softmax_channels1",
    "flatten_axis2",
    "smloss_basic",
]


def _checked(case, folder):
    model = keras_fcn.from_caffe(case.prototxt, case.weights, seed=1, **case.state)
    text = keras_fcn.to_code(model)
    weights = converted(case, folder)
    theirs = built(text, weights)
    if not RANDOM & {type(layer).__name__ for layer in model.layers}:
        again = keras_fcn.from_caffe(case.prototxt, case.weights, seed=1, **case.state)
        fill_rest(theirs, again, weights)
        assert_same(again, theirs, case)
    return text


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", SOME)
def test_numbers(name, tmp_path):
    _checked(layer_case(name), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_every_reference_case(part, tmp_path):
    step = PARTS if THOROUGH else 3 * PARTS
    (tmp_path / "code").mkdir()
    failed = {}
    for folder in sorted(LAYERS.iterdir())[part::step]:
        case = LayerCase(folder)
        try:
            text = _checked(case, tmp_path)
        except (AssertionError, convert.CaffeError) as error:
            failed[case.name] = str(error)
        else:
            (tmp_path / "code" / f"{case.name}.py").write_text(text, "ascii")
        (tmp_path / "net.h5").unlink(missing_ok=True)
    assert not failed
    assert_clean(tmp_path / "code")


def test_a_chain_is_sequential_and_of_stock_layers():
    text = keras_fcn.to_code(keras_fcn.LeNet())
    assert "keras_fcn" not in text
    assert "keras.Sequential(" in text
    assert "for name, filters in" in text
    model = built(text)
    assert type(model) is keras.Sequential
    assert {type(layer).__module__.split(".")[0] for layer in model.layers} == {"keras"}
    (function,) = [x for x in ast.parse(text).body if isinstance(x, ast.FunctionDef)]
    assert function.name == "lenet"


_NET = """
name: %s
layer { name: "data" type: "Input" top: "data"
        input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: %s type: "Convolution" bottom: "data" top: "a"
        convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "data/b" type: "Convolution" bottom: "data" top: "b"
        convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }
"""
HOSTILE = [
    "'); import os #",
    '"); import os #',
    '""" + __import__("os").system("true") + """',
    "a\\nimport os",
    "\\\\",
    "import",
    "class",
    "keras",
    "layers",
    "model",
    "weights",
    "x",
    "print",
    "\u03b1\u2013\u202e",
    "{evil}",
    "%s",
    "1net",
    "",
    "l",
    "a" * 200,
]


def _quoted(name):
    return "'" + name.replace("'", "\\'") + "'"


@pytest.mark.parametrize("names", [HOSTILE[::5], pytest.param(HOSTILE, marks=pytest.mark.slow)])
def test_hostile_names_stay_names(names, tmp_path):
    folder = tmp_path / "code"
    folder.mkdir()
    for index, name in enumerate(names):
        path = tmp_path / "net.prototxt"
        path.write_text(_NET % (_quoted(name), _quoted(name or "conv")), "utf-8")
        model = keras_fcn.from_caffe(path, seed=0)
        text = keras_fcn.to_code(model)
        assert text.isascii()
        modules = [x for x in ast.walk(ast.parse(text)) if isinstance(x, ast.Import)]
        assert [alias.name for x in modules for alias in x.names] == ["keras"]
        called = {ast.unparse(x.func) for x in ast.walk(ast.parse(text)) if isinstance(x, ast.Call)}
        assert not {"__import__", "os.system", "__import__('os').system"} & called
        theirs = built(text)
        assert [x.name for x in theirs.layers] == [x.name for x in model.layers]
        for layer in theirs.layers:
            layer.set_weights(model.get_layer(layer.name).get_weights())
        assert_same(model, theirs)
        (folder / f"net{index}.py").write_text(text, "ascii")
    assert_clean(folder)


def test_names_that_keras_refuses_stand_in_comments(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(_NET % ("'net'", "'conv'"))
    assert "# Caffe: data/b\n" in keras_fcn.to_code(keras_fcn.from_caffe(path))


class WithoutConfig(keras.layers.Layer):
    """Has arguments that nobody can know."""

    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.function = function

    def call(self, x):
        return self.function(x)


class Doubled(keras.layers.Layer):
    """Has no arguments of its own."""

    def call(self, x):
        return 2 * x


def _with(layer):
    inputs = keras.Input((4,))
    return keras.Model(inputs, layer(inputs))


def test_a_layer_that_cannot_be_written_is_refused_by_name(tmp_path):
    model = _with(WithoutConfig(keras.ops.square, name="squared"))
    with pytest.raises(convert.UnsupportedLayerError, match=r"WithoutConfig: .*'squared'"):
        keras_fcn.to_code(model)
    path = tmp_path / "net.py"
    path.write_text("old")
    with pytest.raises(convert.UnsupportedLayerError):
        keras_fcn.export(model, path)
    assert [x.name for x in tmp_path.iterdir()] == ["net.py"]
    assert path.read_text() == "old"
    local = type("Local", (Doubled,), {"__module__": "__main__"})
    with pytest.raises(convert.UnsupportedLayerError, match="no module holds its class"):
        keras_fcn.to_code(_with(local(name="local")))
    with pytest.raises(convert.UnsupportedLayerError, match="'inner'"):
        keras_fcn.to_code(_with(keras.Sequential([keras.Input((4,))], name="inner")))


def test_a_layer_of_a_module_is_imported():
    text = keras_fcn.to_code(_with(Doubled(name="doubled")))
    assert f"import {__name__}" in text
    np.testing.assert_array_equal(built(text)(np.ones((1, 4))), np.full((1, 4), 2.0))


def test_layers_called_twice_are_one_variable():
    inputs = keras.Input((4,), name="data")
    dense = keras.layers.Dense(4, name="twice")
    model = keras.Model(inputs, keras.layers.Add(name="sum")([dense(dense(inputs)), inputs]))
    theirs = built(keras_fcn.to_code(model))
    theirs.set_weights(model.get_weights())
    assert len(theirs.layers) == len(model.layers)
    x = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")
    np.testing.assert_array_equal(outputs_of(theirs, [x])[0], outputs_of(model, [x])[0])


_INPUT = """
layer { name: "%s" type: "Input" top: "%s" input_param { shape { dim: 1 dim: 3 dim: 6 dim: 6 } } }
"""
_SHARING = """
layer { name: "conv%s" type: "Convolution" bottom: "%s" top: "conv%s" param { name: "w" }
        convolution_param { num_output: 3 kernel_size: 3 pad: 1 bias_term: false } }
layer { name: "bn%s" type: "BatchNorm" bottom: "conv%s" top: "bn%s"
        param { name: "mean" } param { name: "variance" } param { name: "factor" } }
"""
_JOINED = 'layer { name: "sum" type: "Eltwise" bottom: "bn%s" bottom: "bn%s" top: "sum" }'


def _sharing(*pairs):
    """Twice a convolution and a BatchNorm, with the same weights."""
    return "".join(_SHARING % (n, bottom, n, n, n, n) for n, bottom in pairs)


_BOTH = _INPUT % ("a", "a") + _INPUT % ("b", "b") + _sharing((1, "a"), (2, "b"))


@pytest.mark.parametrize(
    "net",
    [
        pytest.param(_BOTH, id="two outputs"),
        pytest.param(_BOTH + _JOINED % (1, 2), id="user walked first"),
        pytest.param(_BOTH + _JOINED % (2, 1), id="owner walked first"),
        pytest.param(_INPUT % ("a", "a") + _sharing((1, "a"), (2, "bn1")), id="chain"),
    ],
)
def test_owners_of_shared_weights_come_first(net, tmp_path):
    (tmp_path / "net.prototxt").write_text(net)
    model = keras_fcn.from_caffe(tmp_path / "net.prototxt", seed=0)
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.5, 2, x.shape) for x in model.get_weights()])
    theirs = built(keras_fcn.to_code(model))
    for layer in model.layers:
        theirs.get_layer(layer.name).set_weights(layer.get_weights())
    assert_same(model, theirs)


def test_a_user_without_the_owner_of_its_weights_is_refused(tmp_path):
    (tmp_path / "net.prototxt").write_text(_BOTH)
    model = keras_fcn.from_caffe(tmp_path / "net.prototxt", seed=0)
    part = keras.Model(model.inputs[1], model.get_layer("conv2").output)
    with pytest.raises(
        convert.UnsupportedLayerError, match=r"layer 'conv2': .*'conv1', behind it or not at all"
    ):
        keras_fcn.to_code(part)


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("scale_bias", "# Caffe's Scale: a factor of each channel, then a bias.\n"),
        ("pool_max_floor_k3s2p1", "# Margins that never win.\n"),
    ],
)
def test_notes_on_what_arguments_hardly_tell(name, note, tmp_path):
    text = keras_fcn.to_code(keras_fcn.from_caffe(layer_case(name).prototxt))
    assert text.count(note) == 1
    (tmp_path / "net.py").write_text(text)
    assert_clean(tmp_path)


def _chain(*names):
    """Convolutions, poolings and activations, by their names."""
    kinds = {
        "conv": lambda name: keras.layers.Conv2D(4, 3, padding="same", name=name),
        "relu": lambda name: keras.layers.ReLU(name=name),
        "pool": lambda name: keras.layers.MaxPooling2D(2, name=name),
    }
    first = keras.layers.Conv2D(4, 3, name="conv1_1")
    return keras.Sequential(
        [keras.Input((40, 40, 4)), first, *(kinds[name[:4]](name) for name in names)]
    )


def test_loops_are_plain():
    out_of_step = "relu1_1 conv1_2 pool1 conv2_1 relu2_1 conv2_2 pool2 conv3_1"
    assert "for " not in keras_fcn.to_code(_chain(*out_of_step.split())).partition("model =")[2]
    longer = "pool1 conv2_1 relu2_1 conv2_2 relu2_2 pool2 conv3_1 relu3_1 conv3_2 relu3_2"
    text = keras_fcn.to_code(_chain(*f"{longer} conv3_3 relu3_3".split()))
    assert [x.strip() for x in text.splitlines() if "for name" in x] == [
        'for name in ("1", "2"):',
        'for name in ("1", "2", "3"):',
    ]


@pytest.mark.slow
def test_blocks_become_a_function(tmp_path):
    text = keras_fcn.to_code(keras_fcn.GoogLeNet())
    (helper, function) = [x for x in ast.parse(text).body if isinstance(x, ast.FunctionDef)]
    assert helper.name.startswith("inception")
    calls = [x for x in ast.walk(function) if isinstance(x, ast.Call)]
    assert [ast.unparse(x.func) for x in calls].count(helper.name) == 9
    assert len(text.splitlines()) < 130
    (tmp_path / "net.py").write_text(text)
    assert_clean(tmp_path)
    named = {layer.name for layer in keras_fcn.GoogLeNet().layers}
    assert named <= {layer.name for layer in built(text).layers}


@pytest.mark.slow
def test_a_fixed_size_makes_poolings_stock():
    model = keras_fcn.SqueezeNet(input_shape=(None, None, 3))
    assert "keras_fcn" in keras_fcn.to_code(model)
    text = keras_fcn.to_code(model, input_shapes={"data": (3, 227, 227)})
    assert "import keras_fcn" not in text
    with pytest.raises(ValueError, match="the inputs are 'data'"):
        keras_fcn.to_code(model, input_shapes={"image": (3, 227, 227)})


def test_convert_writes_the_code_and_the_weights(tmp_path, capsys):
    case = layer_case("graph_lenet")
    code = tmp_path / "net.py"
    assert main(["convert", str(case.prototxt), str(case.weights), "--code", str(code)]) == 0
    assert {x.name for x in tmp_path.iterdir()} == {"net.py", "net.h5"}
    assert f"wrote {code}" in capsys.readouterr().out
    model = keras_fcn.from_caffe(case.prototxt, case.weights)
    theirs = built(code.read_text(), tmp_path / "net.h5")
    assert_same(model, theirs, case)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--code", "net.h5"], "ends in .py"),
        (["--code", "net.py", "-o", "net.npz"], "loads an HDF5 file"),
        (["--code", "net.py", "--list"], "--list alone"),
        ([], "is required"),
    ],
)
def test_outputs_that_do_not_go_together(more, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["convert", "a.prototxt", "b.caffemodel", *more])
    assert message in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet_full_conv", "bvlc_reference_caffenet", "mobilenet_ssd"])
def test_reference_nets(name, tmp_path):
    net = reference_net(name)
    weights = net.write_weights(tmp_path)
    (tmp_path / "code").mkdir()
    code = tmp_path / "code" / "net.py"
    files = [str(x) for x in (net.prototxt, weights, "-o", tmp_path / "net.h5")]
    assert main(["convert", *files, "--code", str(code)]) == 0
    assert_clean(tmp_path / "code")
    model = keras_fcn.from_caffe(net.prototxt, weights)
    theirs = built(code.read_text(), tmp_path / "net.h5")
    fed = [to_channels_last(x) for x in net.inputs.values()]
    for actual, expected in zip(outputs_of(theirs, fed), outputs_of(model, fed), strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-5 * np.abs(expected).max())
