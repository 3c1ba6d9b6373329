"""Format of an exported model, told by its path; free of Keras, so that errors come at once."""

from __future__ import annotations

from pathlib import Path

FORMATS = ("saved_model", "onnx", "ncnn", "litert", "keras", "caffe", "code")
FILES = {
    "saved_model": "saved_model",
    "onnx": "model.onnx",
    "ncnn": "model.param",
    "litert": "model.tflite",
    "keras": "model.keras",
    "caffe": "model",
    "code": "model.py",
}
"""Format -> the path of a model in a folder of several forms."""
_ENDINGS = {
    ".onnx": "onnx",
    ".param": "ncnn",
    ".tflite": "litert",
    ".keras": "keras",
    ".caffemodel": "caffe",
    ".prototxt": "caffe",
    ".py": "code",
}
_OTHERS = frozenset(
    {"lite", "litert", "pb", "pbtxt", "h5", "hdf5", "json", "pt", "pth", "ckpt", "npy"}
    | {"npz", "zip", "tar", "gz", "bin", "xml", "mlmodel", "mlpackage", "txt"}
)
_WRITTEN = (
    "a SavedModel folder has no ending, an ONNX file ends in .onnx, ncnn's "
    "in .param, a LiteRT file in .tflite, a "
    "Keras file ends in .keras, Caffe's pair in .caffemodel or .prototxt, Keras source in .py"
)


def export_format(path: str | Path, format: str | None = None) -> str:  # noqa: A002
    """The format to write, by name or by what the path ends in.

    Args:
        path: file or folder to write.
        format: one of `FORMATS`; None: as the ending says.

    Raises:
        ValueError: no such format, the ending is not known, or it is that of another format.
    """
    ending = Path(path).suffix.lower()
    if format is None:
        if not ending:
            return "saved_model"
        if ending not in _ENDINGS:
            raise ValueError(
                f"cannot tell a format from {str(path)!r}: {_WRITTEN}; name the format where a "
                "SavedModel folder has a dot in its name"
            )
        return _ENDINGS[ending]
    if format not in FORMATS:
        raise ValueError(f"format must be one of {sorted(FORMATS)}. Received: format={format!r}")
    other = _ENDINGS.get(ending, "another program's file" if ending[1:] in _OTHERS else format)
    if other != format:
        raise ValueError(
            f"{str(path)!r} ends as {other} does, and the format is {format}; {_WRITTEN}"
        )
    return format
