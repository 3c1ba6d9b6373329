"""The command: ``python -m convert``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import convert
from keras_fcn.caffe.blobs.caffemodel import read_caffemodel
from keras_fcn.caffe.keras_hdf5.writing import WeightsFile
from keras_fcn.cli.convert import main
from keras_fcn.cli.guard import one_line
from tests.keras_fcn.caffe import writer
from tests.keras_fcn.caffe.conftest import SHAPES, SMALL, Files, layers_of

ROOT = Path(__file__).parents[3]


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def command(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "convert", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False, **options)


def test_conversion(small, capsys):
    assert run(small.prototxt, small.caffemodel, "-o", small.output) == 0
    out, err = capsys.readouterr()
    assert out.startswith("layer        type          Caffe blobs  Keras weights  parameters\n")
    assert out.splitlines()[-1] == f"wrote {small.output}"
    assert err == ""
    with WeightsFile(small.output) as file:
        assert list(file) == ["conv1", "block_conv2", "ip1", "ip2"]


def test_caffemodel_alone(small, capsys):
    assert run(small.caffemodel, "-o", small.output) == 0
    assert f"wrote {small.output}" in capsys.readouterr().out


def test_list(small, capsys):
    tables = []
    for files in ((small.caffemodel,), (small.prototxt, small.caffemodel)):
        assert run(*files, "--list") == 0
        out, err = capsys.readouterr()
        assert err == ""
        tables.append(out)
    assert tables[0] == tables[1] == f"{convert.list_layers(small.caffemodel)}\n"
    assert not small.output.exists()


def test_options(small, tmp_path, capsys):
    np.save(tmp_path / "mean.npy", np.arange(3.0))
    options = ("--mean", tmp_path / "mean.npy", "--fully-convolutional", "--quiet")
    assert run(small.prototxt, small.caffemodel, "-o", small.output, *options) == 0
    assert capsys.readouterr() == ("", "")
    with WeightsFile(small.output) as file:
        assert list(file) == ["conv1", "block_conv2", "ip1-conv", "ip2-conv"]
        assert file.mean().tolist() == [0, 1, 2]


def test_rename(small, capsys):
    small.prototxt.write_text(small.prototxt.read_text().replace('name: "ip', 'name: "fc='))
    options = ("--rename", "ip1=fc=1", "--rename", "ip2=fc=2")
    assert run(small.prototxt, small.caffemodel, "-o", small.output, *options, "--quiet") == 0
    assert capsys.readouterr() == ("", "")
    with WeightsFile(small.output) as file:
        assert list(file) == ["conv1", "block_conv2", "fc_1", "fc_2"]
    assert run(small.caffemodel, "--list", "--rename", "ip1=fc6") == 0
    assert "\nfc6 " in capsys.readouterr().out


@pytest.mark.parametrize("pair", ["ip1", "ip1=", "=ip1", "="])
def test_rename_takes_pairs(small, capsys, pair):
    assert run(small.caffemodel, "--list", "--rename", pair) == 1
    assert capsys.readouterr().err == f"error: --rename takes OLD=NEW. Received: {pair}\n"


def test_unknown_fields_are_noted_once(small, capsys):
    small.prototxt.write_text(f"fork: 1\n{small.prototxt.read_text()}\nfork: 2")
    note = f"note: {small.prototxt}:1: NetParameter has no field 'fork'; it is passed over, and "
    for action in (("-o", small.output), ("--list",)):
        assert run(small.prototxt, small.caffemodel, *action, "--quiet") == 0
        err = capsys.readouterr().err
        assert err.startswith(note)
        assert len(err.splitlines()) == 1


def test_notes_go_to_stderr_even_when_quiet(small, capsys):
    small.weights["ip2"][0][0, 0] = np.nan
    small.caffemodel.write_bytes(writer.net("", layers_of(SMALL, small.weights)))
    assert run(small.caffemodel, "-o", small.output, "--quiet") == 0
    assert capsys.readouterr() == ("", "note: ip2/kernel holds NaN\n")


TRAIN_ONLY = """layer { name: "d" type: "Data" top: "data" include { phase: TRAIN stage: "a" } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
        inner_product_param { num_output: 2 } }
