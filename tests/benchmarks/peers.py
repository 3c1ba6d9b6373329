"""The same network in ours and in every peer: a function from an image to a call.

A runner takes a batch (N, H, W, 3), does what needs to be done once for it, and
gives a function that computes the network's output, channels last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import keras
import numpy as np
import onnxruntime
import tensorflow as tf
from keras.layers import Conv2D, Dense, Dropout, Flatten, Input, MaxPooling2D, ReLU, Softmax

import keras_fcn

Runner = Callable[[np.ndarray], Callable[[], np.ndarray]]


class StockLRN(keras.layers.Layer):
    """TensorFlow's own local response normalization, as one writes it for CaffeNet."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.nn.local_response_normalization(inputs, 2, bias=1.0, alpha=1e-4 / 5, beta=0.75)


def stock_model(ours: keras.Model) -> keras.Sequential:
    """CaffeNet of Keras' own layers, classifier or fully convolutional, with our weights."""
    classifier = any(isinstance(layer, Dense) for layer in ours.layers)
    features = [
        Input(ours.input_shape[1:]),
        Conv2D(96, 11, strides=4, activation="relu"),
        MaxPooling2D(3, 2),
        StockLRN(),
        Conv2D(256, 5, padding="same", groups=2, activation="relu"),
        MaxPooling2D(3, 2),
        StockLRN(),
        Conv2D(384, 3, padding="same", activation="relu"),
        Conv2D(384, 3, padding="same", groups=2, activation="relu"),
        Conv2D(256, 3, padding="same", groups=2, activation="relu"),
        MaxPooling2D(3, 2),
    ]
    if classifier:
        head = [Flatten(), Dense(4096, activation="relu"), Dropout(0.5)]
        head += [Dense(4096, activation="relu"), Dropout(0.5), Dense(1000), Softmax()]
    else:
        head = [Conv2D(4096, 6), ReLU(), Dropout(0.5)]
        head += [Conv2D(4096, 1), ReLU(), Dropout(0.5), Conv2D(1000, 1), Softmax()]
    model = keras.Sequential([*features, *head])
    model.set_weights(ours.get_weights())
    return model


def predict(model: keras.Model) -> Runner:
    """``model.predict``, as a user calls it."""
    return lambda x: lambda: model.predict(x, batch_size=len(x), verbose=0)


def function(model: keras.Model) -> Runner:
    """The bare compiled function on a tensor, for one size of image."""
    traced = tf.function(lambda x: model(x, training=False), jit_compile=False)

    def runner(x: np.ndarray) -> Callable[[], np.ndarray]:
        tensor = tf.constant(x)
        concrete = traced.get_concrete_function(tf.TensorSpec((None, *x.shape[1:]), tf.float32))
        return lambda: concrete(tensor).numpy()

    return runner


def saved_model(path: Path) -> Runner:
    """Our export, loaded without keras_fcn."""
    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    name = next(iter(serve.structured_input_signature[1]))

    def runner(x: np.ndarray) -> Callable[[], np.ndarray]:
        def call() -> np.ndarray:
            (output,) = serve(**{name: tf.constant(x)}).values()
            return output.numpy()

        return call

    return runner


def onnx_session(
    path: Path, threads: int | None = None, profile: Path | None = None
) -> onnxruntime.InferenceSession:
    """A session on the CPU with so many threads, by default as many as onnxruntime likes."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = threads
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def onnx(session: onnxruntime.InferenceSession) -> Runner:
    """onnxruntime, in its own axis order."""
    (source,) = session.get_inputs()

    def runner(x: np.ndarray) -> Callable[[], np.ndarray]:
        blob = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
        return lambda: np.moveaxis(session.run(None, {source.name: blob})[0], 1, -1)

    return runner


def opencv(prototxt: Path, caffemodel: Path) -> Runner:
    """OpenCV's dnn module, reading the Caffe files themselves."""
    net = cv2.dnn.readNetFromCaffe(str(prototxt), str(caffemodel))

    def runner(x: np.ndarray) -> Callable[[], np.ndarray]:
        blob = np.ascontiguousarray(x.transpose(0, 3, 1, 2))

        def call() -> np.ndarray:
            net.setInput(blob)
            return np.moveaxis(net.forward(), 1, -1)

        return call

    return runner


def runners(
    model: keras.Model, prototxt: Path, caffemodel: Path, graph: Path, threads: int
) -> Iterator[tuple[str, Runner]]:
    """Ours, then every peer, with one set of weights."""
    stock = stock_model(model)
    exported = keras_fcn.export(model, graph.with_suffix(""))
    cv2.setNumThreads(threads)
    yield "ours, predict", predict(model)
    yield "ours, SavedModel", saved_model(exported)
    yield "ours, function", function(model)
    yield "stock Keras, predict", predict(stock)
    yield "stock Keras, function", function(stock)
    yield f"onnxruntime, {threads} threads", onnx(onnx_session(graph, threads))
    yield "onnxruntime, default threads", onnx(onnx_session(graph))
    yield "OpenCV dnn", opencv(prototxt, caffemodel)
