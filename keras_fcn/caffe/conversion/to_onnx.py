"""A Caffe network with its weights -> an ONNX file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_fcn.caffe.conversion.report import ConversionReport
from keras_fcn.caffe.conversion.sources import Source
from keras_fcn.caffe.conversion.whole import write_whole
from keras_fcn.caffe.io.source import SourceFile
from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.net.input_shapes import check_input_shapes
from keras_fcn.caffe.nodes.heads import Detection
from keras_fcn.caffe.onnx import OPSETS, onnx_net, write_onnx
from keras_fcn.caffe.onnx.prelude import Prelude, with_images
from keras_fcn.caffe.onnx.writing import check_opset
from keras_fcn.caffe.surgery.folding import fold_batch_norm
from keras_fcn.caffe.surgery.net import TrainedNet

_LAYOUTS = ("channels_first", "channels_last")


def to_onnx(
    source: Source,
    prototxt: str | Path | None,
    file: SourceFile | None,
    output: str | Path,
    *,
    card: str | None = None,
    fully_convolutional: bool = False,
    **options: Any,
) -> ConversionReport:
    """Write a network as ONNX; the arguments are those of `convert`."""

    def write(net: TrainedNet, metadata: Mapping[str, str]) -> tuple[Path, ...]:
        return write_net(net, output, metadata=metadata, **options)

    return write_whole(
        source, prototxt, file, output, write, card=card, fully_convolutional=fully_convolutional
    )


def write_net(
    net: TrainedNet,
    output: str | Path,
    *,
    input_shapes: Mapping[str, Sequence[int | None]] | None = None,
    opset: int = OPSETS[0],
    layout: str = _LAYOUTS[0],
    fold: bool = False,
    detection: Detection = "nodes",
    custom: bool = False,
    shapes: Mapping[str, Shape] | None = None,
    metadata: Mapping[str, str] | None = None,
    prelude: Prelude | None = None,
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
        custom: whether layers that ONNX has no operators for become nodes of a domain of our
            own, see `keras_fcn.caffe.onnx.custom`.
        shapes: input -> its shape, None where a size has to be free; instead of
            `input_shapes`.
        metadata: what the file tells beside; empty values are left out.
        prelude: the preparation of images that is to be inside; the input is then `images`,
            uint8 (N, height, width, channels).

    Returns:
        The files that were written.

    Raises:
        NeedsSizes: the network has to keep a size that is to be free in `shapes`.
        CaffeError: a layer has no ONNX form, or a file cannot be written.
        ValueError: there is no such opset, layout or detection, or the network takes other
            inputs than the images that are to be prepared.
    """
    check_opset(opset)
    if prelude is not None and layout != _LAYOUTS[0]:
        raise ValueError(f"images that are prepared inside need no layout. Received: {layout!r}")
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
        custom=custom,
    )
    if prelude is not None:
        graph = with_images(graph, prelude)
    return write_onnx(output, graph, opset=opset, metadata=told)
