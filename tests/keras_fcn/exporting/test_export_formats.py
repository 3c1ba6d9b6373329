"""Which form of a model a path asks for."""

from __future__ import annotations

import pytest

from keras_fcn.exporting.formats import FILES, FORMATS, export_format


@pytest.mark.parametrize(
    ("path", "named", "expected"),
    [
        ("served", None, "saved_model"),
        ("a.b/served", None, "saved_model"),
        ("net.onnx", None, "onnx"),
        ("NET.ONNX", None, "onnx"),
        ("net.v2.keras", None, "keras"),
        ("net.tflite", None, "litert"),
        ("net.caffemodel", None, "caffe"),
        ("net.prototxt", None, "caffe"),
        ("net.v2", "saved_model", "saved_model"),
        ("net.v2", "caffe", "caffe"),
        ("net", "onnx", "onnx"),
    ],
)
def test_known(path, named, expected):
    assert export_format(path, named) == expected


@pytest.mark.parametrize("path", ["x.lite", "x.pb", "x.h5", "x.v2", "x.saved_model", "x.Keras2"])
def test_unknown_ending_is_refused(path):
    with pytest.raises(ValueError, match=r"cannot tell a format from 'x\..*ends in .onnx"):
        export_format(path)


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("x.tflite", "saved_model"),
        ("x.onnx", "litert"),
        ("x.lite", "litert"),
        ("x.onnx", "saved_model"),
        ("x.keras", "onnx"),
        ("x.onnx", "caffe"),
        ("x.pb", "onnx"),
    ],
)
def test_ending_of_another_format_is_refused(path, named):
    with pytest.raises(ValueError, match=f"and the format is {named}"):
        export_format(path, named)


def test_unknown_format():
    with pytest.raises(ValueError, match="format must be one of"):
        export_format("x", "tensorrt")


def test_a_form_of_each_format_has_its_ending():
    assert tuple(FILES) == FORMATS
    assert all(export_format(path, name) == name for name, path in FILES.items())
