"""What is found out about a model is found once, again where the model has changed, and goes
with it."""

from __future__ import annotations

import gc
import weakref

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn import kept as module
from keras_fcn.graph.calls import calls
from keras_fcn.graph.receptive_fields import output_field
from keras_fcn.inference.tasks import classifies_at, find_task
from keras_fcn.kept import kept


def network(stride: int = 2) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(4, 3, strides=stride, name="conv"),
            keras.layers.Conv2D(2, 1, activation="softmax", name="score"),
        ]
    )


@pytest.fixture
def asked():
    """Finds a model's kernel sizes; the list has an element for each time that it did."""
    times = []

    @kept
    def sizes(model, factor=1):
        times.append(factor)
        return [factor * layer.kernel_size[0] for layer in model.layers]

    return sizes, times


def test_found_once(asked):
    sizes, times = asked
    model, other = network(), network()
    for _ in range(3):
        assert sizes(model) == [3, 1]
        assert sizes(model, 2) == sizes(model, factor=2) == [6, 2]
        assert sizes(other) == [3, 1]
    assert len(times) == 4  # one and two of the first, in two ways; one of the other


def test_found_again_where_the_model_has_changed(asked):
    sizes, times = asked
    model = network()
    sizes(model)
    model.layers[0].kernel.assign(model.layers[0].kernel.value + 1)
    sizes(model)
    assert len(times) == 1
    model.layers[0].kernel_size = (5, 5)
    assert sizes(model) == [5, 1]
    model.pop()
    assert sizes(model) == [5]
    assert len(times) == 3


def test_answers_are_bounded(asked):
    sizes, _ = asked
    model = network()
    for factor in range(200):
        assert sizes(model, factor)[1] == factor
    assert len(model._findings.findings) <= module._MOST


def test_models_without_a_graph(asked):
    sizes, times = asked
    unbuilt = keras.Sequential([keras.layers.Conv2D(4, 3)])
    for _ in range(2):
        assert sizes(unbuilt) == [3]
    assert len(times) == 2


def test_the_model_goes_with_what_is_kept(tmp_path):
    model = network()
    keras_fcn.blobs(model, np.zeros((1, 3, 9, 9), "f4"))
    output_field(model)
    find_task(model)
    model.save(tmp_path / "net.keras")
    assert find_task(keras.models.load_model(tmp_path / "net.keras")).kind == "map"
    gone = weakref.ref(model), weakref.ref(model._probes.probes[0])
    del model
    gc.collect()
    assert [ref() for ref in gone] == [None, None]


def test_tasks_and_fields_walk_the_graph_once(monkeypatch):
    walks = []

    def counted(model):
        walks.append(model.name)
        return calls(model)

    monkeypatch.setattr("keras_fcn.graph.receptive_fields.calls", counted)
    monkeypatch.setattr("keras_fcn.inference.tasks.calls_of", counted)
    model = network()
    field, task = output_field(model), find_task(model)
    assert (field.size, field.stride, task.kind) == ((3, 3), (2, 2), "map")
    assert not classifies_at(model, (9, 9))
    once = len(walks)
    for _ in range(3):
        assert output_field(model) == field
        assert find_task(model) == task
        assert not classifies_at(model, (9, 9))
    assert len(walks) == once
    model.layers[0].strides = (3, 3)
    assert output_field(model).stride == (3, 3)


def test_segmenting_many_images_looks_at_the_network_once(monkeypatch):
    walks = []

    def counted(model):
        walks.append(model.name)
        return calls(model)

    monkeypatch.setattr("keras_fcn.graph.receptive_fields.calls", counted)
    model = network()
    preprocessing = keras_fcn.preprocessing.Preprocessing(mean=None)
    for _ in range(3):
        keras_fcn.segment(model, np.zeros((9, 9, 3), "f4"), preprocessing=preprocessing)
    assert len(walks) == 1


def test_blobs_make_one_model(monkeypatch):
    made = []
    init = keras_fcn.core.model.CaffeFunctional.__init__

    def counted(self, *args, **kwargs):
        made.append(self)
        init(self, *args, **kwargs)

    model = network()
    monkeypatch.setattr(keras_fcn.core.model.CaffeFunctional, "__init__", counted)
    for side in (9, 9, 11, 9):
        keras_fcn.blobs(model, np.zeros((1, 3, side, side), "f4"))
    assert len(made) == 1
