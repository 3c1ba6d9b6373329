"""Keras models -> ONNX, by way of the Caffe networks that they are."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_fcn.caffe.conversion.to_onnx import write_net
from keras_fcn.caffe.errors import CaffeError, CaffeWarning, UnsupportedLayerError
from keras_fcn.caffe.io.files import atomic_path
from keras_fcn.caffe.onnx.prelude import Prelude
from keras_fcn.caffe.onnx.running import can_run
from keras_fcn.caffe.surgery.net import TrainedNet
from keras_fcn.caffe.text.card_line import CARD_NAME
from keras_fcn.exporting.caffe_form import write_caffe_form
from keras_fcn.exporting.file_card import file_card
from keras_fcn.exporting.onnx_check import check_written
from keras_fcn.exporting.preparation import WHITE, inner_preprocessing
from keras_fcn.exporting.signature import signature
from keras_fcn.graph.ends import output_names
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.means import mean_array

logger = logging.getLogger("keras_fcn")


def write_onnx(
    model: keras.Model,
    path: Path,
    *,
    input_shapes: Mapping[str, Sequence[int | None]] | None = None,
    check: bool = True,
    preprocessing_inside: bool = False,
    **options: Any,
) -> None:
    """Write a model as ONNX.

    A model that has no Caffe form is written by Keras' own exporter, channels last, with a
    `convert.CaffeWarning`.

    Args:
        model: the model.
        path: the file.
        input_shapes: input -> sizes that are not free, in Caffe's axis order.
        check: compare the file in onnxruntime, where it is installed, with the model.
        preprocessing_inside: whether the file takes images as they are in files, and prepares
            them itself.
        **options: `opset`, `layout`, `fold`, `detection` and `custom`, see
            `keras_fcn.caffe.conversion.to_onnx`.

    Raises:
        CaffeError: the model has no ONNX form, the file cannot be written, or it does not give
            the model's numbers.
        ValueError: an option has a wrong value.
    """
    own = inner_preprocessing(model) if preprocessing_inside else None
    if own is not None:
        options["prelude"] = _prelude(own)

    def write(net: TrainedNet, **how: Any) -> None:
        write_net(net, path, **how, **options)

    try:
        shapes = write_caffe_form(model, write, input_shapes)
    except UnsupportedLayerError as error:
        if options or input_shapes:
            raise
        _by_keras(model, path, error)
        return
    if not check:
        return
    if not can_run():
        logger.warning("%s is not compared with the model: pip install onnxruntime", path)
        return
    check_written(
        path,
        model,
        shapes,
        channels_last=options.get("layout") == "channels_last",
        preprocessing=own,
        custom=bool(options.get("custom")),
    )


def _prelude(own: Preprocessing) -> Prelude:
    mean = own.mean
    return Prelude(
        channels=own.channels,
        size=own.size,
        on_corners=own.interpolation == "bilinear_corners",
        crop=own.crop,
        reverses=own.channels == 3 and own.channel_order == "bgr",
        scale=own.raw_scale / WHITE,
        mean=None if mean is None else mean_array(mean, own.channels, own.channel_order),
        input_scale=own.input_scale,
    )


def _by_keras(model: keras.Model, path: Path, why: CaffeError) -> None:
    """Write the model by Keras' own exporter; tf2onnx prints as it goes."""
    try:
        import onnx
        import tf2onnx  # noqa: F401  which Keras asks for
    except ImportError as error:
        raise CaffeError(
            f"{why}; Keras' own exporter, which writes other networks, needs more packages: "
            f"pip install tf2onnx onnx ({error})"
        ) from error
    with atomic_path(path) as temporary:
        target = temporary.with_suffix(".onnx")
        try:
            with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # NumPy's, of names that change
                model.export(
                    str(target), format="onnx", verbose=False, input_signature=signature(model)
                )
            graph = onnx.load(target)
            _name_outputs(graph, output_names(model))
            try:
                onnx.checker.check_model(graph, full_check=True)
            except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
                raise CaffeError(
                    "this network has no ONNX form; export it as a SavedModel. tf2onnx left: "
                    f"{error}"
                ) from error
            card = file_card(model)
            if card:
                graph.metadata_props.add(key=CARD_NAME, value=card)
            onnx.save(graph, temporary)
        finally:
            target.unlink(missing_ok=True)
    warnings.warn(
        f"{why}; {path} is by Keras' own exporter: channels last, and named as layers are",
        CaffeWarning,
        stacklevel=5,
    )


def _name_outputs(graph: Any, names: Sequence[str]) -> None:
    """Give outputs, which tf2onnx calls `Identity:0`, their layers' names."""
    new = dict(zip((output.name for output in graph.graph.output), names, strict=True))
    for output in graph.graph.output:
        output.name = new[output.name]
    for node in graph.graph.node:
        for side in (node.input, node.output):
            side[:] = [new.get(name, name) for name in side]
