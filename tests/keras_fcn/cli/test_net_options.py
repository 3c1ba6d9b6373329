"""The options on how a prototxt is read: one set for all commands."""

from __future__ import annotations

import pytest

from keras_fcn.cli import main, parser
from keras_fcn.cli.loading import model_loader

NET = """layer { name: "d" type: "Data" top: "data" top: "label" include { stage: "go" } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
        inner_product_param { num_output: 2 } }
layer { name: "relu" type: "ReLU" bottom: "ip" top: "relu" }
"""
COMMANDS = {
    "convert": ("net.prototxt", "net.caffemodel", "-o", "net.h5"),
    "inspect": ("net.prototxt",),
    "predict": ("cat.jpg", "--model", "net.prototxt"),
    "segment": ("cat.jpg", "--prototxt", "net.prototxt", "-o", "out.png"),
    "export": ("net.prototxt", "-o", "net.keras"),
    "train": ("folder", "--model", "net.prototxt", "-o", "run"),
    "evaluate": ("folder", "--model", "net.prototxt"),
}
STAGES = ("--stage", "go, fast", "--stage", "on")
STATE = ("--phase", "train", "--level", "2", *STAGES, "--input", "data=3x?x4")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_reads_a_prototxt_has_them(command):
    given = parser().parse_args([command, *COMMANDS[command], *STATE, "--input", "label="])
    assert (given.phase, given.level, given.stage) == ("TRAIN", 2, ["go", "fast", "on"])
    assert given.input == [("data", (3, None, 4)), ("label", ())]


@pytest.fixture
def path(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    return str(tmp_path / "net.prototxt")


def test_inspect(path, capsys):
    assert main(["inspect", path]) == 1
    assert "ask for it with --stage go" in capsys.readouterr().err
    assert main(["inspect", path, "--stage", "go", "--input", "data=3x4x5"]) == 0
    assert "data (None, 3, 4, 5), label (None,)" in capsys.readouterr().out
    outputs = ("--output-blob", "ip", "--output-blob", "data")
    assert main(["inspect", path, "--stage", "go", "--input", "data=3x4x5", *outputs]) == 0
    assert "outputs   ip (None, 2), data (None, 3, 4, 5)\n" in capsys.readouterr().out
    twice = ("--input", "data=3x4x5", "--input", "data=3x4x5")
    assert main(["inspect", path, *twice]) == 1
    assert "--input gives the sizes of 'data' twice" in capsys.readouterr().err


def test_a_model_of_a_prototxt(path):
    net = {"stages": ["go"], "input_shapes": {"data": (3, 4, 5)}, "outputs": ["ip"]}
    model = model_loader(path, None, net)()
    assert [x.shape for x in (*model.inputs, *model.outputs)] == [(None, 4, 5, 3), (None, 2)]


@pytest.mark.parametrize("model", ["lenet", "net.keras"])
def test_they_are_for_a_prototxt_only(tmp_path, model, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.keras").touch()
    with pytest.raises(ValueError, match="--stage, --output-blob: for a prototxt only"):
        model_loader(model, None, {"stages": ["go"], "outputs": ["ip"]})


def test_export(path, tmp_path):
    output = tmp_path / "net.keras"
    state = ("--stage", "go", "--input", "data=3x4x5", "--output-blob", "ip")
    assert main(["export", path, "-o", str(output), *state]) == 0
    assert output.exists()
