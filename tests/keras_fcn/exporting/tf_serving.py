"""TensorFlow Serving's forms of requests and answers, as its documents tell them.

The schema of `:predict` over REST (TensorFlow Serving's page "RESTful API"): requests in rows or in
columns, binary values as `{"b64": "..."}`, answers of strings in base64 where a name ends in
`_bytes`; and the tensors of the PredictRequest of gRPC.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.json_format import MessageToDict
from tensorflow.core.protobuf import saved_model_pb2

_PREDICT = "tensorflow/serving/predict"


class RequestError(ValueError):
    """What the server answers with status 400."""


class Served:
    """A SavedModel behind the two forms of requests."""

    def __init__(self, folder: Path) -> None:
        stored = saved_model_pb2.SavedModel()
        stored.ParseFromString((folder / "saved_model.pb").read_bytes())
        (graph,) = stored.meta_graphs
        assert "serve" in graph.meta_info_def.tags
        self._told = {
            name: x for name, x in graph.signature_def.items() if not name.startswith("__")
        }
        self._loaded = tf.saved_model.load(str(folder))

    def metadata(self) -> dict[str, Any]:
        """What `GET .../metadata` tells of the signatures."""
        return {name: MessageToDict(x) for name, x in self._told.items()}

    def rest(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request that is parsed JSON."""
        name = request.get("signature_name", "serving_default")
        told = self._signature(name)
        if ("instances" in request) == ("inputs" in request):
            raise RequestError("either instances or inputs")
        if "inputs" in request:
            fed = self._columns(request["inputs"], told.inputs)
            return {"outputs": _named(self._run(name, fed), lambda x, y: _json(x, y))}
        rows = request["instances"]
        if not isinstance(rows, list) or not rows:
            raise RequestError("instances is a list of at least one")
        outputs = self._run(name, self._rows(rows, told.inputs))
        for key, value in outputs.items():
            if value.ndim == 0 or len(value) != len(rows):
                raise RequestError(f"{key} has another batch than the {len(rows)} instances")
        each = [
            _named({key: value[i] for key, value in outputs.items()}, _json)
            for i in range(len(rows))
        ]
        return {"predictions": each}

    def grpc(self, request: Any) -> dict[str, Any]:
        """Outputs, as tensor protos, of a PredictRequest or what has its fields."""
        name = request.model_spec.signature_name or "serving_default"
        fed = {key: tf.make_ndarray(x) for key, x in request.inputs.items()}
        return {key: tf.make_tensor_proto(x) for key, x in self._run(name, fed).items()}

    def _signature(self, name: str) -> Any:
        if name not in self._told:
            raise RequestError(f"no signature {name}")
        assert self._told[name].method_name == _PREDICT
        return self._told[name]

    def _run(self, name: str, fed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        inputs = self._signature(name).inputs
        if fed.keys() != inputs.keys():
            raise RequestError(f"inputs are {sorted(inputs)}, not {sorted(fed)}")
        tensors = {}
        for key, value in fed.items():
            kind, sizes = tf.as_dtype(inputs[key].dtype), inputs[key].tensor_shape.dim
            if kind != tf.string and tf.as_dtype(value.dtype) != kind:
                raise RequestError(f"{key} is {kind.name}, not {value.dtype}")
            if value.ndim != len(sizes) or any(
                wanted.size not in (-1, given)
                for wanted, given in zip(sizes, value.shape, strict=True)
            ):
                raise RequestError(f"{key} has shape {value.shape}")
            tensors[key] = tf.constant(value, kind)
        found = self._loaded.signatures[name](**tensors)
        assert found.keys() == self._signature(name).outputs.keys()
        return {key: np.asarray(value) for key, value in found.items()}

    def _rows(self, rows: list[Any], inputs: Any) -> dict[str, np.ndarray]:
        if isinstance(rows[0], dict) and rows[0].keys() != {"b64"}:
            columns = {key: [row[key] for row in rows] for key in rows[0]}
            if any(row.keys() != columns.keys() for row in rows):
                raise RequestError("each instance has all inputs")
        elif len(inputs) == 1:
            columns = {next(iter(inputs)): rows}
        else:
            raise RequestError("with several inputs an instance is an object")
        return self._columns(columns, inputs)

    def _columns(self, columns: Any, inputs: Any) -> dict[str, np.ndarray]:
        if not isinstance(columns, dict) or columns.keys() == {"b64"}:
            if len(inputs) != 1:
                raise RequestError("several inputs are an object")
            columns = {next(iter(inputs)): columns}
        unknown = columns.keys() - inputs.keys()
        if unknown:
            raise RequestError(f"no inputs {sorted(unknown)}")
        return {
            key: _tensor(value, tf.as_dtype(inputs[key].dtype)) for key, value in columns.items()
        }


def _tensor(value: Any, kind: tf.DType) -> np.ndarray:
    """A dense tensor of nested lists."""
    if kind == tf.string:
        return np.array(_bytes(value), object)
    try:
        array = np.array(value)
    except ValueError as error:
        raise RequestError("lists of one level have one length") from error
    if array.dtype == object or array.dtype.kind not in "iufb":
        raise RequestError(f"not numbers: {value!r}"[:80])
    if kind.is_integer and array.dtype.kind != "i":
        raise RequestError("whole numbers are wanted")
    return array.astype(kind.as_numpy_dtype)


def _bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_bytes(x) for x in value]
    if isinstance(value, dict) and value.keys() == {"b64"}:
        return base64.b64decode(value["b64"], validate=True)
    if isinstance(value, str):
        return value.encode()
    raise RequestError("a string, or its base64")


def _named(outputs: dict[str, Any], written: Any) -> Any:
    """Values by name; one alone has none."""
    if len(outputs) == 1:
        ((name, value),) = outputs.items()
        return written(name, value)
    return {name: written(name, value) for name, value in outputs.items()}


def _json(name: str, value: Any) -> Any:
    listed = np.asarray(value).tolist()

    def text(x: Any) -> Any:
        if isinstance(x, list):
            return [text(y) for y in x]
        if isinstance(x, bytes):
            binary = name.endswith("_bytes")
            return {"b64": base64.b64encode(x).decode()} if binary else x.decode()
        return x

    return text(listed)
