"""What data layers and inputs tell of the shapes they would give."""

from __future__ import annotations

import pytest

from keras_fcn.caffe.layers import LAYER_TYPES
from keras_fcn.caffe.proto.definitions import layer_definition
from tests.keras_fcn.caffe import writer


@pytest.mark.parametrize(
    ("kind", "params", "image"),
    [
        ("Data", "data_param { batch_size: 5 }", (None, None, None, None)),
        ("Data", "transform_param { crop_size: 227 }", (None, None, 227, 227)),
        ("Data", "transform_param { mean_value: 104 mean_value: 117 mean_value: 123 }", (None, 3)),
        ("Data", "transform_param { mean_value: 128 }", (None, None)),
        ("Data", "transform_param { force_gray: true }", (None, 1)),
        ("Data", "transform_param { force_color: true crop_size: 9 }", (None, 3, 9, 9)),
        ("ImageData", 'image_data_param { source: "x" }', (None, 3)),
        ("ImageData", "image_data_param { is_color: false }", (None, 1)),
        ("WindowData", "window_data_param { crop_size: 7 }", (None, 3)),
        ("MemoryData", "memory_data_param { batch_size: 2 channels: 3 height: 4 width: 5 }",
         (None, 3, 4, 5)),
    ],
)  # fmt: skip
def test_data_layers(kind, params, image):
    layer = LAYER_TYPES[kind].read(layer_definition(writer.text("LayerParameter", params)))
    shapes = layer.top_shapes((), 2)
    assert shapes[0][: len(image)] == image
    assert len(shapes[0]) == 4
    assert shapes[1] == (None,)


def test_input_without_a_shape_is_an_image_of_any_size():
    layer = LAYER_TYPES["Input"].read(layer_definition(writer.text("LayerParameter", "")))
    assert layer.top_shapes((), 2) == ((None,) * 4,) * 2
