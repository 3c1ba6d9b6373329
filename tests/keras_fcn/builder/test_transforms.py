"""What `transform_param` of a data layer tells of images goes into the model's card."""

from __future__ import annotations

import numpy as np
import pytest

import keras_fcn
from keras_fcn.core.card import card_of
from keras_fcn.preprocessing import Preprocessing

NET = """
layer {{ name: "db" type: "{type}" top: "data" top: "label" {fields} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param {{ num_output: 2 }} }}
"""
RESIZED = """transform_param { scale: 0.5 crop_size: 6 }
  image_data_param { new_height: 8 new_width: 9 }"""
GREY, COLOUR = {"data": (1, 6, 8)}, {"data": (3, 6, 8)}


def told(tmp_path, fields, kind="Data", shapes=GREY, **options):
    (tmp_path / "net.prototxt").write_text(NET.format(type=kind, fields=fields))
    return keras_fcn.from_caffe(
        tmp_path / "net.prototxt", input_shapes=shapes, outputs=["ip"], **options
    )


@pytest.mark.parametrize(
    ("fields", "kind", "shapes", "expected"),
    [
        (
            "transform_param { scale: 0.00390625 }",
            "Data",
            GREY,
            Preprocessing(channels=1, mean=None, input_scale=0.00390625),
        ),
        (
            "transform_param { mean_value: 104 mean_value: 117 mean_value: 123 mirror: true }",
            "Data",
            COLOUR,
            Preprocessing(mean=(104, 117, 123)),
        ),
        (
            "transform_param { mean_value: 127.5 scale: 0.0078125 }",
            "MemoryData",
            COLOUR,
            Preprocessing(mean=127.5, input_scale=0.0078125),
        ),
        (
            RESIZED,
            "ImageData",
            None,
            Preprocessing(mean=None, input_scale=0.5, size=(8, 9), crop=(6, 6)),
        ),
        ("transform_param { mirror: true }", "Data", GREY, None),
        ("", "Data", GREY, None),
        ('transform_param { mean_file: "m.binaryproto" scale: 0.5 }', "Data", GREY, None),
        ("transform_param { scale: 0.5 }", "HDF5Data", GREY, None),
        ("transform_param { scale: 0 }", "Data", GREY, None),
    ],
)
def test_what_is_told(fields, kind, shapes, expected, tmp_path):
    assert card_of(told(tmp_path, fields, kind, shapes)).preprocessing == expected


def test_it_is_what_caffe_computes(tmp_path):
    """(pixel - mean) * scale of BGR, as `data_transformer.cpp` has it."""
    fields = "transform_param { mean_value: 1 mean_value: 2 mean_value: 3 scale: 0.25 }"
    own = card_of(told(tmp_path, fields, shapes=COLOUR)).preprocessing
    image = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    expected = (image[..., ::-1].astype(np.float32) - [1, 2, 3]) * 0.25
    np.testing.assert_allclose(own(image), expected, rtol=1e-6)


def test_what_is_said_comes_first(tmp_path):
    said = Preprocessing(channels=1, mean=3)
    model = told(tmp_path, "transform_param { scale: 0.5 }", preprocessing=said)
    assert card_of(model).preprocessing == said
