"""A model through the converter of LiteRT, in one of its precisions."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy.typing as npt

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.words import either
from keras_fcn.errors import plain_reason
from keras_fcn.exporting.litert_operators import CALL, layer_of
from keras_fcn.exporting.signature import signature
from keras_fcn.startup import filtered_stderr

__all__ = ["PRECISIONS", "convert"]

Array = npt.NDArray[Any]
PRECISIONS = ("float32", "float16", "int8")
_EVERYTHING = re.compile(rb"")
_LACKING = re.compile(r'fused\["(\w+):", "([^"@]+)@')


def convert(
    model: keras.Model,
    path: Path,
    shapes: Mapping[str, Sequence[int | None]],
    precision: str,
    images: Iterable[Array] | None,
) -> None:
    """Write a `.tflite` file.

    Args:
        model: the model.
        path: the file.
        shapes: input -> its shape, channels last, where it is to be another one.
        precision: one of `PRECISIONS`; in the lower ones the file has operators of LiteRT alone.
        images: what the ranges of `"int8"` are found by, again and again.

    Raises:
        CaffeError: the network has no such form.
        OSError, ValueError: an image cannot be read, or does not fit.
    """
    given = None if images is None else _Given(images)
    try:
        # Keras and the converter print as they go, the latter into C's stderr too.
        with (
            contextlib.redirect_stdout(io.StringIO()),
            filtered_stderr(_EVERYTHING),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            model.export(
                str(path),
                format="litert",
                verbose=False,
                input_signature=signature(model, shapes),
                **_settings(precision, given),
            )
    except (OSError, MemoryError):
        raise
    except Exception as error:  # the converter's errors have no common class
        if given is not None and given.error is not None:
            raise given.error from None
        raise CaffeError(_reason(model, precision, error)) from error


class _Given:
    """What the converter asks for; what goes wrong in it is kept, as the converter hides it."""

    def __init__(self, images: Iterable[Array]) -> None:
        self._images = images
        self.error: Exception | None = None

    def __call__(self) -> Iterable[list[Array]]:
        try:
            for image in self._images:
                yield [image]
        except Exception as error:
            self.error = error
            raise


def _settings(precision: str, images: _Given | None) -> dict[str, Any]:
    if precision == "float32":
        return {}
    import tensorflow as tf

    target: dict[str, Any] = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    settings: dict[str, Any] = {"optimizations": [tf.lite.Optimize.DEFAULT]}
    settings["target_spec"] = target
    if precision == "float16":
        target["supported_types"] = [tf.float16]
    else:
        settings["representative_dataset"] = images
    return settings


def _reason(model: keras.Model, precision: str, error: Exception) -> str:
    lacking: dict[str, None] = {}
    for operator, name in _LACKING.findall(str(error)):
        layer = layer_of(name, model)
        if layer is not None and operator != CALL:
            lacking[f"{layer} ({operator})"] = None
    if precision == "float32" or not lacking:
        return (
            "this network has no LiteRT form; export it as a SavedModel. The converter says: "
            f"{plain_reason(error)}"
        )
    advice = "export it in float32"
    if any(None in tensor.shape[1:] for tensor in model.inputs):
        sizes = either("input_shapes={...}", "--input NAME=CxHxW")
        advice = f"a file for images of one size may have them ({sizes}), or {advice}"
    return f"LiteRT has no form in {precision} of layers {', '.join(lacking)}; {advice}"
