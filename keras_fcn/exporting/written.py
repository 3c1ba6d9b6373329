"""What was written, loaded again in its own runtime and compared with the model."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from keras_fcn.builder import from_caffe
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.names import net_files
from keras_fcn.caffe.words import either
from keras_fcn.engines.comparing import difference
from keras_fcn.errors import plain_reason
from keras_fcn.exporting.comparing import made_up, removed_where_wrong
from keras_fcn.exporting.running import Run, model_outputs, run_litert, run_saved_model
from keras_fcn.graph.ends import output_names
from keras_fcn.inference.inspection import to_caffe_order, to_channels_last
from keras_fcn.to_caffe.open_sizes import whole_shapes

__all__ = ["CHECKED", "check_form"]

Array = npt.NDArray[Any]
Shapes = Mapping[str, Sequence[int | None]]
_FLEX = re.compile(r"Select TensorFlow op.*Node number \d+ \((\w+)\)", re.DOTALL)
_FACTORS = (1.0, 0.01)
"""Of the inputs: large ones may only show which class wins."""


def check_form(form: str, path: Path, model: keras.Model, input_shapes: Shapes) -> None:
    """Load what was written, run it on made-up inputs, and compare its outputs.

    Args:
        form: one of `CHECKED`.
        path: what was written; where it is wrong it is removed.
        model: the model that it is of.
        input_shapes: input -> sizes that it was written for, in Caffe's axis order.

    Raises:
        CaffeError: it does not load or run, or its outputs are others; output, position and both
            values are told.
    """
    program, load = CHECKED[form]
    shapes = whole_shapes(model, input_shapes)
    files = net_files(path) if form == "caffe" else (path,)
    made = [to_channels_last(x) for x in made_up(shapes, ()).values()]
    batches = [[x * np.float32(factor) for x in made] for factor in _FACTORS]
    with removed_where_wrong(*files):
        try:
            run = load(path, model)
            results = [run(fed) for fed in batches]
        except Exception as error:  # each program's own, which have no common class
            raise CaffeError(f"{path}: {program} {_reason(error)}") from error
        for fed, found in zip(batches, results, strict=True):
            _check(path, model, program, found, model_outputs(model, fed))


def _reason(error: Exception) -> str:
    """Why a program does not run what was written."""
    found = _FLEX.search(str(error))
    if found is None:
        return f"does not run it: {plain_reason(error)}"
    return (
        f"does not run it here: it lacks {found[1]}, an operator of TensorFlow's; "
        f"{either('verify=False', '--no-check')} keeps the file, for where the Flex delegate is"
    )


def _check(
    path: Path,
    model: keras.Model,
    program: str,
    found: Sequence[Array],
    wanted: Sequence[Array],
) -> None:
    if len(found) != len(wanted):
        raise CaffeError(
            f"{path}: it has {len(found)} outputs in {program}, and the model {len(wanted)}; "
            "the file is not this network"
        )
    for name, one, other in zip(output_names(model), found, wanted, strict=True):
        difference(name, _caffe(one), _caffe(other), place=str(path), engine=program)


def _caffe(array: Any) -> Array:
    return to_caffe_order(np.asarray(array))


def _keras(path: Path, model: keras.Model) -> Run:
    return partial(model_outputs, keras.models.load_model(path))


def _caffe_files(path: Path, model: keras.Model) -> Run:
    return partial(model_outputs, from_caffe(*net_files(path)))


def _code(path: Path, model: keras.Model) -> Run:
    """The model that the source builds, with the weights of ours."""
    module = types.ModuleType(path.stem)
    exec(compile(path.read_text("utf-8"), str(path), "exec"), vars(module))
    *_, function = [x for x in vars(module).values() if isinstance(x, types.FunctionType)]
    built = function()
    own = {layer.name: layer for layer in model.layers}
    for layer in built.layers:
        if layer.weights:  # Caffe's own statistics come behind those that Keras has too
            for new, old in zip(layer.weights, own[layer.name].weights, strict=False):
                new.assign(keras.ops.reshape(old, new.shape))
    return partial(model_outputs, built)


CHECKED: Mapping[str, tuple[str, Callable[[Path, keras.Model], Run]]] = {
    "caffe": ("keras_fcn.from_caffe", _caffe_files),
    "code": ("Keras", _code),
    "keras": ("Keras", _keras),
    "litert": ("LiteRT", run_litert),
    "saved_model": ("TensorFlow", run_saved_model),
}
"""Format -> the program that runs what is written, and how; ONNX and ncnn have own checks."""
