"""Runs that one can live with: nothing is left by a failed start, and a finished run goes on."""

from __future__ import annotations

import functools
import json

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn import datasets
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.core.model import CaffeFunctional
from keras_fcn.training import fine_tune
from keras_fcn.training.asked import asked_of_data
from keras_fcn.training.config import TrainingConfig
from keras_fcn.training.overview import disk_note, overview
from keras_fcn.training.run_folder import RunFolder
from tests.keras_fcn.training.nets import shapes_data, tiny

OPTIONS = {
    "batch_size": 8,
    "learning_rate": 0.1,
    "exports": ("keras",),
    "samples": 0,
    "tensorboard": False,
    "verbose": False,
}
AUGMENTATION = datasets.Augmentation(scale=(1.0, 1.0), rotation=3)


def never():
    raise AssertionError("the network was built")


def run(folder, data, model=tiny, **options):
    return fine_tune(model, *data, folder, augmentation=AUGMENTATION, **OPTIONS | options)


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A run of one epoch of one update; what it is asked for next must not change it."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    run(folder, data, epochs=1)
    return folder


def content(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.slow
def test_the_configuration_is_plain(finished):
    config = json.loads((finished / "config.json").read_text())
    assert config["data"]["augmentation"] == {
        "name": "Augmentation",
        "scale": [1.0, 1.0],
        "flip": 0.5,
        "rotation": 3,
        "brightness": 0.0,
        "contrast": 0.0,
        "saturation": 0.0,
        "crop_size": None,
        "fill": None,
        "ignore_index": 255,
    }
    assert config["options"]["learning_rate"] == 0.1


def test_functions_are_described_alike_in_every_process(data):
    def described(function):
        return asked_of_data(*data, function)["augmentation"]

    class Mine:
        def __call__(self, image, mask):
            return image, mask

    assert described(None) is None
    assert described(np.flip) == "flip"
    assert "0x" not in described(Mine())
    assert described(functools.partial(np.flip, axis=1)) == {
        "name": "flip",
        "arguments": ["axis=1"],
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 1, "learning_rate": 0.5}, r"options\.learning_rate 0\.5 \(was 0\.1\)"),
        ({"epochs": 1, "seed": 4}, r"options\.seed 4 \(was 0\)"),
        ({"epochs": 9, "crop_size": (16, 16)}, r"options\.crop_size \[16, 16\] \(was None\)"),
    ],
)
def test_what_changes_the_training_is_another_run(options, message, finished, data):
    before = content(finished)
    with pytest.raises(ValueError, match=message):
        run(finished, data, never, **options)
    assert content(finished) == before


