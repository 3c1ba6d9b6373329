"""Generated source against the model that it was generated from."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path

import h5py
import keras
import numpy as np

import convert
from tests.golden import REPOSITORY, LayerCase, assert_close, to_channels_last

SEED = 5


def built(text: str, weights: Path | None = None) -> keras.Model:
    """The model that a generated module's last function builds, in a namespace of its own."""
    module = types.ModuleType("generated")
    exec(compile(text, "generated.py", "exec"), vars(module))
    *_, function = [x for x in vars(module).values() if isinstance(x, types.FunctionType)]
    return function(None if weights is None else str(weights))


def inputs_of(model: keras.Model, case: LayerCase | None = None) -> list[np.ndarray]:
    """What the case was fed, where the model takes that, else random numbers."""
    rng = np.random.default_rng(SEED)
    fed = []
    for tensor in model.inputs:
        blob = None if case is None else case.inputs.get(model.card.inputs.get(tensor.name))
        if blob is None:
            sizes = [2, *(9 if size is None else size for size in tensor.shape[1:])]
            blob = rng.normal(size=sizes if tensor.shape else ()).astype("float32")
        else:
            blob = to_channels_last(blob)
        fed.append(blob)
    return fed


def outputs_of(model: keras.Model, fed: list[np.ndarray]) -> list[np.ndarray]:
    """What a model makes of them."""
    outputs = model(fed[0] if len(fed) == 1 else fed, training=False)
    return [np.asarray(x) for x in keras.tree.flatten(outputs)]


def assert_same(ours: keras.Model, theirs: keras.Model, case: LayerCase | None = None) -> None:
    """The outputs of both for the same inputs, to 1e-5 of the largest."""
    fed = inputs_of(ours, case)
    expected = outputs_of(ours, fed)
    actual = outputs_of(theirs, fed)
    assert len(actual) == len(expected)
    for pair in zip(actual, expected, strict=True):
        assert_close(*pair)


def converted(case: LayerCase, folder: Path) -> Path | None:
    """The case's weights as the converter's `.h5`; None where it has none."""
    if case.weights is None:
        return None
    convert.convert(case.prototxt, case.weights, folder / "net.h5", partial=True, **case.state)
    return folder / "net.h5"


def fill_rest(theirs: keras.Model, ours: keras.Model, weights: Path | None) -> None:
    """Give layers that the weights file lacks what the fillers of a prototxt gave the model's."""
    stored: set[str] = set()
    if weights is not None:
        with h5py.File(weights) as file:
            stored = {
                name for name, group in file.items() if len(group.attrs.get("weight_names", ()))
            }
    for layer in ours.layers:
        if layer.weights and layer.name not in stored:
            # Caffe's own statistics come behind those that Keras has too.
            for new, old in zip(theirs.get_layer(layer.name).weights, layer.weights, strict=False):
                new.assign(keras.ops.reshape(old, new.shape))


def assert_clean(folder: Path) -> None:
    """Ruff has nothing to say of a folder's files, with the project's settings."""
    ruff = Path(sys.executable).with_name("ruff")
    settings = ["--no-cache", "--config", str(REPOSITORY / "pyproject.toml"), str(folder)]
    for command in (["check"], ["format", "--diff"]):
        done = subprocess.run(
            [ruff, *command, *settings], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
