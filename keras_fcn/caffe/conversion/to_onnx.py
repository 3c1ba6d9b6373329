"""A Caffe network with its weights -> an ONNX file."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_fcn.caffe.conversion.report import ConversionReport
from keras_fcn.caffe.conversion.sources import Source
from keras_fcn.caffe.conversion.to_hdf5 import layer_rows
from keras_fcn.caffe.errors import CaffeWarning
from keras_fcn.caffe.io.source import SourceFile
from keras_fcn.caffe.io.streaming import has_nan
from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.net.input_shapes import check_input_shapes
from keras_fcn.caffe.nodes.heads import Detection
from keras_fcn.caffe.onnx import OPSETS, onnx_net, write_onnx
from keras_fcn.caffe.onnx.writing import check_opset
from keras_fcn.caffe.surgery.casting import to_fully_convolutional
from keras_fcn.caffe.surgery.folding import fold_batch_norm
from keras_fcn.caffe.surgery.net import TrainedNet, trained
from keras_fcn.caffe.text.card_line import CARD_NAME

_LAYOUTS = ("channels_first", "channels_last")


def to_onnx(
    source: Source,
    prototxt: str | Path | None,
    file: SourceFile | None,
    output: str | Path,
    *,
    card: str | None = None,
    fully_convolutional: bool = False,
    input_shapes: Mapping[str, Sequence[int | None]] | None = None,
    opset: int = OPSETS[0],
    layout: str = _LAYOUTS[0],
    fold: bool = False,
    detection: Detection = "nodes",
) -> ConversionReport:
    """Write a network as ONNX; the arguments are those of `convert`."""
    net = trained(source.network, source.weights)
    if fully_convolutional:
        net = to_fully_convolutional(net)
    metadata = {
        "network": source.network.name,
        "source": Path(source.path).name,
        CARD_NAME: source.network.card if card is None else card,
    }
    if file is not None:
        metadata["source_sha256"] = file.sha256()
    if prototxt is not None and Path(prototxt).is_file():  # else a pipe, which has been read
        metadata["prototxt"] = Path(prototxt).name
        metadata["prototxt_sha256"] = hashlib.sha256(Path(prototxt).read_bytes()).hexdigest()
    written = write_net(
        net,
        output,
        input_shapes=input_shapes,
        opset=opset,
        layout=layout,
        fold=fold,
        detection=detection,
        metadata=metadata,
    )
    notes = [*source.notes(), *(f"the weights lie in {path.name}" for path in written[1:])]
    for name, blobs in source.weights.items():
        for index in (i for i, blob in enumerate(blobs) if has_nan(blob)):
            notes.append(f"{name}/{index} holds NaN")
            warnings.warn(f"{source.path}: {notes[-1]}", CaffeWarning, stacklevel=3)
    return ConversionReport(source.path, str(output), tuple(layer_rows(source)), tuple(notes))


def write_net(
    net: TrainedNet,
    output: str | Path,
    *,
    input_shapes: Mapping[str, Sequence[int | None]] | None = None,
    opset: int = OPSETS[0],
    layout: str = _LAYOUTS[0],
    fold: bool = False,
    detection: Detection = "nodes",
    shapes: Mapping[str, Shape] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> tuple[Path, ...]:
    """Write a network with its weights as ONNX.

    Args:
        net: the network.
        output: the file.
        input_shapes: input -> the sizes that it keeps; the others are free where the network
            allows it. Where they begin with the batch, that is kept too.
        opset: version of ONNX' operators, 13 to 17.
        layout: `"channels_first"`, as in Caffe, or `"channels_last"`, as in Keras.
        fold: whether batch norms and scales are folded into the layers before them.
        detection: `"nodes"`, or `"none"` to leave detections out: what their layer reads,
            locations, scores and priors, are outputs then.
        shapes: input -> its shape, None where a size has to be free; instead of
            `input_shapes`.
        metadata: what the file tells beside; empty values are left out.

    Returns:
        The files that were written.

    Raises:
        NeedsSizes: the network has to keep a size that is to be free in `shapes`.
        CaffeError: a layer has no ONNX form, or a file cannot be written.
        ValueError: there is no such opset, layout or detection.
    """
    check_opset(opset)
    if layout not in _LAYOUTS:
        raise ValueError(f"layout must be one of {_LAYOUTS}. Received: {layout!r}")
    told = {name: value for name, value in (metadata or {}).items() if value}
    if fold:
        net = fold_batch_norm(net)
    graph = onnx_net(
        net.network,
        {name: list(net.params.peek(name)) for name in net.params},
        fixed=check_input_shapes(input_shapes),
        channels_last=layout == _LAYOUTS[1],
        shapes=shapes,
        detection=detection,
    )
    return write_onnx(output, graph, opset=opset, metadata=told)
