"""What is measured: agreement with Caffe and with networks written by hand, speed, training."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

import keras_fcn
from tests.golden import LayerCase, layer_case, layer_case_names
from tests.gpu.backends import Backend, seconds
from tests.gpu.tables import Measured
from tests.gpu.twins import TWINS, multiplications

Row = dict[str, Any]
Task = tuple[Row, Callable[[], Row]]

PRODUCTS = {"Convolution", "Deconvolution", "InnerProduct", "LSTM", "RNN", "LRN"}
"""Kinds of layers that multiply matrices, whose numbers TF32 changes."""
_POOL = np.random.default_rng(0).standard_normal(1_000_003, np.float32)


def seeded_weights(model: keras.Model) -> None:
    """Give a model weights that keep its maps' scale, the same wherever it is built."""
    for layer in model.layers:
        for variable in layer.trainable_variables:
            shape = tuple(variable.shape)
            fan = np.prod(shape[:-1]) if len(shape) > 1 else 100
            values = np.resize(_POOL, shape) * np.sqrt(2 / fan)
            if variable.name == "scale":
                values = 1 + values
            variable.assign(values)


class Nets:
    """The models, built when they are first asked for; one at a time is kept."""

    def __init__(self, measured: Mapping[str, Measured], backend: Backend) -> None:
        self.measured, self.backend = measured, backend
        self._key: tuple[str, str] | None = None
        self._model: Any = None
        self._twins: dict[str, Any] = {}

    def model(self, name: str) -> keras.Model:
        """The model up to its logits, in the precision that is set."""
        key = (name, keras.config.dtype_policy().name)
        if self._key != key:
            self._key = self._model = None
            self._twins.clear()
            gc.collect()
            constructor = getattr(keras_fcn, self.measured[name].constructor)
            model = constructor(weights=None, classifier_activation=None)
            seeded_weights(model)
            self._key, self._model = key, model
        return self._model

    def twin(self, name: str, model: keras.Model, dtype: str) -> Any:
        """The network in the backend's own library; None where there is none."""
        kind = TWINS.get(self.backend.name)
        if kind is None:
            return None
        if dtype not in self._twins:
            weights = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
            self._twins[dtype] = kind(self.measured[name].rows, weights, dtype)
        return self._twins[dtype]

    def images(self, name: str, batch: int) -> np.ndarray:
        """Images as the network takes them."""
        shape = (batch, *self.measured[name].size, 3)
        return np.resize(_POOL, shape) * 50


def layer_cases(backend: Backend, every: int, deadline: Callable[[], bool]) -> Iterator[Task]:
    """Layer cases against Caffe; with TF32 those that multiply matrices."""
    for precision in ("float32", "tf32") if backend.on_gpu else ("float32",):
        row = {"section": "layers", "name": "Caffe's layer cases", "precision": precision}
        yield row, lambda p=precision: _layer_cases(backend, p, every, deadline)


def _layer_cases(backend: Backend, precision: str, every: int, deadline: Callable[[], bool]) -> Row:
    found, errors, refused = [], [], []
    with backend.precision(precision):
        for name in layer_case_names("*")[::every]:
            case = layer_case(name)
            if precision == "tf32" and not case.kinds & PRODUCTS:
                continue
            if deadline():
                break
            try:
                found.append((_error(case), name))
            except keras_fcn.errors.UnsupportedLayerError as error:
                refused.append(f"{name}: {error}")
            except Exception as error:  # recorded: the others go on
                errors.append(f"{name}: {type(error).__name__}: {str(error)[:200]}")
    found.sort(reverse=True)
    counts = {f"within {t:g}": sum(e <= t for e, _ in found) for t in (1e-5, 1e-4, 1e-3, 1e-2)}
    worst = [f"{name}: {error:.2g}" for error, name in found[:12]]
    result = {"cases": len(found), **counts, "worst": worst, "errors": errors, "refused": refused}
    if errors or (precision == "float32" and counts["within 0.0001"] < len(found)):
        result["error"] = f"{len(errors)} cases failed; worst {worst[:3]}"
    return result


def _error(case: LayerCase) -> float:
    """The largest difference of a case's blobs, as a share of the blob's largest value."""
    model = keras_fcn.from_caffe(case.prototxt, case.weights, **case.state)
    blobs = keras_fcn.blobs(model, case.inputs)
    return max(
        (_difference(blobs[name], expected) for name, expected in case.outputs.items()),
        default=0.0,
    )


def _difference(actual: np.ndarray, expected: np.ndarray) -> float:
    expected = np.asarray(expected, np.float64)
    plain = np.abs(expected) < 1e38  # others agree exactly
    if not np.array_equal(actual[~plain], expected[~plain].astype("float32"), equal_nan=True):
        return float("inf")
    off = np.abs(np.asarray(actual, np.float64)[plain] - expected[plain])
    if not off.size or not off.max():
        return 0.0
    return float(off.max() / np.abs(expected[plain]).max(initial=1e-30))


