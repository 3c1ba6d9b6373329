"""Types of a user's own: their parameters, layers without bottoms, weights, and the way back."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.builder import BUILDERS
from keras_fcn.caffe import surgery
from keras_fcn.caffe.errors import CaffeError, CaffeWarning, WeightsError
from keras_fcn.caffe.layers import DIALECTS, LAYER_TYPES
from keras_fcn.caffe.layers.data import DataLayer, Input
from tests.golden import assert_close

IMAGE = (
    'layer { name: "d" type: "Input" top: "d" '
    "input_param { shape { dim: 1 dim: 3 dim: 4 dim: 5 } } }\n"
)
CONV = (
    'layer { name: "conv" type: "Convolution" bottom: "%s" top: "conv" '
    "convolution_param { num_output: 2 kernel_size: 1 } }\n"
)


@pytest.fixture(autouse=True)
def _registries():
    """What a test registers is forgotten after it."""
    kept = [(registry, dict(registry)) for registry in (LAYER_TYPES, DIALECTS, BUILDERS)]
    yield
    for registry, before in kept:
        registry.clear()
        registry.update(before)


@pytest.fixture
def write(tmp_path):
    def writer(text):
        path = tmp_path / "net.prototxt"
        path.write_text(text)
        return path

    return writer


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def test_every_kind_has_a_builder():
    kinds = {*LAYER_TYPES.values(), *(x for known in DIALECTS.values() for x in known.values())}
    built = {kind for kind in kinds if not issubclass(kind, Input | DataLayer)}
    assert built - BUILDERS.keys() == set()


def registered_identity(name, seen, **arguments):
    @keras_fcn.register(name, **arguments)
    def build(layer, *bottoms):
        seen.append(layer.params.fields)
        return keras.layers.Activation("linear", name=layer.keras_name)(bottoms[0])


OWN = """layer { name: "x" type: "MyType" bottom: "d" top: "x"
  my_param { sigma: 3 rate: 0.5 on: true mode: FAST name: "a \\"b\\"\\n" size: 2 size: 4
             inner { deep: -1 list: [1, 2] } inner { deep: 2 } far: 1e10 }
  my_scalar: 7
  power_param { power: 2 own: 1 }
  dummy_data_param { data_filler { type: "constant" value: 3 } shape { dim: 2 } }
  detection_output_param { num_classes: 3 nms_param { top_k: 4 } }
}
"""
FIELDS = {
    "my_param": {
        "sigma": 3,
        "rate": 0.5,
        "on": True,
        "mode": "FAST",
        "name": 'a "b"\n',
        "size": (2, 4),
        "inner": ({"deep": -1, "list": (1, 2)}, {"deep": 2}),
        "far": 1e10,
    },
    "my_scalar": 7,
    "power_param": {"power": 2.0, "own": 1},
    "detection_output_param": {"num_classes": 3, "nms_param": {"top_k": 4}},
}


def assert_fields(found):
    found = dict(found)
    assert found.pop("dummy_data_param")["shape"] == ((2,),)
    assert found == FIELDS


def test_a_message_of_its_own_is_plain_data(write):
    seen = []
    registered_identity("MyType", seen)
    with warnings.catch_warnings():
        warnings.simplefilter("error", CaffeWarning)  # nothing is passed over
        keras_fcn.from_caffe(write(IMAGE + OWN))
    assert_fields(seen[0])


def test_a_rule_sees_the_fields_too(write):
    keras_fcn.register(
        "MyType", top_shapes=lambda params, bottoms: ((1, params.fields["my_param"]["sigma"]),)
    )
    network = convert.load_network(write(IMAGE + OWN))
    assert network.blobs["x"].shape == (1, 3)
    assert network.resizable in (True, False)  # the layers are read again, fields and all
    again = surgery.open_net(write(IMAGE + OWN)).network
    assert_fields(again.layer("x").params.fields)


def test_fields_of_python_layers(write):
    seen = []
    registered_identity("MyNorm", seen)
    text = """layer { name: "x" type: "Python" bottom: "d" top: "x" my_param { eps: 1 }
      python_param { module: "tools" layer: "MyNorm" param_str: "5" } }"""
    keras_fcn.from_caffe(write(IMAGE + text))
    assert seen[0]["python_param"] == {"module": "tools", "layer": "MyNorm", "param_str": "5"}
    assert seen[0]["my_param"] == {"eps": 1}


def test_fields_in_the_old_form(write):
    text = """input: "d" input_dim: 1 input_dim: 3 input_dim: 4 input_dim: 5
      layers { name: "r" type: RELU bottom: "d" top: "r" }"""
    network = convert.load_network(write(text))
    assert network.layer("r").type == "ReLU"


def test_python_layers_are_told_apart_by_their_modules(write):
    seen = []
    registered_identity("mine.Norm", seen)
    text = """layer { name: "%s" type: "Python" bottom: "d" top: "%s"
      python_param { module: "tools.%s" layer: "Norm" } }"""
    keras_fcn.from_caffe(write(IMAGE + text % ("x", "x", "mine")))
    assert len(seen) == 1
    with pytest.raises(CaffeError, match=r"register\('Norm'\)"):
        keras_fcn.from_caffe(write(IMAGE + text % ("y", "y", "other")))


def test_an_unknown_python_layer_is_told_to_register_its_class(write):
    text = """layer { name: "norm" type: "Python" bottom: "d" top: "norm"
      python_param { module: "tools" layer: "MyNorm" } }"""
    with pytest.raises(CaffeError, match=r"@keras_fcn\.register\('MyNorm'\)") as caught:
        keras_fcn.from_caffe(write(IMAGE + text))
    assert "register('Python')" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::keras_fcn.caffe.errors.CaffeWarning")
def test_fields_survive_the_way_to_a_file_and_back(write, tmp_path):
    """Files of types that are not ours keep what the schema lacks, registered or not."""
    net = surgery.open_net(write(IMAGE + OWN + CONV % "d"))
    net.save(tmp_path / "out.prototxt", tmp_path / "out.caffemodel")
    text = (tmp_path / "out.prototxt").read_text()
    assert "mode: FAST" in text
    assert 'name: "a \\"b\\"\\n"' in text
    seen = []
    registered_identity("MyType", seen)
    model = keras_fcn.from_caffe(tmp_path / "out.prototxt", tmp_path / "out.caffemodel")
    assert_fields(seen[0])
    keras_fcn.export(model, tmp_path / "again", "caffe")
    assert_fields(convert.load_network(tmp_path / "again.prototxt").layer("x").params.fields)


def test_no_text_can_name_what_carries_the_fields(write):
    seen = []
    registered_identity("MyType", seen)
    text = """layer { name: "x" type: "MyType" bottom: "d" top: "x" unread: "{" }"""
    keras_fcn.from_caffe(write(IMAGE + text))
    assert seen[0] == {"unread": "{"}


SOURCE = """layer { name: "data" type: "Python" top: "data" top: "label"
  python_param { module: "voc_layers" layer: "VOCSegDataLayer" param_str: "{}" } }
