"""Kinds of models by name or path; found without Keras, before TensorFlow starts."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from keras_fcn.hints import did_you_mean
from keras_fcn.loading.names import CONSTRUCTORS, KINDS, OTHER_KINDS

if TYPE_CHECKING:
    import keras

__all__ = ["Found", "find_model", "require_files"]

_ENDINGS = (".keras", ".prototxt", ".txt", ".h5", ".npz", ".caffemodel")
_WEIGHTS = (".caffemodel", ".h5", ".hdf5", ".npz", ".gz")
_OTHERS: Mapping[str, str] = {
    ".onnx": "an ONNX file (`keras_fcn.optimize_for_inference` runs it)",
    ".param": "a file of ncnn (`keras_fcn.optimize_for_inference` runs it)",
    ".tflite": "a LiteRT file, which LiteRT's own interpreter runs",
    ".pb": "a TensorFlow graph; of a SavedModel its folder is the model",
    ".pt": "a file of PyTorch",
    ".pth": "a file of PyTorch",
    ".safetensors": "a file of weights alone",
    ".npy": "a file of an array",
    ".binaryproto": "a mean of Caffe",
    ".solverstate": "the state of Caffe's solver",
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif"), "a picture"),
}
"""What files of other endings hold, which is no model that can be read."""
_TEXT_START = 1024


class Found(NamedTuple):
    """Way to load a model.

    Attributes:
        load: makes the model; needs Keras.
        unfilled: what is named in a note that it has no weights; `""` where it has.
    """

    load: Callable[[], keras.Model]
    unfilled: str = ""


def find_model(
    model: str | Path,
    weights: str | Path | None = None,
    net: Mapping[str, Any] | None = None,
    *,
    trained_only: bool = False,
    option: Callable[[str], str] = str,
) -> Found:
    """Find out what loads a model; see `keras_fcn.load`.

    Args:
        model: a name or a path.
        weights: a weights file for it, or the name of a published model.
        net: how a network of Caffe is read: arguments of `keras_fcn.from_caffe`.
        trained_only: whether weights of another network, whose scores mean nothing before
            they are trained, are an error.
        option: what messages call an argument.

    Raises:
        ValueError: the model is none of the kinds, or comes with its weights already, or
            `net` is for another kind.
        OSError: there is no such file of a model or its weights.
    """
    from keras_fcn.published import published
    from keras_fcn.published.cache import published_name, weights_path

    path, name = Path(model), model if isinstance(model, str) else None
    if weights is not None and published_name(weights) is None:
        require_files(weights_path(weights))
    entry = None if path.exists() else published().get(name or "")
    constructor = _constructor(name)
    takes_net = path.is_file() and path.suffix != ".keras" and constructor is None
    if net and not takes_net:
        options = ", ".join(map(option, net))
        raise ValueError(f"{options}: for a prototxt only. Received: {model}")
    if entry is not None and entry.constructor:
        return Found(_later("published_network", entry.name, weights))
    if constructor is not None:
        load = _later("zoo_network", constructor, weights, trained_only)
        return Found(load, "" if weights is not None else constructor)
    holds = "" if weights is None else f"leave {option('weights')} out. Received: {weights}"
    if (path / "saved_model.pb").is_file():
        if holds:
            raise ValueError(f"a SavedModel holds its weights; {holds}")
        return Found(_later("saved_model", path))
    if not path.is_file():
        raise _none_of_the_kinds(model)
    if path.suffix == ".keras":
        return Found(_later("keras_file", path, weights))
    if path.suffix.lower() in _WEIGHTS:
        if holds:
            raise ValueError(f"{path} is a weights file, to be loaded alone; {holds}")
        return Found(_later("weights_file", path, net or {}))
    _require_text(path)
    load = _later("prototxt", path, weights, net or {})
    return Found(load, "" if weights is not None else path.name)


def _require_text(path: Path) -> None:
    """Raise ValueError where a file cannot be a prototxt, and say what it is."""
    what = _OTHERS.get(path.suffix.lower())
    if what is None:
        with path.open("rb") as file:
            what = "a binary file of no known ending" if b"\0" in file.read(_TEXT_START) else None
    if what is not None:
        raise ValueError(f"{path} is {what}, no model; give {OTHER_KINDS}")


def _constructor(name: str | None) -> str | None:
    """The function of `keras_fcn.models` that a name means, in either spelling."""
    return CONSTRUCTORS.get(name or "") or (name if name in CONSTRUCTORS.values() else None)


def _later(loader: str, *args: Any) -> Callable[[], keras.Model]:
    """Call a function of `keras_fcn.loading.loaders`, which imports Keras."""

    def load() -> keras.Model:
        from keras_fcn.loading import loaders

        return getattr(loaders, loader)(*args)

    return load


def _none_of_the_kinds(model: str | Path) -> Exception:
    from keras_fcn.published import published

    path = Path(model)
    known = path.suffix.lower() in {*_ENDINGS, *_OTHERS}
    if known or len(path.parts) > 1 or path.is_dir():
        what = "a folder, but no SavedModel" if path.is_dir() else "no such file"
        if (path / "model.keras").is_file():
            what = "the folder of a run; name the model.keras in it"
        return FileNotFoundError(errno.ENOENT, what, str(model))
    hint = did_you_mean(str(model), {*CONSTRUCTORS, *published()})
    return ValueError(f"the model is one of: {KINDS}{hint}. Received: {model}")


def require_files(*paths: str | Path) -> None:
    """Raise FileNotFoundError or IsADirectoryError for the first path that is no file."""
    for path in map(str, paths):
        if Path(path).is_dir():
            raise IsADirectoryError(errno.EISDIR, "a folder; name its files", path)
        if not Path(path).is_file():
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
