"""What a model knows: kept where it holds, dropped where not, saved in every form."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import re
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.core.card import Card, Source, card_of, update_card
from keras_fcn.core.model import CaffeFunctional, CaffeInfo, CaffeSequential
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.classes import Classes
from keras_fcn.preprocessing.tiles import Tiles

SAVED = Path(__file__).parents[2] / "data" / "saved_models"
MEAN = np.random.default_rng(3).integers(80, 160, (6, 8, 3)).astype(np.float32)
OWN = Preprocessing(size=(12, 16), crop=(6, 8), mean=MEAN, input_scale=0.5)
NAMES = Classes(("road", "sky"), [[128, 64, 128], [70, 130, 180]], ignore=255)
TILES = Tiles(size=(6, 8), margin=1, zoom=2)
FULL = Card(
    "net",
    blobs={"data": ("data", 0), "conv": ("conv", 0)},
    inputs={"data": "data"},
    contents={"conv": ("conv", 0)},
    phase="TRAIN",
    frozen=(("conv", 0),),
    definition={"prototxt": "", "outputs": None, "stages": []},
    preprocessing=OWN,
    classes=NAMES,
    tiles=TILES,
    size=(6, 8),
    source=Source("net.caffemodel", "ab" * 32, "known"),
)
PLACES = {"blobs": {}, "contents": {}, "inputs": {}, "frozen": ()}
FIELDS = {x.name for x in dataclasses.fields(Card)}


def functional(card=FULL):
    x = keras.Input((6, 8, 3), name="data")
    y = keras.layers.Conv2D(2, 1, name="conv")(x)
    return CaffeFunctional(x, keras.layers.Softmax(name="prob")(y), name="net", card=card)


def sequential(card=FULL):
    layers = [keras.Input((6, 8, 3), name="data"), keras.layers.Conv2D(2, 1, name="conv")]
    model = CaffeSequential(layers, name="net")
    model.card = card
    return model


def stored_and_loaded(model, path):
    model.save(path)
    return keras.models.load_model(path, compile=False)


FORMS = {
    "keras": lambda model, folder: stored_and_loaded(model, folder / "net.keras"),
    "h5": lambda model, folder: stored_and_loaded(model, folder / "net.h5"),
    "config": lambda model, folder: type(model).from_config(model.get_config()),
    "json": lambda model, folder: keras.models.model_from_json(model.to_json()),
    "pickle": lambda model, folder: pickle.loads(pickle.dumps(model)),
    "copy": lambda model, folder: copy.deepcopy(model),
}


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5:UserWarning")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("make", [functional, sequential])
def test_every_field_survives_every_form(make, form, tmp_path):
    again = FORMS[form](make(), tmp_path)
    assert again.card == FULL
    assert again.card.preprocessing.mean.dtype == np.float32
    kernel, bias = again.get_layer("conv").weights
    assert (kernel.trainable, bias.trainable) == (False, True)


def test_a_clone_of_a_functional_model_knows_all():
    assert keras.models.clone_model(functional()).card == FULL


def test_an_array_is_stored_as_its_bytes():
    config = functional().get_config()["card"]
    assert len(json.dumps(config["preprocessing"]["mean"])) < 2 * MEAN.nbytes
    mean = np.random.default_rng(0).random((256, 256, 3), np.float32)
    text = json.dumps(Preprocessing(mean=mean).to_config())
    assert len(text) < 1.1e6  # 3.9 MB as lists
    np.testing.assert_array_equal(Preprocessing.from_config(json.loads(text)).mean, mean)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base64": "AAAA"}, "dtype, shape and base64"),
        ({"base64": "?"}, "dtype, shape and base64"),
        ({"dtype": "|O"}, "dtype, shape and base64|of numbers"),
        ({"dtype": "<U2", "base64": "QQAAAEIAAAA=", "shape": [1]}, "of numbers"),
        ({"shape": None}, "dtype, shape and base64"),
    ],
)
def test_a_damaged_array_is_refused(change, message):
    config = OWN.to_config()
    config["mean"] = {**config["mean"], **change}
    with pytest.raises(ValueError, match=message):
        Preprocessing.from_config(config)


@pytest.mark.parametrize("name", ["functional.keras", "functional.h5"])
def test_files_of_the_first_form(name):
    """Whose cards had lists for means, and the name of a data set for classes."""
    model = keras.models.load_model(SAVED / name, compile=False)
    card = model.card
    assert card.preprocessing == OWN
    assert card.classes == Classes.of("pascal_voc")
    assert (card.tiles, card.size, card.phase) == (TILES, (6, 8), "TEST")
    assert card.frozen == (("conv", 0),)
    assert not model.get_layer("conv").weights[0].trainable
    assert card.inputs == {"data": "data"}
    assert card.blobs["prob"] == ("prob", 0)
    x = np.random.default_rng(4).random((1, 6, 8, 3), np.float32)
    sums = model.predict(x, verbose=0).sum((1, 2))[0]
    np.testing.assert_allclose(sums[:3], [2.3903992, 2.2689075, 2.2698853], rtol=1e-5)
    assert set(keras_fcn.blobs(model, x.transpose(0, 3, 1, 2))) == {"data", "conv", "prob"}


def test_a_sequential_file_of_the_first_form():
    model = keras.models.load_model(SAVED / "sequential.keras")
    assert model.card == Card("chain", {"data": ("input_layer", 0)}, preprocessing=OWN)


def test_the_names_of_earlier_versions():
    model = functional()
    assert CaffeInfo is Card
    assert model.caffe is model.card
    model.caffe = Card("other")
    assert model.card == Card("other")
    assert CaffeInfo.from_config({"network": "old"}).network == "old"


def test_a_model_of_keras_has_an_empty_card():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    assert card_of(model) == Card()
    assert "card" not in functional(Card()).get_config()
    update_card(model, classes=NAMES)
    assert card_of(model) == Card(classes=NAMES)


@pytest.mark.parametrize("field", ["preprocessing", "classes", "tiles", "source"])
def test_fields_have_their_types(field):
    with pytest.raises(TypeError, match=f"`{field}`.*Received: {{'mean': 1}}"):
        Card(**{field: {"mean": 1}})
    with pytest.raises(TypeError, match="`card` must be a Card"):
        functional().card = None


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("network", 3, "a str"),
        ("blobs", 3, "a mapping of names to"),
        ("blobs", {"data": ("data", "0")}, "a mapping of names to"),
        ("contents", [1], "a mapping of names to"),
        ("inputs", "x", "a mapping of names to names"),
        ("names", None, "a mapping of names to names"),
        ("phase", "VAL", "'TEST' or 'TRAIN'"),
        ("frozen", "conv", "pairs"),
        ("frozen", [("conv", 0.5)], "pairs"),
        ("size", 5, "(height, width) or None"),
        ("size", (1, 2, 3), "(height, width) or None"),
        ("definition", "layer {}", "Mapping or None"),
    ],
)
def test_fields_that_no_file_could_hold_are_refused(field, value, message):
    expected = f"`{field}` must be {message}"
    with pytest.raises(TypeError, match=re.escape(expected)):
        Card(**{field: value})


def test_lists_become_what_a_loaded_card_has():
    card = Card(frozen=[["conv", 0]], blobs={"data": ["data", 0]}, size=[6, 8])
    assert card == Card(frozen=(("conv", 0),), blobs={"data": ("data", 0)}, size=(6, 8))
    assert Card.from_config(card.to_config()) == card


def test_a_frozen_weight_that_a_layer_lacks_is_named():
    with pytest.raises(ValueError, match=r"layer 'conv' has 2 weights.*\('conv', 2\)"):
        functional().card = Card(frozen=(("conv", 2),))


@pytest.mark.parametrize(
    "options",
    [
        {"names": ()},
        {"names": "road"},
        {"names": ("a", "b"), "palette": [[1, 2, 3]]},
        {"names": ("a",), "palette": [[1, 2, 256]]},
        {"names": ("a",), "palette": [[0.5, 0, 0]]},
    ],
)
def test_classes_refuse(options):
    with pytest.raises(ValueError, match="Received"):
        Classes(**options)


def changed(old, new):
    return {name for name in FIELDS if getattr(old, name) != getattr(new, name)}


def test_what_a_cast_keeps():
    cast = FULL.for_cast(PLACES)
    sizes = {"preprocessing", "tiles", "size", "definition"}
    assert changed(FULL, cast) == sizes | set(PLACES)
    own = cast.preprocessing
    assert (own.size, own.crop, own.input_scale) == (None, None, 0.5)
    np.testing.assert_allclose(own.mean, MEAN.mean(axis=(0, 1)), rtol=1e-6)
    named = dataclasses.replace(FULL, preprocessing=Preprocessing(mean="ilsvrc_2012"))
    assert named.for_cast(PLACES).preprocessing.mean == "ilsvrc_2012_pixel"
    assert Card().for_cast(PLACES) == Card()


def test_what_an_output_stride_keeps():
    kept = FULL.for_output_stride(PLACES, (4, 6))
    assert changed(FULL, kept) == {"tiles", "definition", *PLACES}
    assert kept.tiles == Tiles(size=(6, 8), margin=1, zoom=1)
    assert FULL.for_output_stride(PLACES, (3, 5)).tiles is None
    assert FULL.for_output_stride(PLACES, (4, 3)).tiles is None
    assert Card().for_output_stride(PLACES) == Card()


def test_what_a_new_head_keeps():
    assert changed(FULL, FULL.for_new_head(PLACES)) == {"classes", "source", "definition", *PLACES}
    new = Classes(("cat",))
    assert FULL.for_new_head(PLACES, new).classes == new
    assert Card().for_new_head(PLACES) == Card()


def test_what_an_export_keeps():
    exported = FULL.for_export()
    assert changed(FULL, exported) == {"phase", "definition", *PLACES}
    assert Card().for_export() == Card()
