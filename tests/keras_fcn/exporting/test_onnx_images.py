"""ONNX files that prepare images themselves."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest

import keras_fcn
from tests.keras_fcn.caffe.onnx.cases import session
from tests.keras_fcn.exporting.test_stored_cards import CLASSES, FREE, INSIDE, network

SIZES = ((37, 23), (16, 31), (20, 20))


def pictures(height: int, width: int, channels: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (2, height, width, channels), np.uint8)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("case", INSIDE)
def test_images_are_prepared_inside(case, tmp_path):
    make, own = INSIDE[case]
    made = make()
    logits = keras.Model(made.inputs, made.get_layer("score").output)
    model = keras_fcn.with_card(logits, preprocessing=own)
    path = keras_fcn.export(model, tmp_path / "net.onnx", preprocessing_inside=True)
    opened = session(path)
    (given,) = opened.get_inputs()
    assert (given.name, given.type, given.shape[3]) == ("images", "tensor(uint8)", own.channels)
    for size in SIZES:
        images = pictures(*size, own.channels)
        (found,) = opened.run(None, {"images": images})
        expected = np.stack([keras_fcn.predict(model, image) for image in images])
        found = np.moveaxis(found, 1, -1) if found.ndim == 4 else found
        largest = np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * largest)


def test_images_too_small_are_refused(tmp_path):
    """What would be laid along itself, or cut shorter, ends in an error of the runtime."""
    mean = np.resize(np.float32([3, 5, 7]), (12, 12, 3))
    cases = [
        (network(), dataclasses.replace(FREE, crop=(10, 12))),
        (network((None, None)), dataclasses.replace(FREE, mean=mean)),
    ]
    for number, (made, own) in enumerate(cases):
        model = keras_fcn.with_card(made, preprocessing=own)
        path = tmp_path / f"{number}.onnx"
        keras_fcn.export(model, path, preprocessing_inside=True, check=number == 0)
        small = pictures(9 if number == 0 else 13, 12, 3)
        with pytest.raises(Exception, match="running Reshape node"):  # of onnxruntime's own kinds
            session(path).run(None, {"images": small})


def test_what_cannot_be_inside(tmp_path):
    unknown = keras_fcn.with_card(network(), classes=CLASSES)
    known = keras_fcn.with_card(network(), preprocessing=FREE)
    for model, more, says in [
        (unknown, {}, "does not know how"),
        (known, {"layout": "channels_last"}, "need no layout"),
    ]:
        with pytest.raises(ValueError, match=says):
            keras_fcn.export(model, tmp_path / "net.onnx", preprocessing_inside=True, **more)
    assert not [*tmp_path.iterdir()]