def net_agreement(nets: Nets) -> Iterator[Task]:
    """The networks against those written by hand, in float64 where the backend has it."""
    for name in nets.measured:
        for precision in ("float32", "tf32", "mixed_bfloat16"):
            if precision != "float32" and not nets.backend.on_gpu:
                continue
            row = {"section": "nets", "name": name, "batch": 1, "precision": precision}
            yield row, lambda n=name, p=precision: _net_agreement(nets, n, p)


def _net_agreement(nets: Nets, name: str, precision: str) -> Row:
    backend = nets.backend
    images = nets.images(name, 1)
    with backend.precision(precision):
        model = nets.model(name)
        outputs = np.asarray(model.predict(images, verbose=0), np.float64)
    with backend.precision("float32"):
        twin = nets.twin(name, model, "float64" if backend.name == "torch" else "float32")
        if twin is None:
            return {"note": "no network written by hand for this backend"}
        expected = twin.array(twin(twin.image(images)))
    worst = float(np.abs(outputs - expected).max() / np.abs(expected).max())
    result = {"difference": worst, "reference": str(twin.dtype)}
    if not worst <= {"float32": 1e-4, "tf32": 1e-2, "mixed_bfloat16": 5e-2}[precision]:
        result["error"] = f"the logits differ by {worst:.2g} of the largest"
    return result


def throughput(nets: Nets, precisions: tuple[str, ...], budget: float) -> Iterator[Task]:
    """Images a second: all networks on one image, then on several."""
    for several in (False, True):
        for name, net in nets.measured.items():
            for precision in precisions:
                for batch in net.batches[1:] if several else net.batches[:1]:
                    row = {"section": "speed", "name": name, "batch": batch, "precision": precision}
                    yield row, lambda n=name, b=batch, p=precision: _speed(nets, n, b, p, budget)


def _speed(nets: Nets, name: str, batch: int, precision: str, budget: float) -> Row:
    backend, images = nets.backend, nets.images(name, batch)
    with backend.precision(precision), backend.without_gradients():
        model = nets.model(name)
        x = keras.ops.convert_to_tensor(images)
        backend.reset_memory()
        first = keras.ops.convert_to_numpy(model(x))
        memory = backend.memory()
        half = precision.startswith("mixed")
        twin = nets.twin(name, model, "bfloat16" if half else "float32")
        works = {"ours": lambda: model(x), "predict": lambda: model.predict(images, batch, 0)}
        if twin is not None:
            given = twin.image(images)
            works["twin"] = lambda: twin(given)
        spent = seconds(works, backend.finish, budget)
        flops = 2 * batch * multiplications(nets.measured[name].rows, nets.measured[name].size)
        peak = backend.peak(precision)
        result = {
            "ours_ms": spent["ours"] * 1e3,
            "predict_ms": spent["predict"] * 1e3,
            "images_per_second": batch / spent["ours"],
            "tflops": flops / spent["ours"] / 1e12,
            "peak_tflops": peak,
            "memory_mb": memory,
        }
        again = keras.ops.convert_to_numpy(model(x))
        if not np.abs(again - first).max() <= 1e-2 * np.abs(first).max():
            result["error"] = "passes behind the first one give something else"
        if twin is not None:
            result |= {"twin_ms": spent["twin"] * 1e3, "ratio": spent["twin"] / spent["ours"]}
            if result["ratio"] < 0.9:
                result["profile"] = {
                    side: backend.kernels(works[side]) for side in ("ours", "twin")
                }
    return result


def training(nets: Nets, precisions: tuple[str, ...], budget: float) -> Iterator[Task]:
    """One step of FCN-8s."""
    for name, net in nets.measured.items():
        for precision in precisions if net.constructor == "FCN8s" else ():
            row = {"section": "training", "name": name, "batch": 1, "precision": precision}
            yield row, lambda n=name, p=precision: _training(nets, n, p, budget)


def _training(nets: Nets, name: str, precision: str, budget: float) -> Row:
    backend, images = nets.backend, nets.images(name, 1)
    labels = np.resize(np.arange(21), (1, *nets.measured[name].size)).astype("int32")
    with backend.precision(precision):
        model = nets.model(name)
        twin = None if precision.startswith("mixed") else nets.twin(name, model, "float32")
        model.compile(
            keras.optimizers.SGD(1e-10, momentum=0.9),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        backend.reset_memory()
        first = float(model.train_on_batch(images, labels))
        memory = backend.memory()
        works = {"ours": lambda: model.train_on_batch(images, labels)}
        if twin is not None:
            step, given = twin.trainer(labels), twin.image(images)
            theirs = float(step(given))
            works["twin"] = lambda: step(given)
        finish = backend.finish if twin is not None else lambda y: y
        spent = seconds(works, finish, budget)
    result = {"ours_ms": spent["ours"] * 1e3, "memory_mb": memory, "loss": first}
    if twin is not None:
        result |= {"twin_ms": spent["twin"] * 1e3, "ratio": spent["twin"] / spent["ours"]}
        if abs(first - theirs) > 1e-2 * abs(theirs):
            result["error"] = f"the loss is {first:.6g}, that of the other {theirs:.6g}"
    return result
