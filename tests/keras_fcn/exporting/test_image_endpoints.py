"""Signatures of SavedModels that take pixels, or files."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_fcn
from keras_fcn.preprocessing import Preprocessing


def _segmenter(softmax=True, own=None, channels=3):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((None, None, channels))
    x = keras.layers.Conv2D(8, 3, strides=4, padding="same", activation="relu")(inputs)
    outputs = keras.layers.Conv2D(7, 1, name="score")(x)
    if softmax:
        outputs = keras.layers.Softmax(name="prob")(outputs)
    own = own or Preprocessing(mean=(100.0, 110.0, 120.0), input_scale=0.02)
    return keras_fcn.with_card(keras.Model(inputs, outputs), preprocessing=own, task="map")


def _classifier():
    keras.utils.set_random_seed(2)
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Flatten()(keras.layers.Conv2D(4, 3, strides=4)(inputs))
    outputs = keras.layers.Dense(9, activation="softmax", name="prob")(x)
    own = Preprocessing(mean=(100.0, 110.0, 120.0), input_scale=0.02, size=(20, 18), crop=(16, 16))
    return keras_fcn.with_card(keras.Model(inputs, outputs), preprocessing=own)


def _picture(height, width, seed=0):
    small = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height)))


def _file(pixels, form="PNG"):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


def _signatures(model, folder):
    path = keras_fcn.export(model, folder / "net", preprocessing_inside=True)
    return tf.saved_model.load(str(path)).signatures


@pytest.mark.slow
@pytest.mark.parametrize("softmax", [True, False])
def test_labels_are_those_of_segment(tmp_path, softmax):
    model = _segmenter(softmax)
    signatures = _signatures(model, tmp_path)
    for size in ((37, 53), (8, 8), (61, 20)):
        pictures = [_picture(*size, seed) for seed in range(3)]
        labels = [keras_fcn.segment(model, x) for x in pictures]
        scores = np.stack([keras_fcn.predict(model, x) for x in pictures])
        shares = scores if softmax else np.asarray(tf.nn.softmax(scores))
        files = tf.constant([_file(x) for x in pictures])
        for found in (
            signatures["images"](images=tf.constant(np.stack(pictures))),
            signatures["image_bytes"](image_bytes=files),
        ):
            assert np.mean(found["labels"].numpy() == labels) > 0.999  # but for ties
            np.testing.assert_allclose(found["probabilities"], shares, atol=1e-5)
            best = np.argsort(-shares.max(axis=(1, 2)), axis=1)[:, :5]
            np.testing.assert_array_equal(found["top_k"], best)
            np.testing.assert_allclose(found["score" if not softmax else "prob"], scores, atol=1e-5)


@pytest.mark.slow
def test_files_of_every_kind_are_grey_as_in_python(tmp_path):
    model = _segmenter(own=Preprocessing(channels=1, mean=100.0, input_scale=0.02), channels=1)
    decode, pixels = _signatures(model, tmp_path)["image_bytes"], _picture(37, 53)
    for form, mode in (
        *(("PNG", "RGB"), ("PNG", "L"), ("PNG", "LA"), ("BMP", "RGB"), ("GIF", "RGB")),
        *(("JPEG", "RGB"), ("JPEG", "CMYK"), ("WEBP", "RGB")),
    ):
        path = tmp_path / f"{mode}.{form.lower()}"
        options = {"lossless": True} if form == "WEBP" else {}
        Image.fromarray(pixels).convert(mode).save(path, form, **options)
        found = decode(image_bytes=tf.constant([path.read_bytes()]))["labels"][0].numpy()
        same = np.mean(found == keras_fcn.segment(model, path))
        assert same == 1 if form in ("PNG", "BMP") else same > 0.99, (form, mode)


@pytest.mark.slow
def test_labels_of_resized_images(tmp_path):
    own = Preprocessing(mean=(100.0, 110.0, 120.0), input_scale=0.02, size=(48, 40), crop=(40, 32))
    model = _segmenter(own=own)
    found = _signatures(model, tmp_path)["images"](images=tf.constant(_picture(90, 70)[None]))
    expected = keras_fcn.segment(model, _picture(90, 70))
    assert np.mean(found["labels"].numpy()[0] == expected) > 0.999


@pytest.mark.slow
def test_files_of_any_size_are_classified_in_plain_tensorflow(tmp_path):
    """In a process of its own, by the request of TensorFlow Serving's REST interface."""
    model = _classifier()
    keras_fcn.export(model, tmp_path / "net", preprocessing_inside=True)
    files = [
        _file(_picture(40, 30), "JPEG"),
        _file(_picture(21, 64, 1)),
        _file(_picture(16, 16, 2)),
    ]
    instances = [{"b64": base64.b64encode(x).decode()} for x in files]
    request = {"signature_name": "image_bytes", "instances": instances}
    (tmp_path / "request.json").write_text(json.dumps(request))
    script = f"""
import base64, json, sys
import tensorflow as tf
request = json.load(open({str(tmp_path / "request.json")!r}))
function = tf.saved_model.load({str(tmp_path / "net")!r}).signatures[request["signature_name"]]
(name,) = function.structured_input_signature[1]
files = [base64.b64decode(x["b64"]) for x in request["instances"]]
found = function(**{{name: tf.constant(files)}})
assert not [x for x in sys.modules if x.startswith("keras_fcn")]
print(json.dumps({{key: value.numpy().tolist() for key, value in found.items()}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    for index, file in enumerate(files):
        best = keras_fcn.classify(model, Image.open(io.BytesIO(file)))
        assert found["top_k"][index] == [x["index"] for x in best]
        scores = [x["score"] for x in best]
        np.testing.assert_allclose(found["top_k_scores"][index], scores, atol=2e-3)
    assert set(found) == {"prob", "probabilities", "top_k", "top_k_scores"}


def test_signatures_are_as_serving_asks_for_them(tmp_path):
    """Named inputs with a free first axis, of types that its requests can carry."""
    path = keras_fcn.export(_segmenter(), tmp_path / "net", preprocessing_inside=True)
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    graph = SavedModel.FromString((path / "saved_model.pb").read_bytes()).meta_graphs[0]
    assert "serve" in graph.meta_info_def.tags
    found = graph.signature_def
    assert {"serving_default", "images", "image_bytes"} <= set(found)
    for name, kind in (("images", tf.uint8), ("image_bytes", tf.string)):
        assert found[name].method_name == "tensorflow/serving/predict"
        (tensor,) = found[name].inputs.items()
        assert tensor[0] == name
        assert tf.as_dtype(tensor[1].dtype) == kind
        assert tensor[1].tensor_shape.dim[0].size == -1
        assert set(found[name].outputs) == {
            *("prob", "probabilities", "labels", "top_k", "top_k_scores"),
        }


@pytest.mark.slow
def test_labels_of_files_of_several_sizes_are_refused(tmp_path):
    signatures = _signatures(_segmenter(), tmp_path)
    files = tf.constant([_file(_picture(8, 8)), _file(_picture(9, 8))])
    with pytest.raises(tf.errors.InvalidArgumentError):
        signatures["image_bytes"](image_bytes=files)
