from __future__ import annotations

import argparse
import dataclasses
import json

import numpy as np
import pytest

import keras_fcn
from keras_fcn.cli import main, parser, training_options
from keras_fcn.cli.data_options import LAYOUTS
from keras_fcn.datasets import LAYOUTS as LOADERS
from keras_fcn.datasets import load_folders, shapes
from keras_fcn.preprocessing.images import load_image
from keras_fcn.training import SegmentationResult, TrainingConfig, config
from keras_fcn.training.schedules import POLICIES
from tests.keras_fcn.datasets import pictures

PROTOTXT = """
name: "Small"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 6 dim: 8 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "score" type: "Convolution" bottom: "conv1" top: "score"
  convolution_param { num_output: 3 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "score" top: "prob" }
"""
QUICK = ("--epochs", 1, "--batch-size", 2, "--samples", 1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A data set, a network, a finished run and the command that made it."""
    folder = tmp_path_factory.mktemp("train")
    data = pictures.write_folders(folder / "data")
    (folder / "net.prototxt").write_text(PROTOTXT)
    command = (
        *("train", data, "--model", folder / "net.prototxt", "--mean", "none"),
        *("--input-scale", "1/256", "-o", folder / "run", *QUICK),
        *("--freeze", "conv1", "--lr-mult", "score=10,0", "--class-weights", "1,2,1"),
        *("--export", "keras"),
    )
    assert main([str(argument) for argument in command]) == 0
    return folder, command


def test_a_run_is_complete(trained):
    folder, _ = trained
    run = folder / "run"
    assert {"config.json", "history.csv", "metrics.json", "metrics.txt", "model.keras"} <= {
        path.name for path in run.iterdir()
    }
    options = json.loads((run / "config.json").read_text())["options"]
    assert options["multipliers"] == {"score/*": [10.0, 0.0]}
    assert options["class_weights"] == [1.0, 2.0, 1.0]
    assert (run / "last.keras").is_file()
    assert not (run / "saved_model").exists()
    (sample,) = (run / "samples").iterdir()
    assert load_image(sample).shape[1] > 3 * 8


def test_the_same_command_again_trains_no_more(run, trained):
    folder, command = trained
    history = (folder / "run" / "history.csv").read_text()
    outcome = run(*command)
    assert outcome.status == 0, outcome
    assert (folder / "run" / "history.csv").read_text() == history
    assert outcome.out.splitlines()[-1] == f"wrote {folder / 'run'}"
    metrics = (folder / "run" / "metrics.txt").read_text()
    assert metrics in outcome.out


@pytest.mark.slow
def test_each_thing_is_said_once(run, trained):
    """The table of the results on stdout, what the run begins with on stderr."""
    folder, command = trained
    (folder / "run2").mkdir()
    outcome = run(*(x if x != folder / "run" else folder / "run2" for x in command))
    assert outcome.out.count("pixel accuracy") == 1
    lines = [" ".join(line.split()) for line in outcome.err.splitlines()]
    for begin in (
        "note: no --weights: net.prototxt starts from random weights",
        "network Small, ",
        "frozen 1 layer, 112 parameters: conv1",
        "classes 3: back, left, right; 255 is void",
        "images BGR 0..255, times 0.00390625",
        "pairs 3 to train on, 2 to validate on",
        "epoch 1/1 learning_rate 0.005",
        "epoch 1 is the best, mean IoU ",
    ):
        assert sum(line.startswith(begin) for line in lines) == 1, begin
    assert "class " not in outcome.err


@pytest.mark.slow
def test_bad_pairs_are_named_with_the_option(run, trained, tmp_path):
    folder, _ = trained
    data = pictures.write_folders(tmp_path / "data")
    (data / "images" / "a.png").write_bytes(b"no picture")
    (data / "masks" / "d.png").unlink()
    net = ("--model", folder / "net.prototxt", "--mean", "none", "--export", "keras", *QUICK)
    error = run("train", data, *net, "-o", tmp_path / "run").error
    assert error.startswith(f"2 of 5 pairs of {data} train and {data} val cannot be used")
    assert "leave them out with --on-bad-pair skip: pair a: " in error
    assert "; pair d: " in error
    assert not (tmp_path / "run").exists()
    outcome = run("train", data, *net, "-o", tmp_path / "run", "--on-bad-pair", "skip")
    assert outcome.status == 0, outcome
    assert "left out 1 of 3 training pairs:\npair a: " in outcome.err
    assert "left out 1 of 2 validation pairs:\npair d: " in outcome.err


def test_another_command_is_refused(run, trained):
    outcome = run(*trained[1], "--learning-rate", "1e-3")
    assert "--learning-rate 0.001 (was 0.01)" in outcome.error
    outcome = run(*trained[1], "--loss", "cross_entropy+dice")
    assert "--loss 'cross_entropy+dice' (was 'cross_entropy')" in outcome.error
    outcome = run(*trained[1], "--samples", 2, "--export", "caffe")
    assert "prototxt" in " ".join(path.name for path in (trained[0] / "run").iterdir())
    assert outcome.status == 0, outcome


@pytest.mark.slow
def test_evaluate_finds_the_figures_of_the_run(run, trained, tmp_path):
    folder, _ = trained
    model = folder / "run" / "model.keras"
    outcome = run("evaluate", folder / "data", "--model", model, "--json", tmp_path / "table.json")
    assert outcome.status == 0, outcome
    written = json.loads((tmp_path / "table.json").read_text())
    expected = json.loads((folder / "run" / "metrics.json").read_text())
    assert written == {key: value for key, value in expected.items() if key != "epoch"}
    result = SegmentationResult.from_dict(written)
    assert outcome.out == f"{folder / 'data'} val: 2 pairs\n{result}\nwrote {tmp_path}/table.json\n"
    # Every pixel of the masks counts once.
    masks = [mask for _, mask in load_folders(folder / "data", "val")]
    np.testing.assert_array_equal(result.label_pixels, np.bincount(np.ravel(masks), minlength=3))


def test_evaluate_any_split_and_any_model(run, trained):
    folder, _ = trained
    net = ("--model", folder / "net.prototxt")
    outcome = run("evaluate", folder / "data", *net, "--split", "train", "--mean", "100,110,120")
    assert outcome.out.startswith(f"{folder / 'data'} train: 3 pairs\n")
    assert "less mean (100, 110, 120)" in outcome.err
    assert "how its images are prepared" in run("evaluate", folder / "data", *net).error
    outcome = run("evaluate", folder / "data", *net, "--mean", "none", "--classes", 7)
    assert "7 classes" in outcome.error


@pytest.mark.slow
def test_bad_pairs_stop_or_are_counted(run, trained, tmp_path):
    folder, _ = trained
    data = pictures.write_folders(tmp_path)
    (data / "images" / "d.png").write_bytes(b"no picture")
    arguments = ("evaluate", data, "--model", folder / "run" / "model.keras")
    assert "d.png" in run(*arguments).error
    assert run(*arguments, "--skip-bad").out.startswith(f"{data} val: 2 pairs, 1 skipped\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--freeze", "conv9*"), "conv9"),
        (("--lr-mult", "conv9=0"), "conv9"),
        (("--lr-policy", "step"), "'step' needs"),
        (("--val-share", "0"), "`share`"),
        (("--scale", "2", "1"), "--scale must"),
        (("--epochs", "0"), "--epochs must be at least 1"),
        (("--warmup-learning-rate", "1"), "--warmup-learning-rate needs --warmup"),
        (("--focal-gamma", "3"), "--focal-gamma is an option of the loss 'focal'"),
        (("--loss", "ohem", "--ohem-threshold", "2"), "--ohem-threshold must be a probability"),
    ],
)
def test_one_line_errors(run, trained, tmp_path, arguments, message):
    folder, _ = trained
    data = pictures.write_folders(tmp_path)
    (data / "val.txt").unlink()
    command = ("train", data, "--model", folder / "net.prototxt", "--mean", "none")
    assert message in run(*command, "-o", tmp_path / "run", *QUICK, *arguments).error


def test_wrong_forms_are_usage_errors(capsys):
    for flag in ("--lr-mult", "--auxiliary", "--class-weights", "--size"):
        with pytest.raises(SystemExit, match="2"):
            main(["train", "x", "--model", "m", "-o", "run", flag, "a:b"])
        assert f"argument {flag}: invalid" in capsys.readouterr().err


@pytest.mark.slow
def test_balance_and_warm_up_of_the_command_line(run, trained, tmp_path):
    given = ["--balance-classes", "--warmup", "20", "--warmup-learning-rate", "1e-4"]
    options = parser().parse_args(["train", "x", "--model", "m", "-o", "run", *given])
    assert training_options.config(options) == {
        "balance_classes": True,
        "warmup": 20,
        "warmup_learning_rate": 1e-4,
    }
    folder, _ = trained
    command = ("train", folder / "data", "--model", folder / "net.prototxt", "--mean", "none")
    command = (*command, *QUICK, "--crop-size", "3x4", "--balance-classes", "--export", "keras")
    outcome = run(*command, "-o", tmp_path / "run", "--warmup", 1)
    assert outcome.status == 0, outcome
    assert "trained on 3x4 of them, drawn by class, 2 in a batch" in outcome.err
    asked = json.loads((tmp_path / "run" / "config.json").read_text())["options"]
    assert (asked["balance_classes"], asked["warmup"]) == (True, 1)
    error = run(*command, "-o", tmp_path / "run").error
    assert "--warmup 0 (was 1)" in error


@pytest.mark.slow
def test_normalization_of_the_command_line(run, trained, tmp_path):
    """Frozen on demand, and told; Scale behind it is a layer of its own."""
    folder, _ = trained
    norm = """
layer { name: "bn" type: "BatchNorm" bottom: "conv1" top: "conv1" }
layer { name: "scale" type: "Scale" bottom: "conv1" top: "conv1" scale_param { bias_term: true } }
layer { name: "score\""""
    (tmp_path / "net.prototxt").write_text(PROTOTXT.replace('\nlayer { name: "score"', norm))
    command = ("train", folder / "data", "--model", tmp_path / "net.prototxt", "--mean", "none")
    command = (*command, "--input-scale", "1/256", *QUICK, "--export", "keras")
    for given, says, moves in [
        (("stored",), "normalization stays frozen: 1 of 1 layers (bn)", False),
        (("auto",), "normalization: 1 of 1 layers normalize by each batch", True),
    ]:
        outcome = run(*command, "--batch-norm", *given, "-o", tmp_path / given[0])
        assert outcome.status == 0, outcome
        assert says in outcome.err
        model = keras_fcn.load(tmp_path / given[0] / "model.keras")
        assert bool(np.any(model.get_layer("bn").moving_mean)) == moves
        assert np.any(model.get_layer("scale").weights[1])
    error = run(*command, "--batch-norm", "auto", "-o", tmp_path / "stored").error
    assert "--batch-norm 'auto' (was 'stored')" in error


def test_losses_of_the_command_line(capsys):
    given = ["--loss", "focal+0.5*dice", "--focal-gamma", "3", "--dice-smoothing", "1"]
    options = parser().parse_args(["train", "x", "--model", "m", "-o", "run", *given])
    chosen = training_options.config(options)
    assert chosen == {"loss": "focal+0.5*dice", "focal_gamma": 3.0, "dice_smoothing": 1.0}
    assert TrainingConfig(**chosen).loss == "focal+0.5*dice"
    with pytest.raises(SystemExit, match="2"):
        main(["train", "x", "--model", "m", "-o", "run", "--loss", "hinge"])
    error = capsys.readouterr().err
    assert "argument --loss: 'hinge' is neither one of cross_entropy, focal, dice," in error


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("conv1=0", ("conv1/*", (0.0, 1.0))),
        ("conv*=1/10,2", ("conv*/*", (0.1, 2.0))),
        ("*/bias=2,0", ("*/bias", (2.0, 0.0))),
    ],
)
def test_multipliers(text, expected):
    assert training_options.multiplier(text) == expected


