"""Write a model for LiteRT, which was TensorFlow Lite."""

from __future__ import annotations

import logging
import shutil
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras

from keras_fcn.caffe.errors import CaffeError, CaffeWarning
from keras_fcn.caffe.io.files import atomic_path
from keras_fcn.caffe.text.card_line import CARD_NAME
from keras_fcn.caffe.words import either, quoted
from keras_fcn.core.card import card_of
from keras_fcn.exporting.calibration import Calibration
from keras_fcn.exporting.comparing import made_up
from keras_fcn.exporting.file_card import file_card
from keras_fcn.exporting.litert_conversion import PRECISIONS, convert
from keras_fcn.exporting.litert_operators import flex_operators, floats_left
from keras_fcn.exporting.lower_precision import changes, judge
from keras_fcn.exporting.running import model_outputs
from keras_fcn.inference.inspection import to_channels_last
from keras_fcn.layers._axes import channels_last_shape
from keras_fcn.to_caffe.open_sizes import whole_shapes

__all__ = ["write_litert"]

logger = logging.getLogger("keras_fcn")

_OF_KNOWN_SIZES = {
    *("FlexAvgPool", "FlexMaxPool"),
    *("FlexConv2D", "FlexConv2DBackpropInput", "FlexDepthwiseConv2dNative"),
}
"""Operators that LiteRT has itself, where what they need to know of sizes is known."""


def write_litert(
    model: keras.Model,
    path: Path,
    *,
    precision: str = "float32",
    calibration: Any = None,
    input_shapes: Mapping[str, Sequence[int | None]] | None = None,
    check: bool = True,
    progress: Callable[[str], None] = logger.info,
) -> None:
    """Write a `.tflite` file, by Keras' exporter.

    What the model knows of its use stands behind the network, as a zip archive of
    `keras_fcn_card.json` and `labels.txt`: the form that TensorFlow Lite has for files that
    belong to a model, which its interpreters pass over, and `unzip` lists.

    A network with operators that LiteRT lacks gets TensorFlow's, with a `CaffeWarning`: such a file
    runs where the Flex delegate is, and not in LiteRT alone. In a lower precision there are none.
    One that LiteRT computes for images of one size only is refused where sizes are free.

    Args:
        model: a functional or sequential model.
        path: the file.
        precision: of the weights, and for `"int8"` of what is computed; inputs and outputs are
            float32 in all. What LiteRT has no 8-bit form of stays float32.
        calibration: pictures such as the network will see, by which `"int8"` finds its ranges and
            by which a lower precision is compared with the model; see `Calibration`.
        input_shapes: input -> sizes that are not to be free, in Caffe's axis order.
        check: whether to compare a file of lower precision with the model.
        progress: told, in a line each, what was calibrated on, what stays float32, and how far
            the outputs are from the model's; by default it is logged.

    Raises:
        CaffeError: the network has no such form, or the file cannot be written; in a lower
            precision nothing is left of its outputs.
        ValueError: there is no such precision, or it and the calibration do not go together.
    """
    _check(model, precision, calibration, input_shapes or {})
    shapes = whole_shapes(model, input_shapes or {})
    fixed = {name: channels_last_shape((None, *shapes[name][1:])) for name in input_shapes or ()}
    images = None
    if calibration is not None:
        size = next((shape[1:3] for shape in fixed.values()), None)
        images = Calibration(model, calibration, size)
        progress(f"{precision}: {'calibrated' if precision == 'int8' else 'compared'} on {images}")
    with atomic_path(path) as temporary:
        target = temporary.with_suffix(".tflite")
        try:
            convert(model, target, fixed, precision, images)
            flex = flex_operators(target, model)
            _require_sizes(path, flex)
            if precision != "float32":
                _tell_floats(model, target, precision, progress)
                if check:
                    inputs = images or [[to_channels_last(x) for x in made_up(shapes, ()).values()]]
                    reference = partial(model_outputs, model)
                    found = changes(model, target, reference, inputs, path)
                    for change in found:
                        progress(f"{precision}: {change}")
                    judge(found, path, precision)
            _add_card(model, target)
            shutil.move(target, temporary)
        finally:
            target.unlink(missing_ok=True)
    if flex:
        warnings.warn(
            f"{path}: LiteRT lacks {', '.join(flex)}, which are TensorFlow's: the file runs only "
            "where the Flex delegate is linked in (select TensorFlow operators)",
            CaffeWarning,
            stacklevel=2,
        )


def _require_sizes(path: Path, flex: Mapping[str, Sequence[str]]) -> None:
    """Require that TensorFlow's operators stand for none that LiteRT has for known sizes."""
    found = [(name, layers) for name, layers in flex.items() if name in _OF_KNOWN_SIZES]
    if found:
        told = ", ".join(f"{' '.join(map(repr, layers))} ({name})" for name, layers in found)
        sizes = either("input_shapes={'data': (1, 3, 50, 50)}", "--input data=3x50x50")
        raise CaffeError(
            f"{path}: LiteRT computes layer {told} for images of one size only; tell it, "
            f"such as by {sizes}"
        )


def _check(
    model: keras.Model, precision: str, calibration: Any, input_shapes: Mapping[str, Any]
) -> None:
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {[*PRECISIONS]}. Received: {precision!r}")
    if precision == "int8" and calibration is None:
        raise ValueError(
            f"precision int8 needs {quoted('calibration')}: a folder of some pictures such as the "
            "network will see"
        )
    if precision == "float32" and calibration is not None:
        raise ValueError(
            f"{quoted('calibration')} is for "
            + either("precision='int8' or 'float16'", "--precision int8 or float16")
            + ". Received: float32"
        )
    names = [tensor.name for tensor in model.inputs]
    for name in input_shapes:
        if name not in names:
            raise ValueError(f"the inputs are {', '.join(names)}. Received: {name!r}")


def _tell_floats(
    model: keras.Model, path: Path, precision: str, progress: Callable[[str], None]
) -> None:
    progress(f"{precision}: inputs and outputs are float32")
    floats = floats_left(path, model) if precision == "int8" else {}
    if floats:
        told = ", ".join(f"{layer} ({' '.join(names)})" for layer, names in floats.items())
        progress(f"{precision}: these stay float32, as LiteRT has no 8-bit form of them: {told}")


def _add_card(model: keras.Model, path: Path) -> None:
    card = card_of(model)
    text = file_card(model)
    if not text:
        return
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{CARD_NAME}.json", text)
        if card.classes is not None:
            archive.writestr("labels.txt", "".join(f"{name}\n" for name in card.classes.names))