def test_a_run_is_not_shortened(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.ask(model={}, data={}, options=TrainingConfig(epochs=30).to_dict())
    folder.begin()
    folder.last.write_bytes(b"")
    with pytest.raises(ValueError, match=r"options\.epochs 29 \(was 30\)"):
        RunFolder(tmp_path / "run").ask(options=TrainingConfig(epochs=29).to_dict())
    # Options that came later have their defaults in runs that do not name them.
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    del config["options"]["normalization"]
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    again = RunFolder(tmp_path / "run")
    again.ask(options=TrainingConfig(epochs=31, samples=9, exports=()).to_dict())
    assert (again.goes_on, again.epochs) == (True, 30)


@pytest.mark.slow
def test_a_finished_run_is_extended(data, tmp_path, capsys):
    run(tmp_path / "run", data, epochs=1)
    result = run(tmp_path / "run", data, epochs=3, exports=("saved_model",), verbose=True)
    told = capsys.readouterr().err
    assert "extended from 1 to 3 epochs: poly falls to 0 at the new end" in told
    assert "goes on at 0.06667" in told
    rates = [row["learning_rate"] for row in result.history]
    np.testing.assert_allclose(rates, [0.1, 0.2 / 3, 0.1 / 3], rtol=1e-6)
    folder = result.run_folder
    assert json.loads((folder / "config.json").read_text())["options"]["epochs"] == 3
    assert (folder / "saved_model" / "saved_model.pb").is_file()
    with np.load(folder / "checkpoints" / "last.npz") as file:
        last = [file[f"network/{index}"] for index in range(6)]
    with np.load(folder / "checkpoints" / "best.npz") as file:
        best = [file[f"network/{index}"] for index in range(6)]
    for name, expected in (("last.keras", last), ("model.keras", best)):
        for one, other in zip(keras_fcn.load(folder / name).get_weights(), expected, strict=True):
            np.testing.assert_array_equal(one, other)


class Fails(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        raise RuntimeError("out of memory")


@pytest.mark.slow
def test_a_failed_start_leaves_no_folder(data, tmp_path):
    with pytest.raises(RuntimeError, match="out of memory"):
        run(tmp_path / "new" / "run", data, callbacks=[Fails()], tensorboard=True)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "mine.txt").write_text("mine")
    for options, message in [
        ({"freeze": ("fc9",)}, "no layer matches"),
        ({"exports": ("caffe",)}, "train it with `crop_size`"),
        ({"exports": ("tflite!",)}, "`exports` are of"),
    ]:
        with pytest.raises(ValueError, match=message):
            run(tmp_path / "old", data, **options)
    assert not (tmp_path / "new").exists()
    assert content(tmp_path) == {"old/mine.txt": b"mine"}


class Own(keras.layers.Layer):
    """No layer that Caffe knows."""

    def call(self, x):
        return x * 1


def test_exports_are_tried_first(data, tmp_path):
    def no_caffe():
        model = tiny()
        return CaffeFunctional(model.inputs, Own(name="odd")(model.output), card=model.card)

    for form in ("caffe", "onnx"):
        with pytest.raises(CaffeError, match="odd"):
            run(tmp_path / "run", data, no_caffe, exports=("keras", form), crop_size=(32, 32))
    assert not (tmp_path / "run").exists()


def test_all_bad_pairs_are_named_before_the_network_is_built(tmp_path):
    data = shapes_data(tmp_path / "shapes")
    images = tmp_path / "shapes" / "images"
    (images / "train_0003.png").write_bytes(b"no image")
    (images / "train_0005.png").unlink()
    (images / "val_0001.png").unlink()
    with pytest.raises(ValueError, match="3 of 11 pairs") as error:
        run(tmp_path / "run", data, never)
    text = str(error.value)
    assert 'on_bad_pair="skip"' in text
    assert all(name in text for name in ("train_0003", "train_0005", "val_0001"))
    assert not (tmp_path / "run").exists()


def test_overwriting(finished, data, tmp_path):
    (tmp_path / "thesis.txt").write_text("years")
    with pytest.raises(ValueError, match=r"not the folder of a run, and has thesis\.txt"):
        run(tmp_path, data, never, overwrite=True)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"not the folder of a run, and has config\.json"):
        run(tmp_path, data, never)
    before = content(finished)
    with pytest.raises(AssertionError, match="was built"):
        run(finished, data, never, overwrite=True, learning_rate=0.2)
    assert content(finished) == before


def test_folders_that_cannot_hold_a_run(tmp_path):
    (tmp_path / "file").write_text("text")
    for path in ("file", "file/below/run"):
        with pytest.raises(ValueError, match=r"file is a file; a run needs a folder"):
            RunFolder(tmp_path / path)
    (tmp_path / "config.json").write_text('{"model": {}, "data": {}, "options": {"epochs": 9}}')
    assert not RunFolder(tmp_path).goes_on  # one that never made an update
    (tmp_path / "history.csv").write_text("epoch")
    with pytest.raises(ValueError, match="whose checkpoints are gone"):
        RunFolder(tmp_path)
    assert not RunFolder(tmp_path, overwrite=True).goes_on