"""


def registered_source(build, **arguments):
    keras_fcn.register("VOCSegDataLayer", **arguments)(build)


def two_inputs(layer, *bottoms):
    assert not bottoms
    return keras.Input((8, 6, 3)), keras.Input((8, 6, 1))


SHAPES = {"top_shapes": lambda params, bottoms: ((1, 3, 8, 6), (1, 1, 8, 6))}


@pytest.mark.parametrize("arguments", [SHAPES, {}], ids=["a rule", "no rule"])
@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_a_layer_without_bottoms_feeds_the_network(phase, arguments, write, tmp_path):
    registered_source(two_inputs, **arguments)
    path = write(SOURCE + CONV % "data")
    model = keras_fcn.from_caffe(path, phase=phase, seed=1)
    assert [tensor.name for tensor in model.inputs] == ["data", "label"]
    assert [tuple(tensor.shape) for tensor in model.inputs] == [(None, 8, 6, 3), (None, 8, 6, 1)]
    assert model.get_layer("conv").kernel.shape == (1, 1, 3, 2)
    fed = {"data": normal(2, 3, 8, 6), "label": normal(2, 1, 8, 6)}
    found = keras_fcn.blobs(model, fed)
    kernel, bias = model.get_layer("conv").get_weights()
    wanted = np.einsum("nchw,co->nohw", fed["data"], kernel[0, 0]) + bias[:, None, None]
    assert_close(found["conv"], wanted)
    np.testing.assert_array_equal(found["label"], fed["label"])
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    assert [tensor.name for tensor in again.inputs] == ["data", "label"]
    assert_close(keras_fcn.blobs(again, fed)["conv"], wanted)


def test_a_source_of_labels_and_a_loss(write):
    def build(layer):
        return keras.Input((3, 4), name="mine"), keras.Input(())

    registered_source(build)
    text = (
        SOURCE
        + """layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
      inner_product_param { num_output: 5 } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }"""
    )
    model = keras_fcn.from_caffe(write(text), phase="TRAIN")
    assert [tensor.name for tensor in model.inputs] == ["data", "label"]
    found = keras_fcn.blobs(model, {"data": normal(2, 4, 3), "label": np.float32([1, 4])})
    assert_close(found["loss"], np.log(5))


def test_inputs_behind_what_the_function_makes(write, tmp_path):
    def build(layer):
        image = keras.Input((8, 6, 3), name="picture")
        return keras.layers.Rescaling(0.5, name="half")(image), image

    registered_source(build)
    model = keras_fcn.from_caffe(write(SOURCE + CONV % "data"), seed=1)
    assert [tensor.name for tensor in model.inputs] == ["label"]  # it is a top, too
    x = normal(1, 3, 8, 6)
    found = keras_fcn.blobs(model, x)
    assert_close(found["data"], 0.5 * x)
    np.testing.assert_array_equal(found["label"], x)
    model.save(tmp_path / "net.keras")
    assert_close(
        keras_fcn.blobs(keras.models.load_model(tmp_path / "net.keras"), x)["data"], 0.5 * x
    )


def test_arrays_do_not_change(write, tmp_path):
    table = normal(1, 8, 6, 3)

    def build(layer):
        return keras.ops.convert_to_tensor(table), np.float32([4])

    registered_source(build)
    model = keras_fcn.from_caffe(write(SOURCE + CONV % "data"))
    found = keras_fcn.blobs(model, {})
    np.testing.assert_array_equal(found["data"], np.moveaxis(table, -1, 1))
    np.testing.assert_array_equal(found["label"], [4])
    model.save(tmp_path / "net.keras")
    again = keras_fcn.blobs(keras.models.load_model(tmp_path / "net.keras"), {})
    np.testing.assert_array_equal(again["data"], found["data"])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda layer: keras.Input((8, 6, 3)), "1 tensors are made for 2 tops"),
        (
            lambda layer: (keras.Input((8, 6, 4)), keras.Input((8, 6, 1))),
            r"\(None, 4, 8, 6\) in Caffe's order, for top 'data'; .* \(1, 3, 8, 6\)",
        ),
        (lambda layer: (keras.Input((8, 6, 3)), keras.Input((8,))), "for top 'label'"),
    ],
)
def test_a_source_that_makes_other_tops(build, message, write):
    registered_source(build, **SHAPES)
    with pytest.raises(CaffeError, match=message):
        keras_fcn.from_caffe(write(SOURCE + CONV % "data"))


def test_given_shapes_must_be_those_of_the_function(write):
    registered_source(two_inputs)
    path = write(SOURCE + CONV % "data")
    keras_fcn.from_caffe(path, input_shapes={"data": (3, 8, 6), "label": (1, 8, 6)})
    with pytest.raises(CaffeError, match="for top 'data'"):
        keras_fcn.from_caffe(path, input_shapes={"data": (1, 8, 6), "label": (1, 8, 6)})


def test_a_wrong_rule(write):
    registered_source(two_inputs, top_shapes=lambda params, bottoms: (1, 3, 8, 6))
    with pytest.raises(CaffeError, match="top_shapes must give a shape for each of 2 tops"):
        keras_fcn.from_caffe(write(SOURCE + CONV % "data"))


def test_a_function_that_makes_too_few_tops(write):
    registered_identity("MyType", [])
    text = 'layer { name: "x" type: "MyType" bottom: "d" top: "x" top: "y" }'
    with pytest.raises(CaffeError, match=r"layer 'x' \(MyType\): 1 tensors are made for 2 tops"):
        keras_fcn.from_caffe(write(IMAGE + text))


GATED = """layer { name: "g" type: "Gate" bottom: "d" top: "g" gate_param { units: 3 } }
"""


def register_gate(name="{}", **arguments):
    @keras_fcn.register("Gate", **arguments)
    def gate(layer, x):
        made = keras.layers.Dense(
            layer.params.fields["gate_param"]["units"], name=name.format(layer.keras_name)
        )
        return made(x)


def files(tmp_path, kernel, bias):
    path = tmp_path / "net.prototxt"
    path.write_text(IMAGE + GATED + CONV % "g")
    blobs = {"g": [kernel, bias], "conv": [normal(2, 3, 1, 1, seed=3), normal(2, seed=4)]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CaffeWarning)  # the type is not registered yet
        convert.write_caffemodel(tmp_path / "net.caffemodel", path, blobs)
    return path, tmp_path / "net.caffemodel"


def test_weights_of_a_registered_type(tmp_path):
    kernel, bias = normal(3, 3), normal(3, seed=1)
    path, weights = files(tmp_path, kernel, bias)
    register_gate(weights=lambda params, blobs: [blobs[0].T, blobs[1]])
    model = keras_fcn.from_caffe(path, weights)
    x = normal(1, 3, 4, 5)
    wanted = np.einsum("nchw,oc->nohw", x, kernel) + bias[:, None, None]
    assert_close(keras_fcn.blobs(model, x)["g"], wanted)
    convert.convert(path, weights, tmp_path / "net.h5")
    assert_close(keras_fcn.blobs(keras_fcn.from_caffe(path, tmp_path / "net.h5"), x)["g"], wanted)
    model.save(tmp_path / "net.keras")
    assert_close(keras_fcn.blobs(keras.models.load_model(tmp_path / "net.keras"), x)["g"], wanted)
    with pytest.raises(CaffeError, match="weights cannot be written for Caffe"):
        keras_fcn.export(model, tmp_path / "again", "caffe")


def test_weights_as_they_are_go_back(tmp_path):
    kernel, bias = normal(3, 3), normal(3, seed=1)
    path, weights = files(tmp_path, kernel, bias)
    register_gate()
    model = keras_fcn.from_caffe(path, weights)
    np.testing.assert_array_equal(model.get_layer("g").kernel, kernel)
    keras_fcn.export(model, tmp_path / "again", "caffe")
    again = convert.load_weights(tmp_path / "again.caffemodel")
    np.testing.assert_array_equal(again["g"][0], kernel)
    np.testing.assert_array_equal(again["g"][1], bias)


def test_weights_need_the_layers_name(tmp_path):
    path, weights = files(tmp_path, normal(3, 3), normal(3))
    register_gate("other_{}")
    with pytest.raises(WeightsError, match=r"call its Keras layer layer\.keras_name"):
        keras_fcn.from_caffe(path, weights)


def test_weights_of_other_shapes(tmp_path):
    path, weights = files(tmp_path, normal(3, 4), normal(3))
    register_gate()
    with pytest.raises(WeightsError, match="shapes of 'g' differ"):
        keras_fcn.from_caffe(path, weights)


@pytest.mark.filterwarnings("ignore::keras_fcn.caffe.errors.CaffeWarning")
def test_surgery_keeps_the_weights_of_unknown_types(tmp_path):
    kernel, bias = normal(3, 4), normal(3)
    path, weights = files(tmp_path, kernel, bias)
    net = surgery.rename(surgery.open_net(path, weights), {"g": "gate"})
    np.testing.assert_array_equal(net.params["gate"][0], kernel)


def test_registering_twice():
    register_gate()
    with pytest.raises(ValueError, match=r"has a builder already; .* Received: name='Gate'"):
        register_gate()


def test_only_the_inputs_that_are_needed(write, tmp_path):
    registered_source(two_inputs)
    path = write(SOURCE + CONV % "data")
    model = keras_fcn.from_caffe(path, outputs=["conv"], seed=1)
    assert [tensor.name for tensor in model.inputs] == ["data"]
    keras_fcn.export(model, tmp_path / "back", "caffe")
    again = keras_fcn.from_caffe(
        tmp_path / "back.prototxt", tmp_path / "back.caffemodel", outputs=["conv"]
    )
    x = normal(1, 8, 6, 3)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
