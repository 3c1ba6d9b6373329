"""Outputs of a written file, as another program gives them, compared with a model's blobs."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.core.definition import defined_network
from keras_fcn.engines.comparing import TOLERANCE, difference
from keras_fcn.engines.comparing import made_up as made_up_input
from keras_fcn.engines.differences import SAME
from keras_fcn.graph.ends import output_names
from keras_fcn.inference.inspection import blobs, keras_inputs
from keras_fcn.layers import PixelwiseSoftmax

Array = npt.NDArray[Any]
Shapes = Mapping[str, Sequence[int | None]]
"""Input blob -> a shape in Caffe's axis order that the network takes."""

BATCH = 2
_MOST_ROUNDING = 0.01
"""Of a softmax; with more nothing would be told of what it is made of."""


def made_up(shapes: Shapes, of_any_batch: Collection[str], seed: int = 0) -> dict[str, Array]:
    """Inputs for a network: blob -> array in Caffe's axis order.

    Args:
        shapes: the inputs.
        of_any_batch: those that take any number of images.
        seed: of the numbers.
    """
    rng, made = np.random.default_rng(seed), {}
    for name, shape in shapes.items():
        sizes = [size or 1 for size in shape]
        if len(sizes) > 1 and name in of_any_batch:
            sizes[0] = BATCH
        made[name] = made_up_input(sizes, rng)
    return made


def compared(
    path: str | Path,
    program: str,
    model: keras.Model,
    inputs: Mapping[str, Array],
    outputs: Mapping[str, Array],
) -> dict[str, float]:
    """Compare a file's outputs with a model's blobs.

    Args:
        path: the file.
        program: what ran it.
        model: the network in Keras.
        inputs: what it was fed, in Caffe's axis order.
        outputs: what it gave, in Caffe's axis order.

    Returns:
        Output -> largest difference, as a share of its largest value.

    Raises:
        CaffeError: the numbers differ; output, position and both values are told.
    """
    wanted, differences = blobs(model, inputs), {}
    for output, array in outputs.items():
        # An input that is changed in place is an output of another name, with a number.
        name = output if output in wanted else output.rpartition("_")[0]
        told = (output, array, wanted[name])
        try:
            found = difference(*told, place=str(path), engine=program)
        except CaffeError:
            tolerance = _of_softmax(model, name, inputs, wanted[name])
            if tolerance <= TOLERANCE:
                raise
            found = difference(*told, place=str(path), engine=program, tolerance=tolerance)
        differences[output] = found
    return differences


def _of_softmax(
    model: keras.Model, name: str, inputs: Mapping[str, Array], expected: Array
) -> float:
    """What rounding of its scores does to a softmax, as a share of its largest value.

    A layer's float32 numbers may differ by 1e-5 of their largest, and a probability by at most
    half of what its scores do: that is seen where these are some tens or more. 0 where the output
    is of another layer.
    """
    outputs = dict(zip(output_names(model), model.outputs, strict=True))
    layer = outputs[name]._keras_history.operation if name in outputs else None
    if not isinstance(layer, keras.layers.Softmax | PixelwiseSoftmax):
        return 0.0
    scores = keras.Model(model.inputs, layer.input)(keras_inputs(model, inputs), training=False)
    largest = float(np.abs(keras.ops.convert_to_numpy(scores)).max(initial=0))
    rounding = SAME * largest / 2 / (float(np.abs(expected).max(initial=0)) or 1.0)
    return min(rounding, _MOST_ROUNDING) if np.isfinite(rounding) else 0.0


def shapes_of(model: keras.Model) -> Shapes:
    """What a model was read with: input blob -> shape."""
    network = defined_network(model)
    return {} if network is None else network.input_shapes


@contextmanager
def removed_where_wrong(*files: Path) -> Iterator[None]:
    """Remove files where what is done raises an error."""
    try:
        yield
    except BaseException:
        for file in files:
            if file.is_dir():
                shutil.rmtree(file)
            else:
                file.unlink(missing_ok=True)
        raise