def test_options_are_those_of_the_package():
    fields = {field.name: field for field in dataclasses.fields(TrainingConfig)}
    assert set(training_options.FIELDS) <= set(fields)
    assert tuple(POLICIES) == config.POLICIES
    assert ("auto", *LOADERS) == LAYOUTS


def test_help_has_the_defaults(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["train", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for name, value in {"epochs": 50, "batch_size": 4, "learning_rate": 0.01}.items():
        assert getattr(TrainingConfig(), name) == value
        assert f"{training_options.FIELDS[name]['help']}; by default {value} " in text
    assert "may be repeated; by default keras saved_model" in text
    for said in (
        "--seed N of all chance; by default 0 ",
        "cross_entropy+0.5*dice; by default cross_entropy ",
        "of focal: 0 is cross entropy; by default 2.0 ",
        "a probability below it; by default 0.7 ",
        "of dice: added above and below; by default 0.0 ",
        "the rate that it rises from; by default 0.0 ",
    ):
        assert said in text
    assert "by default False" not in text
    assert "changing places; by default 0.5" in text
    assert "where the data has no splits; by default 0.2" in text


def test_what_is_not_given_keeps_its_default():
    options = parser().parse_args(["train", "x", "--model", "m", "-o", "run"])
    assert training_options.config(options) == {}
    assert isinstance(options, argparse.Namespace)


@pytest.mark.slow
def test_splits_are_found(run, trained, tmp_path):
    """Without a split for validation a part of the pairs is kept for it; LMDBs have none."""
    folder, _ = trained
    data = pictures.write_folders(tmp_path)
    (data / "val.txt").unlink()
    command = ("train", data, "--model", folder / "net.prototxt", "--mean", "none", *QUICK)
    command = (*command, "--export", "keras")
    outcome = run(*command, "-o", tmp_path / "run", "--val-share", "0.4")
    assert outcome.status == 0, outcome
    asked = json.loads((tmp_path / "run" / "config.json").read_text())["data"]
    assert (asked["train"][1], asked["val"][1]) == (2, 1)
    outcome = run(*command, "-o", tmp_path / "run2", "--val", folder / "data")
    assert outcome.status == 0, outcome
    asked = json.loads((tmp_path / "run2" / "config.json").read_text())["data"]
    assert asked["val"] == [f"{folder / 'data'} val", 2]
    outcome = run(*command[:2], data, *command[2:], "-o", tmp_path / "run3", "--split", "train")
    assert "an LMDB has no splits" in outcome.error


@pytest.mark.slow
def test_enet_from_train_to_segment(run, tmp_path):
    """Normalization trains, and pictures have sizes that it cannot take."""
    data = shapes.write(tmp_path / "data", 4, 1, (29, 37))
    outcome = run(
        "train", data, "--model", "enet", "-o", tmp_path / "run", *QUICK, "--export", "keras"
    )
    assert outcome.status == 0, outcome
    assert "layers normalize by each batch in training" in outcome.err
    trained = tmp_path / "run" / "model.keras"
    table = (tmp_path / "run" / "metrics.txt").read_text()
    outcome = run("evaluate", data, "--split", "val", "--model", trained)
    assert table in outcome.out
    (image,) = [path for path in (data / "images").iterdir() if path.stem.startswith("val")]
    outcome = run("segment", image, "--model", trained, "-o", tmp_path / "labels.png")
    assert outcome.status == 0, outcome
    assert load_image(tmp_path / "labels.png").shape[:2] == (29, 37)
