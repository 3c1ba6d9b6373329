"""TensorFlow's start-up lines stay off the terminal, whatever is set."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from keras_fcn.startup import quiet_tensorflow
from tests import import_graph

_EXAMPLES = Path(__file__).parents[2] / "examples"


def _stderr_of(*command, **environment):
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TF_CPP")}
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


_LOAD = """
import os, sys
import keras_fcn
import keras
import tensorflow as tf
tf.config.list_physical_devices("GPU")
tf.zeros(1)
assert os.environ.get("TF_CPP_MIN_LOG_LEVEL") == (sys.argv[1:] or [None])[0]
"""


@pytest.mark.slow
def test_python_prints_nothing():
    assert _stderr_of("-c", _LOAD) == ""


@pytest.mark.parametrize("level", [None, "0"])
def test_the_users_log_level_stands_again(level, monkeypatch):
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.delenv("TF_CPP_MAX_VLOG_LEVEL", raising=False)
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    if level is not None:
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
    with quiet_tensorflow():
        assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3"
    assert os.environ.get("TF_CPP_MIN_LOG_LEVEL") == level


@pytest.mark.slow
def test_commands_print_their_own_lines_only(tmp_path):
    command = ("-m", "keras_fcn", "export", "lenet", "-o", tmp_path / "lenet.keras")
    assert _stderr_of(*command, TF_CPP_MIN_LOG_LEVEL="0").splitlines() == [
        "keras-fcn runs on CPU (TensorFlow sees no GPU)",
        "note: no --weights: LeNet has random weights",
    ]


def test_lines_of_others_are_kept():
    script = (
        "import os, sys\n"
        "from keras_fcn.startup import quiet_tensorflow\n"
        "with quiet_tensorflow():\n"
        "    os.write(2, b'I0000 00:00:1795773762.8 6201 cudart_stub.cc:31] no GPU\\n')\n"
        "    print('a warning of mine', file=sys.stderr)\n"
        "    os.write(2, b'no line end')\n"
    )
    assert _stderr_of("-c", script) == "a warning of mine\nno line end"


def test_more_of_tensorflow_can_be_asked_for():
    script = (
        "import os\n"
        "from keras_fcn.startup import quiet_tensorflow\n"
        "with quiet_tensorflow():\n"
        "    os.write(2, b'I0000 00:00:1795773762.8 6201 file.cc:31] text\\n')\n"
    )
    assert "file.cc:31" in _stderr_of("-c", script, TF_CPP_MAX_VLOG_LEVEL="0")


def test_without_stderr():
    script = (
        "import os\n"
        "os.close(2)\n"
        "from keras_fcn.startup import quiet_tensorflow\n"
        "with quiet_tensorflow():\n"
        "    print('inside')\n"
    )
    assert _stderr_of("-c", script) == ""


_PARTS = 8  # each within the time that a test has
_FIRST = """
import importlib, importlib.util, sys
import keras  # loaded once; below it only looks as if it were not
for module in sys.argv[1:]:
    for name in [x for x in sys.modules if x == "keras" or x.partition(".")[0] == "keras_fcn"]:
        del sys.modules[name]
    sys.meta_path[:] = [x for x in sys.meta_path if not type(x).__module__.startswith("keras_fcn")]
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:  # what is for another backend needs that backend
        if error.name not in {"jax", "torch"} or importlib.util.find_spec(error.name):
            raise
    if "keras" in sys.modules:
        assert "keras_fcn.core.model" in sys.modules and "keras_fcn.layers" in sys.modules, module
"""


@pytest.mark.slow
@pytest.mark.parametrize("part", range(_PARTS))
def test_any_module_may_be_imported_first(part):
    known = sorted(import_graph.modules(packages=["keras_fcn"]))
    names = [name for name in known if not name.endswith("__main__")]
    _stderr_of("-c", _FIRST, *names[part::_PARTS])


@pytest.mark.parametrize("path", sorted(_EXAMPLES.rglob("*.py")), ids=lambda path: path.stem)
def test_examples_load_keras_through_keras_fcn(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    roots = []
    for node in tree.body:
        if isinstance(node, ast.Import):
            roots += [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            roots.append((node.module or "").partition(".")[0])
    heavy = [root for root in roots if root in {"keras", "tensorflow", "keras_fcn"}]
    assert heavy[:1] in ([], ["keras_fcn"])
