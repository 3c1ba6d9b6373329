"""Requests to our SavedModels in the forms of TensorFlow Serving."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_fcn
from tests.keras_fcn.exporting.test_image_endpoints import (
    _classifier,
    _file,
    _picture,
    _segmenter,
)
from tests.keras_fcn.exporting.tf_serving import RequestError, Served

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    model = _classifier()
    folder = tmp_path_factory.mktemp("served") / "classifier" / "1"
    keras_fcn.export(model, folder, "saved_model", preprocessing_inside=True)
    return model, Served(folder)


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory):
    model = _segmenter()
    folder = tmp_path_factory.mktemp("served") / "segmenter" / "1"
    keras_fcn.export(model, folder, "saved_model", preprocessing_inside=True)
    return model, Served(folder)


def rest(served, **request):
    """What goes through JSON on both ways, as over the network."""
    return json.loads(json.dumps(served.rest(json.loads(json.dumps(request)))))


def b64(data):
    return {"b64": base64.b64encode(data).decode()}


def best(model, picture):
    return [x["index"] for x in keras_fcn.classify(model, picture)]


def test_what_is_told_of_the_signatures(classifier):
    told = classifier[1].metadata()
    assert told.keys() == {"serving_default", "images", "image_bytes"}
    for name, (key, kind, sizes) in {
        "images": ("images", "DT_UINT8", ["-1", "-1", "-1", "3"]),
        "image_bytes": ("image_bytes", "DT_STRING", ["-1"]),
    }.items():
        ((found, tensor),) = told[name]["inputs"].items()
        assert (found, tensor["dtype"]) == (key, kind)
        assert [x["size"] for x in tensor["tensorShape"]["dim"]] == sizes
        assert told[name]["outputs"].keys() == {"prob", "probabilities", "top_k", "top_k_scores"}


def test_files_in_rows_and_columns(classifier):
    """Of other sizes; named, and as the one input there is."""
    model, served = classifier
    pictures = [_picture(40, 30), _picture(21, 64, 1)]
    files = [b64(_file(x)) for x in pictures]
    wanted = [best(model, x) for x in pictures]
    for rows in (files, [{"image_bytes": x} for x in files]):
        found = rest(served, signature_name="image_bytes", instances=rows)["predictions"]
        assert [x["top_k"] for x in found] == wanted
    for columns in (files, {"image_bytes": files}):
        found = rest(served, signature_name="image_bytes", inputs=columns)["outputs"]
        assert found["top_k"] == wanted


def test_pixels_and_prepared_images(classifier):
    model, served = classifier
    pictures = [_picture(40, 30), _picture(40, 30, 1)]
    wanted = [best(model, x) for x in pictures]
    pixels = np.stack(pictures).tolist()
    found = rest(served, signature_name="images", instances=pixels)["predictions"]
    assert [x["top_k"] for x in found] == wanted
    found = rest(served, signature_name="images", inputs={"images": pixels})["outputs"]
    assert found["top_k"] == wanted
    prepared = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype(np.float32)
    scores = model.predict(prepared, verbose=0)
    for request, key in (("instances", "predictions"), ("inputs", "outputs")):
        found = rest(served, **{request: prepared.tolist()})[key]  # one output has no name
        np.testing.assert_allclose(found, scores, atol=1e-6)


def test_labels_of_a_map(segmenter):
    model, served = segmenter
    picture = _picture(37, 53)
    (found,) = rest(served, signature_name="image_bytes", instances=[b64(_file(picture))])[
        "predictions"
    ]
    assert np.mean(np.asarray(found["labels"]) == keras_fcn.segment(model, picture)) > 0.999


@pytest.mark.parametrize(
    "request_",
    [
        {"instances": [[1]], "inputs": [[1]]},
        {"signature_name": "other", "instances": [[1]]},
        {"signature_name": "images", "instances": []},
        {"signature_name": "images", "instances": [[[[0.5, 1, 2]]]]},
        {"signature_name": "images", "instances": [[[1, 2, 3]]]},
        {"signature_name": "images", "inputs": {"pictures": [[[[1, 2, 3]]]]}},
        {"signature_name": "image_bytes", "instances": [7]},
        {"instances": np.zeros((1, 15, 16, 3)).tolist()},
    ],
)
def test_requests_that_do_not_fit(request_, classifier):
    with pytest.raises(RequestError):
        rest(classifier[1], **request_)


def test_several_inputs_and_outputs_and_one_that_has_no_batch(tmp_path):
    x, y = keras.Input((3,), name="left"), keras.Input((2,), name="right")
    both = keras.layers.Concatenate(name="both")([x, y])
    total = keras.layers.Lambda(lambda z: keras.ops.sum(z), output_shape=(), name="total")(both)
    keras_fcn.export(keras.Model([x, y], both), tmp_path / "rows" / "1", "saved_model")
    rows = [{"left": [1, 2, 3], "right": [4, 5]}, {"left": [6, 7, 8], "right": [9, 10]}]
    wanted = [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]
    assert rest(Served(tmp_path / "rows" / "1"), instances=rows) == {"predictions": wanted}
    keras_fcn.export(keras.Model([x, y], [both, total]), tmp_path / "all" / "1", "saved_model")
    served = Served(tmp_path / "all" / "1")
    with pytest.raises(RequestError, match="total has another batch"):
        rest(served, instances=rows)
    columns = {key: [row[key] for row in rows] for key in ("left", "right")}
    assert rest(served, inputs=columns) == {"outputs": {"both": wanted, "total": 55.0}}


def predict_request(signature, **inputs):
    """A PredictRequest, in plain Python."""
    protos = {name: tf.make_tensor_proto(value) for name, value in inputs.items()}
    return SimpleNamespace(model_spec=SimpleNamespace(signature_name=signature), inputs=protos)


def test_tensors_of_grpc(classifier):
    model, served = classifier
    pictures = [_picture(40, 30), _picture(40, 30, 1)]
    wanted = [best(model, x) for x in pictures]
    for request in (
        predict_request("image_bytes", image_bytes=[_file(x) for x in pictures]),
        predict_request("images", images=np.stack(pictures)),
    ):
        assert tf.make_ndarray(served.grpc(request)["top_k"]).tolist() == wanted
    prepared = np.zeros((1, 16, 16, 3), np.float32)
    (name,) = served.metadata()["serving_default"]["inputs"]
    found = served.grpc(predict_request("", **{name: prepared}))
    np.testing.assert_allclose(
        tf.make_ndarray(found["prob"]), model.predict(prepared, verbose=0), atol=1e-6
    )


def test_the_message_of_grpc(classifier):
    apis = pytest.importorskip(
        "tensorflow_serving.apis.predict_pb2", reason="needs tensorflow-serving-api"
    )
    model, served = classifier
    request = apis.PredictRequest()
    request.model_spec.name = "classifier"
    request.model_spec.signature_name = "image_bytes"
    file = _file(_picture(40, 30))
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([file], shape=[1]))
    sent = apis.PredictRequest.FromString(request.SerializeToString())
    response = apis.PredictResponse()
    for name, proto in served.grpc(sent).items():
        response.outputs[name].CopyFrom(proto)
    found = apis.PredictResponse.FromString(response.SerializeToString())
    assert tf.make_ndarray(found.outputs["top_k"]).tolist() == [best(model, _picture(40, 30))]
