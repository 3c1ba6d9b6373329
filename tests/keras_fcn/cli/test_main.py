from __future__ import annotations

import subprocess
import sys

import pytest

from keras_fcn import cli
from keras_fcn.cli import main
from keras_fcn.cli.guard import one_line
from keras_fcn.version import __version__
from tests.golden import layer_case


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"keras-fcn {__version__}\n"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_help_has_an_example_that_parses(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    example = capsys.readouterr().out.partition("example:\n")[2].strip()
    program, *arguments = example.split()
    assert program == "keras-fcn"
    assert arguments[0] == name
    assert cli.parser().parse_args(arguments).run is cli.COMMANDS[name].run


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["frobnicate"],
        ["convert", "net.caffemodel"],
        ["convert", "net.caffemodel", "--list", "-o", "net.h5"],
        ["convert", "a.prototxt", "b.caffemodel", "c", "-o", "net.h5"],
        ["inspect"],
        ["inspect", "net.prototxt", "--phase", "sometimes"],
        ["predict", "cat.jpg"],
        ["predict", "--model", "lenet"],
        ["predict", "cat.jpg", "--model", "lenet", "--size", "large"],
        ["predict", "cat.jpg", "--model", "lenet", "--size", "0x9"],
        ["predict", "cat.jpg", "--model", "lenet", "--raw-scale", "1/0/0"],
        ["export", "lenet"],
        ["export", "lenet", "-o", "x", "--format", "caffe2"],
    ],
    ids=" ".join,
)
def test_wrong_command_line_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "error: " in capsys.readouterr().err.splitlines()[-1]


def _raising(error):
    def work(options):
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (ValueError("two\nlines"), 1, "error: two; lines"),
        (FileNotFoundError(2, "No such file", "x.png"), 1, "error: x.png: No such file"),
        (
            RuntimeError("boom"),
            1,
            "error: unexpected RuntimeError: boom (--debug shows all of it)",
        ),
    ],
)
def test_errors_are_one_line(error, status, line, monkeypatch, capsys):
    monkeypatch.setattr(cli.inspect, "run", _raising(error))
    assert main(["inspect", "net.prototxt"]) == status
    assert capsys.readouterr().err == f"{line}\n"


def test_debug_shows_the_traceback(monkeypatch):
    monkeypatch.setattr(cli.inspect, "run", _raising(RuntimeError("boom")))
    with pytest.raises(RuntimeError, match="boom"):
        main(["inspect", "net.prototxt", "--debug"])


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("One line.", "One line."),
        ("None fits.\n\nmissing: a\n  new:\n  b", "None fits. missing: a; new: b"),
        ("", ""),
    ],
)
def test_one_line(message, line):
    assert one_line(message) == line


@pytest.mark.slow
def test_reader_that_leaves_is_no_error_to_show():
    command = [sys.executable, "-m", "keras_fcn", "inspect", layer_case("graph_lenet").prototxt]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), err) == (1, b"")


def test_convert_and_inspect_import_neither_tensorflow_nor_keras(tmp_path):
    case = layer_case("graph_lenet")
    script = (
        "import sys\n"
        "from keras_fcn.cli import main\n"
        "net, weights, out = sys.argv[1:]\n"
        "assert main(['convert', net, weights, '-o', out, '--quiet']) == 0\n"
        "assert 'rich' not in sys.modules\n"
        "assert main(['convert', net, weights, '-o', out]) == 0\n"
        "assert main(['inspect', net, weights]) == 0\n"
        "assert main(['inspect', weights]) == 0\n"
        "assert main(['inspect', out]) == 0\n"
        "print({'tensorflow', 'keras', 'PIL'} & set(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, case.prototxt, case.weights, tmp_path / "net.h5"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1] == "set()"


def test_parsing_imports_no_numpy():
    script = "import sys, keras_fcn.cli; keras_fcn.cli.parser(); print('numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout == "False\n"


def test_the_script_of_the_converter_loads_no_other_command():
    code = "import sys; import convert.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name for name in done.stdout.split() if name.startswith("keras_fcn.cli.")}
    assert "keras_fcn.cli.convert" in loaded
    assert loaded.isdisjoint(f"keras_fcn.cli.{name}" for name in {*cli.COMMANDS} - {"convert"})
