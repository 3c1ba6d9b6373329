"""Written ncnn files, run by ncnn and compared with the network that they are of."""

from __future__ import annotations

from pathlib import Path

import keras

from keras_fcn.caffe.ncnn.running import opened
from keras_fcn.caffe.ncnn.writing import beside
from keras_fcn.exporting.comparing import (
    Shapes,
    compared,
    made_up,
    removed_where_wrong,
)


def check_ncnn(
    path: str | Path, model: keras.Model, shapes: Shapes, *, seed: int = 0
) -> dict[str, float]:
    """Run ncnn files on made-up inputs, and compare their outputs with a model's blobs.

    Args:
        path: the `.param` file, beside which the `.bin` file lies.
        model: the network in Keras.
        shapes: its inputs.
        seed: of the inputs.

    Returns:
        Output -> largest difference, as a share of its largest value.

    Raises:
        CaffeError: ncnn does not run the files, or the numbers differ; output, position and
            both values are told.
    """
    session = opened(path)
    any_batch = [name for name, shape in session.inputs.items() if shape[:1] == (None,)]
    fed = made_up({name: shapes[name] for name in session.inputs}, any_batch, seed)
    return compared(path, "ncnn", model, fed, session.run(fed))


def check_written(path: str | Path, model: keras.Model, shapes: Shapes) -> None:
    """As `check_ncnn`, of files that are to be no more where they are wrong.

    Args:
        path: the `.param` file.
        model: the network in Keras.
        shapes: its inputs.

    Raises:
        CaffeError: ncnn does not run the files, or not as it should; they are removed.
    """
    with removed_where_wrong(Path(path), beside(path)):
        check_ncnn(path, model, shapes)
