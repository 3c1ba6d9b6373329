from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.builder import BUILDERS
from keras_fcn.caffe.errors import CaffeError, UnsupportedLayerError
from keras_fcn.caffe.layers import LAYER_TYPES
from tests.keras_fcn.datasets.data_layers.nets import batches, same, source

PYTHON = """type: "Python" top: "data" top: "label"
    python_param { module: "voc_layers" layer: "VOCSegDataLayer" param_str: "{'step': 2}" }"""


@pytest.fixture(autouse=True)
def _registries():
    """What a test registers is forgotten after it."""
    kept = [(registry, dict(registry)) for registry in (LAYER_TYPES, BUILDERS)]
    yield
    for registry, before in kept:
        registry.clear()
        registry.update(before)


def numbered(layer, phase, random):
    count = 0
    while True:
        yield random.normal(size=(1, 3, 2, 2 + count % 2)), np.full((1,), count)
        count += 1


class Counting:
    """As a user of pycaffe writes it."""

    def setup(self, bottom, top):
        assert not bottom
        assert len(top) == 2
        self.step = int(self.param_str.split(":")[1].strip(" }"))
        self.count = 0

    def reshape(self, bottom, top):
        self.data = np.full((3, 2, 2), self.count)
        top[0].reshape(1, *self.data.shape)
        top[1].reshape(1)

    def forward(self, bottom, top):
        top[0].data[...] = self.data
        top[1].data[...] = self.phase
        self.count += self.step


def test_a_generator_function_makes_the_batches(tmp_path):
    keras_fcn.register("VOCSegDataLayer")(numbered)
    with source(tmp_path, PYTHON) as opened, source(tmp_path, PYTHON, seed=5) as other:
        assert opened.shapes == {"data": (1, 3, 2, 2), "label": (1,)}
        found = batches(opened, 3)
        assert [batch["label"].tolist() for batch in found] == [[0], [1], [2]]
        assert found[0]["data"].dtype == np.float32
        state = opened.state()
        expected = batches(opened, 3)
        assert not same(other.next(), found[0])
        other.restore(state)
        assert same(batches(other, 3), expected)


@pytest.mark.parametrize(("phase", "number"), [("TRAIN", 0), ("TEST", 1)])
def test_a_layer_of_pycaffe_makes_them(tmp_path, phase, number):
    keras_fcn.register("VOCSegDataLayer")(Counting)
    with source(tmp_path, PYTHON, phase) as opened:
        assert opened.shapes == {"data": (1, 3, 2, 2), "label": (1,)}
        found = batches(opened, 3)
    assert [batch["data"].max() for batch in found] == [0, 2, 4]
    assert [batch["label"].tolist() for batch in found] == [[number]] * 3


def test_the_network_has_inputs_for_them(tmp_path):
    """Their shapes are those that a rule tells, or that are given."""
    keras_fcn.register("VOCSegDataLayer")(numbered)
    path = tmp_path / "net.prototxt"
    path.write_text(
        f'layer {{ name: "data" {PYTHON} }} layer {{ name: "c" type: "Convolution" bottom: "data" '
        'top: "c" convolution_param { num_output: 2 kernel_size: 1 } }'
    )
    model = keras_fcn.from_caffe(path, input_shapes={"data": (3, None, None)})
    assert [tensor.name for tensor in model.inputs] == ["data", "label"]
    assert isinstance(model, keras.Model)


@pytest.mark.parametrize(
    ("yielded", "message"),
    [
        ([], "ended after 0 batches"),
        ([np.zeros(1)], "yields 1 arrays for the 2 tops data, label"),
        ([(np.zeros(1),) * 3], "yields 3 arrays for the 2 tops"),
    ],
)
def test_what_is_yielded_must_fit(tmp_path, yielded, message):
    def made(layer, phase, random):
        yield from yielded

    keras_fcn.register("VOCSegDataLayer")(made)
    with pytest.raises(CaffeError, match=message):
        source(tmp_path, PYTHON)


def test_one_that_ends_says_so(tmp_path):
    def made(layer, phase, random):
        yield np.zeros(1), np.zeros(1)

    keras_fcn.register("VOCSegDataLayer")(made)
    with source(tmp_path, PYTHON) as opened:
        opened.next()
        with pytest.raises(CaffeError, match="ended after 1 batches; it must yield them without"):
            opened.next()


def test_nothing_is_made_again_before_it_is_asked_for(tmp_path):
    """The end of a long training is not the time to go through it once more."""
    made = []

    def counted(layer, phase, random):
        while True:
            made.append(len(made))
            yield np.zeros(1), np.zeros(1)

    keras_fcn.register("VOCSegDataLayer")(counted)
    with source(tmp_path, PYTHON) as opened:
        batches(opened, 5)
        assert len(made) == 5
    assert len(made) == 5


def test_what_is_not_registered_says_what_to_register(tmp_path):
    with pytest.raises(UnsupportedLayerError, match=r"@keras_fcn\.register\('VOCSegDataLayer'\)"):
        source(tmp_path, PYTHON)