"""


def test_state_and_input_of_the_prototxt(tmp_path, capsys):
    prototxt, caffemodel = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    prototxt.write_text(TRAIN_ONLY)
    blobs = [np.ones((2, 60), np.float32), np.zeros(2, np.float32)]
    caffemodel.write_bytes(writer.net("", [writer.layer('name: "ip"', map(writer.blob, blobs))]))
    output = tmp_path / "net.h5"
    assert run(prototxt, caffemodel, "-o", output) == 1
    assert "ask for it with --phase TRAIN --stage a" in capsys.readouterr().err
    state = ("--phase", "train", "--stage", "a")
    assert run(prototxt, caffemodel, "-o", output, *state, "--input", "data=3x4x5") == 0
    capsys.readouterr()
    assert run(prototxt, caffemodel, "-o", output, *state, "--input", "data=3x4x4") == 1
    assert "holds blob 0 of shape (2, 60), the network needs (2, 48)" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["data", "=3x4", "data=3x", "data=3x-1", "data=0x1", "data=3,4"])
def test_malformed_inputs(small, capsys, text):
    with pytest.raises(SystemExit):
        run(small.prototxt, small.caffemodel, "-o", small.output, "--input", text)
    assert "such as data=3x227x227" in capsys.readouterr().err


def test_partial_weights(small, capsys):
    part = read_caffemodel(small.caffemodel)
    blobs = {"conv1": part["conv1"]}
    convert.write_caffemodel(small.caffemodel, small.prototxt, blobs)
    assert run(small.prototxt, small.caffemodel, "-o", small.output) == 1
    assert "--partial" in capsys.readouterr().err
    assert not small.output.exists()
    assert run(small.prototxt, small.caffemodel, "-o", small.output, "--partial") == 0
    assert "'ip2' has no weights in" in capsys.readouterr().err


def test_error_is_one_line(small, capsys):
    small.prototxt.write_text('layer {\n  name: "a"\n  typ: "b"\n}')
    assert run(small.prototxt, small.caffemodel, "-o", small.output) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"error: {small.prototxt}:3: LayerParameter has no field 'typ'; did you mean 'type'?\n"
    )


@pytest.mark.slow
def test_debug_shows_the_traceback(small):
    with pytest.raises(convert.CaffeError, match="No such file"):
        run("none.caffemodel", "--list", "--debug")
    result = command("none.caffemodel", "--list", "--debug")
    assert result.returncode == 1
    assert "Traceback" in result.stderr


def test_unexpected_errors_are_one_line_too(small, capsys, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr("keras_fcn.caffe.conversion.convert.list_layers", fail)
    assert run(small.caffemodel, "--list") == 1
    err = capsys.readouterr().err
    assert err.startswith("error: unexpected RuntimeError: first; second")
    assert "--debug" in err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("a.caffemodel",),
        ("a.prototxt", "b.caffemodel", "c", "--list"),
        ("a.caffemodel", "--list", "-o", "x.h5"),
        ("a.caffemodel", "-o"),
        ("a.caffemodel", "--list", "--no-such-option"),
    ],
)
def test_wrong_use_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2
    assert "usage: python -m convert" in capsys.readouterr().err


def test_help_and_version(capsys):
    for option, text in (("--help", "--fully-convolutional"), ("--version", convert.__version__)):
        with pytest.raises(SystemExit) as caught:
            run(option)
        assert caught.value.code == 0
        assert text in capsys.readouterr().out


def test_options_may_stand_between_the_files(small):
    assert run(small.prototxt, "-o", small.output, small.caffemodel, "--quiet") == 0
    assert small.output.exists()


def test_interrupt(small, monkeypatch, capsys):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("keras_fcn.caffe.conversion.convert.convert", interrupt)
    assert run(small.caffemodel, "-o", small.output) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_one_line():
    assert one_line("a") == "a"
    assert one_line("a:\n  b\n\nc.\nd") == "a: b; c. d"


class _Terminal:
    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass


def test_progress_on_a_terminal(small, monkeypatch):
    monkeypatch.setattr("keras_fcn.cli.convert._PROGRESS_BYTES", 0)
    monkeypatch.setattr("keras_fcn.caffe.io.streaming._BLOCK_BYTES", 300)
    monkeypatch.setattr(sys, "stderr", _Terminal())
    assert run(small.caffemodel, "-o", small.output) == 0
    lines = sys.stderr.text.split("\r")
    assert len(lines) > 7
    assert lines[-1] == "writing 0 of 0 MB\n"


@pytest.mark.slow
def test_as_a_process(small):
    result = command(small.prototxt, small.caffemodel, "-o", small.output)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.endswith(f"wrote {small.output}\n")
    result = command(small.prototxt.with_name("none.caffemodel"), "--list")
    assert (result.returncode, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("error: cannot read ")


@pytest.mark.slow
def test_reader_that_goes_away_is_no_error(small):
    words = f"{sys.executable} -m convert --list {small.caffemodel} | head -c 1"
    result = subprocess.run(
        words, shell=True, capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert result.stdout == "l"
    assert result.stderr == ""


def test_files_of_the_small_network_are_sound(small: Files):
    assert set(small.weights) == set(SHAPES)