@pytest.mark.slow
def test_an_overwritten_run_begins_anew(data, tmp_path):
    for name in ("config.json", "history.csv", "model.onnx", "saved_model/x.pb", "mine.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("old")
    (tmp_path / "config.json").write_text('{"model": {}, "data": {}, "options": {"epochs": 9}}')
    result = run(tmp_path, data, epochs=1, overwrite=True, exports=())
    assert [row["epoch"] for row in result.history] == [1]
    assert {path.name for path in tmp_path.iterdir()} == {
        *("mine.txt", "config.json", "history.csv", "metrics.txt", "metrics.json"),
        *("checkpoints", "samples"),
    }
    assert (tmp_path / "history.csv").read_text() != "old"


def test_what_a_run_begins_with_is_told(data, tmp_path):
    tiny(7).save(tmp_path / "seven.keras")
    given = keras_fcn.load(tmp_path / "seven.keras")
    model = keras_fcn.replace_head(given, 4)
    model.get_layer("conv1").trainable = False
    config = TrainingConfig(
        crop_size=(24, 16), batch_size=2, auxiliary={"conv1": 0.4}, loss="focal", focal_gamma=3.0
    )
    train, val = data
    train = train.subset(train.pairs)
    train.bad_pairs["train_0001"] = "pair train_0001: damaged"
    text = overview(given, model, train, val, config)
    assert text.splitlines() == [
        "network       tiny, 844 parameters in 3 layers",
        f"loaded        2 layers, 808 parameters, from {tmp_path}/seven.keras",
        "new           1 layer, 36 parameters: score",
        "frozen        1 layer, 224 parameters: conv1",
        "second heads  conv1",
        "loss          focal, focal_gamma 3.0",
        "rate          learning_rate 0.01, poly, falls to 0 at the run's end",
        "classes       4: background, disc, square, triangle; 255 is void",
        "images        BGR 0..255, less mean (110, 110, 110), times 0.015625",
        "sizes         as they are prepared, trained on 24x16 of them, 2 in a batch",
        "pairs         8 (1 left out) to train on, 3 to validate on",
    ]
    rows = dict(
        line.split(None, 1) for line in overview(tiny(), tiny(), *data, config).splitlines()
    )
    assert rows["loaded"] == "no file that is known: weights are as the model has them"


def test_a_head_from_surgery_is_new_until_it_is_trained(data, tmp_path):
    tiny(7).save(tmp_path / "seven.keras")
    model = keras_fcn.replace_head(keras_fcn.load(tmp_path / "seven.keras"), 4)
    config = TrainingConfig(
        lr_policy="step", gamma=0.1, stepsize=5, learning_rate=1e-3, warmup=3, crop_size=(24, 16)
    )

    def told():
        text = overview(model, model, *data, config)
        return dict(line.split(None, 1) for line in text.splitlines())

    rows = told()
    assert rows["new"] == "1 layer, 36 parameters: score"
    assert rows["loaded"].startswith("2 layers, 808 parameters, from ")
    assert "not" not in rows
    assert rows["rate"] == (
        "learning_rate 0.001, step, gamma 0.1, stepsize 5; warmed up over 3 updates from 0"
    )
    model.get_layer("score").bias.assign([1.0, 0.0, 0.0, 0.0])
    rows = told()
    assert rows["new"] == "nothing"
    assert rows["not"].split(None, 1) == ["loaded", "1 layer, 36 parameters: score"]


def test_disk_is_told_where_it_is_much(tmp_path):
    class Big:
        def __init__(self, count):
            self.shape, self.dtype = (count,), "float32"

    weights = {"network": [Big(10**8)], "solver": [Big(10**8)]}
    note = disk_note(tmp_path / "run", weights, TrainingConfig(exports=("keras", "caffe")))
    assert "will take up to 3.2 GB" in note
    small = {"network": [Big(10**6)], "solver": []}
    assert disk_note(tmp_path / "run", small, TrainingConfig()) is None
