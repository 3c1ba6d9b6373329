"""Keras models -> ONNX, by way of the Caffe networks that they are."""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_fcn.caffe.conversion.to_onnx import write_net
from keras_fcn.caffe.errors import CaffeError, CaffeWarning, UnsupportedLayerError
from keras_fcn.caffe.io.files import atomic_path
from keras_fcn.caffe.nodes.graph import NeedsSizes
from keras_fcn.caffe.onnx.running import can_run
from keras_fcn.caffe.surgery.net import TrainedNet
from keras_fcn.caffe.text.card_line import CARD_NAME
from keras_fcn.caffe.words import either
from keras_fcn.core.card import card_of
from keras_fcn.core.definition import defined_network
from keras_fcn.core.stored_cards import card_text
from keras_fcn.exporting.onnx_check import check_written
from keras_fcn.exporting.signature import signature
from keras_fcn.graph.ends import output_names
from keras_fcn.graph.sizes import fitting_size
from keras_fcn.layers._axes import channels_first_shape
from keras_fcn.to_caffe import to_caffe

logger = logging.getLogger("keras_fcn")

_ANY_SIZE = (224, 224)
_OTHER_SIZES = ((225, 227), (226, 231), (239, 245), (253, 238))
"""Sizes at which a network that takes any is looked at, of various rests to its strides."""


def write_onnx(
    model: keras.Model,
    path: Path,
    *,
    input_shapes: Mapping[str, Sequence[int | None]] | None = None,
    check: bool = True,
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
        **options: `opset`, `layout`, `fold` and `detection`, see
            `keras_fcn.caffe.conversion.to_onnx`.

    Raises:
        CaffeError: the model has no ONNX form, the file cannot be written, or it does not give
            the model's numbers.
        ValueError: an option has a wrong value.
    """
    names = [tensor.name for tensor in model.inputs]
    for name in input_shapes or {}:
        if name not in names:
            raise ValueError(f"the inputs are {', '.join(names)}. Received: {name!r}")
    sizes = _sizes(model, input_shapes or {})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CaffeWarning)  # no matter which Caffe runs it
            net = to_caffe(model, sizes, rounds_down=True)
            shapes = _shapes(model, input_shapes or {})
            if any(None in shape[1:] for shape in shapes.values()):
                _require_any_size(model, net)
        metadata = {"network": net.network.name, CARD_NAME: card_text(card_of(model))}
        write_net(net, path, shapes=shapes, metadata=metadata, **options)
    except NeedsSizes as error:
        name = model.inputs[0].name
        raise CaffeError(
            f"{error}; the file can be for images of one size: give "
            + either(
                f'input_shapes={{"{name}": (channels, height, width)}}', f"--input {name}=CxHxW"
            )
        ) from error
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
        {blob.name: blob.shape or () for blob in net.network.inputs},
        channels_last=options.get("layout") == "channels_last",
    )


def _shapes(
    model: keras.Model, given: Mapping[str, Sequence[int | None]]
) -> dict[str, tuple[int | None, ...]]:
    """Each input blob's shape in Caffe's axis order; None where a size is free."""
    blobs = card_of(model).inputs
    shapes: dict[str, tuple[int | None, ...]] = {}
    for tensor in model.inputs:
        shape = channels_first_shape(tensor.shape)
        told = tuple(given.get(tensor.name, ()))
        shapes[blobs.get(tensor.name, tensor.name)] = (*shape[: len(shape) - len(told)], *told)
    return shapes


def _require_any_size(model: keras.Model, net: TrainedNet) -> None:
    """Refuse a network whose layers say the sizes of images.

    Raises:
        NeedsSizes: for images of another size a layer says something else.
    """
    if defined_network(model) is not None:
        return
    for size in _OTHER_SIZES:
        other = to_caffe(model, _sizes(model, {}, size), rounds_down=True)
        pairs = itertools.zip_longest(net.network.layers, other.network.layers)
        for one, two in pairs:
            if one is None or two is None or (one.params != two.params and not one.is_source):
                place = net.network.path if one is None else one.place
                raise NeedsSizes(f"{place}: depends on the size of images")


def _sizes(
    model: keras.Model,
    given: Mapping[str, Sequence[int | None]],
    default: tuple[int, int] = _ANY_SIZE,
) -> dict[str, tuple[int, ...]]:
    """A whole shape, in Caffe's axis order, of each input of which sizes are open or given."""
    sizes: dict[str, tuple[int, ...]] = {}
    for tensor in model.inputs:
        shape = channels_first_shape((1, *tensor.shape[1:])) if tensor.shape else ()
        told = [size for size in given.get(tensor.name, ()) if size is not None]
        if told and len(told) == len(given[tensor.name]):
            sizes[tensor.name] = (*shape[: len(shape) - len(told)], *told)
        elif None in shape:
            image = len(shape) == 4
            found = fitting_size(model, default) if image else default[:1] * (len(shape) - 2)
            wanted = (1, 1, *found)
            sizes[tensor.name] = tuple(
                most if size is None else size for size, most in zip(shape, wanted, strict=True)
            )
    return sizes


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
            card = card_text(card_of(model))
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
