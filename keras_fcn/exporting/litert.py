"""Write a model for LiteRT, which was TensorFlow Lite."""

from __future__ import annotations

import contextlib
import io
import shutil
import warnings
import zipfile
from pathlib import Path

import keras

from keras_fcn.caffe.errors import CaffeError, CaffeWarning
from keras_fcn.caffe.io.files import atomic_path
from keras_fcn.caffe.text.card_line import CARD_NAME
from keras_fcn.core.card import card_of
from keras_fcn.core.stored_cards import card_text
from keras_fcn.errors import plain_reason
from keras_fcn.exporting.signature import signature

__all__ = ["write_litert"]


def write_litert(model: keras.Model, path: Path) -> None:
    """Write a `.tflite` file, by Keras' exporter.

    What the model knows of its use stands behind the network, as a zip archive of
    `keras_fcn_card.json` and `labels.txt`: the form that TensorFlow Lite has for files that
    belong to a model, which its interpreters pass over, and `unzip` lists.

    A network with operators that LiteRT lacks gets TensorFlow's, with a `CaffeWarning`: such a file
    runs where the Flex delegate is, as in TensorFlow's own interpreter, and not in LiteRT alone.

    Args:
        model: a functional or sequential model.
        path: the file.

    Raises:
        CaffeError: the network has no such form, or the file cannot be written.
    """
    with atomic_path(path) as temporary:
        target = temporary.with_suffix(".tflite")
        try:
            # Keras and the converter print as they go.
            with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.export(
                    str(target), format="litert", verbose=False, input_signature=signature(model)
                )
            flex = _flex_operators(target)
            _add_card(model, target)
            shutil.move(target, temporary)
        except (OSError, MemoryError):
            raise
        except Exception as error:  # the converter's errors have no common class
            raise CaffeError(
                "this network has no LiteRT form; export it as a SavedModel. The converter says: "
                f"{plain_reason(error)}"
            ) from error
        finally:
            target.unlink(missing_ok=True)
    if flex:
        warnings.warn(
            f"{path}: LiteRT lacks {', '.join(flex)}, which are TensorFlow's: the file runs only "
            "where the Flex delegate is linked in (select TensorFlow operators)",
            CaffeWarning,
            stacklevel=2,
        )


def _flex_operators(path: Path) -> list[str]:
    """Operators of TensorFlow in a file, such as `FlexConv2D`."""
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.Model.GetRootAsModel(path.read_bytes(), 0)
    codes = (model.OperatorCodes(index) for index in range(model.OperatorCodesLength()))
    names = {(code.CustomCode() or b"").decode() for code in codes}
    return sorted(name for name in names if name.startswith("Flex"))


def _add_card(model: keras.Model, path: Path) -> None:
    card = card_of(model)
    text = card_text(card)
    if not text:
        return
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{CARD_NAME}.json", text)
        if card.classes is not None:
            archive.writestr("labels.txt", "".join(f"{name}\n" for name in card.classes.names))
