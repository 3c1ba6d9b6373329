"""References: whatever else computes the blobs of a network, one file a kind."""

from __future__ import annotations

from pathlib import Path

import keras

from keras_fcn.verifying.references.base import NotComparedError, Reference, Subject
from keras_fcn.verifying.references.dumps import Dump
from keras_fcn.verifying.references.keras_models import KerasModel
from keras_fcn.verifying.references.onnx_file import OnnxFile
from keras_fcn.verifying.references.opencv import OpenCV
from keras_fcn.verifying.references.own import OwnOnnx
from keras_fcn.verifying.references.runtimes import Runtime

__all__ = ["NotComparedError", "Reference", "Subject", "open_reference"]

_WORDS = {"self": OwnOnnx, "opencv": OpenCV}
_KINDS = (
    "a folder or .npz of blobs, opencv, an .onnx file, a SavedModel's folder, a .keras, .h5 or "
    ".tflite file, or self"
)


def open_reference(what: str | Path | keras.Model | None, subject: Subject) -> Reference:
    """What a network is compared with.

    Args:
        what: None or `"self"` for its own ONNX form; `"opencv"`; a Keras model; or a path, see
            `keras_fcn.verify`.
        subject: the network.

    Raises:
        FileNotFoundError: there is no such file.
        NotComparedError: it cannot be compared with.
        ValueError: it is none of these.
    """
    if isinstance(what, keras.Model):
        return KerasModel(what, subject)
    word = "self" if what is None else str(what)
    path = Path(word)
    if word.lower() in _WORDS and not path.exists():
        return _WORDS[word.lower()](subject)
    if not path.exists():
        raise FileNotFoundError(2, f"no such reference; it is {_KINDS}", word)
    if path.is_dir():
        return (Runtime if (path / "saved_model.pb").is_file() else Dump)(path, subject)
    match path.suffix.lower():
        case ".npz":
            return Dump(path, subject)
        case ".onnx":
            return OnnxFile(path, subject)
        case ".tflite":
            return Runtime(path, subject)
        case ".keras" | ".h5" | ".hdf5":
            from keras_fcn.loading.loaders import keras_file

            return KerasModel(keras_file(path, None), subject, str(path))
    raise ValueError(f"a reference is {_KINDS}. Received: {word}")
