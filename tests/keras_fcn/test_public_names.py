"""Public names: found when first used, the same for Python and for type checkers."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.former_names import FORMER
from tests.golden import REPOSITORY

STUBS = sorted(
    stub.parent.relative_to(REPOSITORY).as_posix().replace("/", ".")
    for package in ("convert", "keras_fcn")
    for stub in (REPOSITORY / package).rglob("__init__.pyi")
)
ROOMS = sorted(
    path.stem if path.suffix else path.name
    for path in (REPOSITORY / "keras_fcn").iterdir()
    if not path.name.startswith("_") and (path.suffix == ".py" or (path / "__init__.py").exists())
)


def _printed(script: str, folder: Path | None = None) -> str:
    """What a fresh Python prints."""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_submodules_are_attributes_and_importing_is_light():
    script = (
        "import json, sys, keras_fcn, convert\n"
        "heavy = sorted({'keras', 'tensorflow', 'numpy', 'google'} & set(sys.modules))\n"
        "convert.surgery.TrainedNet, keras_fcn.caffe.errors.CaffeError\n"
        "light = [m for m in ('keras', 'tensorflow') if m in sys.modules]\n"
        "names = [getattr(keras_fcn, room).__name__ for room in sys.argv[1:]]\n"
        "print(json.dumps([heavy, light, names]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *ROOMS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[], [], [f"keras_fcn.{room}" for room in ROOMS]]


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'keras_fcn' has no attribute 'datsets'"):
        _ = keras_fcn.datsets
    with pytest.raises(AttributeError, match=r"module 'convert' has no attribute '__wrapped__'"):
        _ = convert.__wrapped__


@pytest.mark.parametrize("package", STUBS)
def test_every_name_of_a_stub_is_found(package):
    module = import_module(package)
    assert module.__all__
    for statement in ast.parse((Path(module.__file__).with_suffix(".pyi")).read_text()).body:
        for alias in statement.names:
            assert alias.name == "*" or alias.name in dir(module)
            assert alias.asname in (None, alias.name)  # "as": exported for type checkers
    for name in module.__all__:
        assert getattr(module, name) is not None
    scope: dict[str, object] = {}
    exec(f"from {package} import *", scope)
    assert set(module.__all__) <= set(scope)


@pytest.mark.parametrize("package", ["convert", "keras_fcn"])
def test_packages_say_that_they_are_typed(package):
    assert (REPOSITORY / package / "py.typed").is_file()


@pytest.mark.parametrize(("former", "now"), FORMER.items())
def test_former_modules_are_the_modules_of_today(former, now):
    assert import_module(former) is import_module(now)
    package, _, name = former.rpartition(".")
    assert getattr(import_module(package), name) is import_module(now)


def test_former_modules_of_layers():
    script = (
        "from convert.layers import DIALECTS, LAYER_TYPES, UnknownLayer\n"
        "from convert.layers.data import Input\n"
        "import convert.layers.data, keras_fcn.caffe.layers.data as now\n"
        "assert convert.layers.data is now and LAYER_TYPES['Input'] is Input is now.Input\n"
        "from keras_fcn.registry.cache import home\n"
        "import sys; print('keras' in sys.modules, now.__name__, now.__spec__.name)"
    )
    name = "keras_fcn.caffe.layers.data"
    assert _printed(script).split() == ["False", name, name]


_SHADOWS = (
    *("blobs", "caffe", "config", "convert", "core", "data", "datasets", "errors", "graph"),
    *("images", "io_utils", "labels", "layers", "lazy", "model", "models", "net", "network"),
    *("predict", "preprocessing", "proto", "published", "schema", "segment", "solve", "solver"),
    *("surgery", "tasks", "test", "tools", "train", "training", "typing_", "types_", "util"),
    *("utils", "version", "weights"),
)


_NET = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 2 dim: 4 dim: 4 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 3 } }
"""


@pytest.fixture(scope="module")
def shadows(tmp_path_factory):
    """A Caffe user's folder, whose scripts have the names of our modules and raise."""
    folder = tmp_path_factory.mktemp("project")
    for name in _SHADOWS:
        (folder / f"{name}.py").write_text(f"raise SystemExit({name!r})\n")
    net = folder / "deploy.prototxt"
    net.write_text(_NET)
    weights = {"ip": [np.ones((3, 32)), np.zeros(3)]}
    convert.write_caffemodel(folder / "net.caffemodel", net, weights)
    return folder


@pytest.mark.slow
def test_scripts_of_the_user_never_break_an_import(shadows):
    script = (
        "import sys; assert sys.path[0] == ''\n"
        "import keras_fcn\n"
        "model = keras_fcn.from_caffe('deploy.prototxt', 'net.caffemodel')\n"
        "print(model.count_params() > 0, keras_fcn.datasets.Pair.__name__)\n"
    )
    assert _printed(script, shadows).split() == ["True", "Pair"]


@pytest.mark.parametrize(
    "arguments", [("--help",), ("convert", "deploy.prototxt", "net.caffemodel", "-o", "net.h5")]
)
def test_scripts_of_the_user_never_break_a_command(shadows, arguments):
    done = subprocess.run(
        [sys.executable, "-m", "keras_fcn", *arguments],
        cwd=shadows,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
