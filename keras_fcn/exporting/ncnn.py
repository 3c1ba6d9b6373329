"""Keras models -> ncnn, by way of the Caffe networks that they are."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_fcn.caffe.conversion.to_ncnn import write_net
from keras_fcn.caffe.ncnn.running import can_run
from keras_fcn.caffe.surgery.net import TrainedNet
from keras_fcn.exporting.caffe_form import write_caffe_form
from keras_fcn.exporting.ncnn_check import check_written

logger = logging.getLogger("keras_fcn")


def write_ncnn(
    model: keras.Model,
    path: Path,
    *,
    input_shapes: Mapping[str, Sequence[int | None]] | None = None,
    check: bool = True,
    **options: Any,
) -> None:
    """Write a model for ncnn.

    Args:
        model: the model.
        path: the `.param` file; the weights lie beside it, in the `.bin` file.
        input_shapes: input -> sizes that are not free, in Caffe's axis order.
        check: compare the files in ncnn, where it is installed, with the model.
        **options: `fold` and `detection`, see `keras_fcn.caffe.conversion.to_ncnn`.

    Raises:
        CaffeError: the model has no ncnn form, a file cannot be written, or they do not give
            the model's numbers.
        ValueError: an option has a wrong value.
    """

    def write(net: TrainedNet, **how: Any) -> None:
        write_net(net, path, **how, **options)

    shapes = write_caffe_form(model, write, input_shapes)
    if not check:
        return
    if not can_run():
        logger.warning("%s is not compared with the model: pip install ncnn", path)
        return
    check_written(path, model, shapes)
