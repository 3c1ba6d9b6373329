"""`optimize_for_inference`: from a model or its files to the engine that runs it fastest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keras_fcn.engines.kinds import ENGINES, PRECISIONS, TENSORFLOW, Asked
from keras_fcn.hints import did_you_mean
from keras_fcn.inference.optimized import InferenceModel

__all__ = ["optimize_for_inference"]

_NAMES = ("auto", TENSORFLOW, *ENGINES)


def optimize_for_inference(
    model: Any,
    weights: str | Path | None = None,
    *,
    engine: str = "auto",
    precision: str = "float32",
    threads: int | None = None,
    images: Any = None,
    **net: Any,
) -> InferenceModel:
    """Make a network ready for inference, in the engine that runs it fastest on a CPU.

    The result is a snapshot: what is trained afterwards does not change it. Before it
    is given, a small made-up image goes through the model and the engine; where their outputs
    differ by more than 1e-4 of the largest value, the engine is refused. A SavedModel goes as it
    is: its layers are not known, so TensorFlow alone runs it.

    Args:
        model: a model of Keras; or whatever `keras_fcn.load` takes, such as a prototxt; or an
            ONNX file, or a `.param` file of ncnn with its `.bin`. Of files of Caffe and of
            engines TensorFlow is not loaded, unless it is the engine.
        weights: of a prototxt or a name, as for `keras_fcn.load`.
        engine: `"onnxruntime"`, `"ncnn"`, `"openvino"` or `"tensorflow"`. `"auto"` goes by the
            layers: onnxruntime for networks that convolve each channel by itself or have
            unpooling, and for batches of those with inner products; ncnn for all others. Where
            that engine is not installed or lacks a layer, and where TensorFlow sees a GPU, it
            is TensorFlow; a `convert.CaffeWarning` tells why.
        precision: `"float32"`, or `"bfloat16"`, which OpenVINO alone has: about twice as fast on
            processors that know it, with scores off by some percent.
        threads: how many the engine uses; None: as many as there are cores. TensorFlow's are set
            for the whole program, see `tf.config.threading`.
        images: pictures of which `changed_labels` tells the share of labels that bfloat16
            changes, as for `keras_fcn.segment`; by default a made-up one.
        **net: how a network of Caffe is read, see `keras_fcn.load`.

    Returns:
        A model with `predict`, a call, the card, and names and shapes of inputs and outputs.

    Raises:
        CaffeError: a file is wrong; the engine is not installed, lacks a layer, or gives other
            numbers than the model.
        TypeError: the model is none, or is optimized already.
        ValueError: there is no such engine or precision, or they do not go together.

    Example:
        ```python
        fast = keras_fcn.optimize_for_inference("deploy.prototxt", "net.caffemodel")
        labels = keras_fcn.segment(fast, "street.jpg")
        ```
    """
    _check(engine, precision, threads)
    if isinstance(model, InferenceModel):
        raise TypeError(f"the model is optimized already; give what it was made of: {model!r}")
    if isinstance(model, str | Path):
        from keras_fcn.inference.files_source import of_files

        asked = Asked(engine, precision, threads)
        ready = of_files(Path(model), weights, asked, images, net)
        if ready is not None:
            return ready
        from keras_fcn.loading.load import load

        model = load(model, weights, **net)
    elif weights is not None or net:
        raise ValueError("weights, and how a network is read, are for files and names")
    from keras_fcn.inference.keras_source import of_keras

    return of_keras(model, Asked(engine, precision, threads), images)


def _check(engine: str, precision: str, threads: int | None) -> None:
    if engine not in _NAMES:
        raise ValueError(
            f"engine must be one of {', '.join(_NAMES)}{did_you_mean(engine, _NAMES)}. "
            f"Received: {engine!r}"
        )
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {[*PRECISIONS]}. Received: {precision!r}")
    if engine not in ("auto", *PRECISIONS[precision]) or (
        engine == "auto" and precision != "float32"
    ):
        raise ValueError(
            f"precision={precision!r} is for engine={' or '.join(map(repr, PRECISIONS[precision]))}"
            f". Received: engine={engine!r}"
        )
    if threads is not None and (isinstance(threads, bool) or threads < 1):
        raise ValueError(f"threads must be a whole number from 1 on. Received: {threads!r}")
