"""A Caffe network with its weights -> ncnn's two files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_fcn.caffe.conversion.report import ConversionReport
from keras_fcn.caffe.conversion.sources import Source, refuse_same_file
from keras_fcn.caffe.conversion.whole import write_whole
from keras_fcn.caffe.io.source import SourceFile
from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.ncnn import NcnnNet, ncnn_net, write_ncnn
from keras_fcn.caffe.ncnn.writing import beside
from keras_fcn.caffe.net.input_shapes import check_input_shapes
from keras_fcn.caffe.nodes.heads import Detection
from keras_fcn.caffe.surgery.folding import fold_batch_norm
from keras_fcn.caffe.surgery.net import TrainedNet


def to_ncnn(
    source: Source,
    prototxt: str | Path | None,
    file: SourceFile | None,
    output: str | Path,
    *,
    card: str | None = None,
    fully_convolutional: bool = False,
    **options: Any,
) -> ConversionReport:
    """Write a network for ncnn; the arguments are those of `convert`."""
    refuse_same_file(beside(output), prototxt, None if file is None else file.path)

    def write(net: TrainedNet, metadata: Mapping[str, str]) -> tuple[Path, ...]:
        return write_net(net, output, metadata=metadata, **options)

    return write_whole(
        source, prototxt, file, output, write, card=card, fully_convolutional=fully_convolutional
    )


def write_net(
    net: TrainedNet,
    output: str | Path,
    *,
    metadata: Mapping[str, str] | None = None,
    **how: Any,
) -> tuple[Path, ...]:
    """Write a network with its weights for ncnn.

    Args:
        net: the network.
        output: the `.param` file; the weights lie beside it, in the `.bin` file.
        metadata: what the file tells beside; empty values are left out.
        **how: see `in_ncnn`.

    Returns:
        The files that were written.

    Raises:
        NeedsSizes: the network has to keep a size that is to be free in `shapes`.
        CaffeError: a layer has no ncnn form, or a file cannot be written.
        ValueError: there is no such detection.
    """
    told = {name: value for name, value in (metadata or {}).items() if value}
    return write_ncnn(output, in_ncnn(net, **how), metadata=told)


def in_ncnn(
    net: TrainedNet,
    *,
    input_shapes: Mapping[str, Sequence[int | None]] | None = None,
    fold: bool = False,
    detection: Detection = "nodes",
    shapes: Mapping[str, Shape] | None = None,
) -> NcnnNet:
    """A network with its weights as ncnn has it, in memory.

    `keras_fcn.caffe.ncnn.running.opened` runs it, `param_text` and `weight_chunks` of
    `keras_fcn.caffe.ncnn` give the bytes of its files.

    Args:
        net: the network.
        input_shapes: input -> the sizes that it keeps; the others are free where the network
            allows it.
        fold: whether batch norms and scales are folded into the layers before them.
        detection: `"nodes"`, or `"none"` to leave detections out: what their layer reads,
            locations, scores and priors, are outputs then.
        shapes: input -> its shape, None where a size has to be free; instead of
            `input_shapes`.

    Raises:
        NeedsSizes: the network has to keep a size that is to be free in `shapes`.
        UnsupportedLayerError: a layer has no ncnn form.
        WeightsError: a layer has no weights.
        ValueError: there is no such detection.
    """
    if fold:
        net = fold_batch_norm(net)
    return ncnn_net(
        net.network,
        {name: list(net.params.peek(name)) for name in net.params},
        fixed=check_input_shapes(input_shapes),
        shapes=shapes,
        detection=detection,
    )
