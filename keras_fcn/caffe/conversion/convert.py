"""The converter: Caffe's files in, one file out; its ending tells the form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from keras_fcn.caffe.conversion.report import ConversionReport
from keras_fcn.caffe.conversion.sources import read, refuse_same_file
from keras_fcn.caffe.conversion.to_hdf5 import layer_rows, to_hdf5
from keras_fcn.caffe.io.source import SourceFile, opened
from keras_fcn.caffe.nodes.heads import Detection
from keras_fcn.caffe.words import argument

_FORMS = {
    "HDF5": ("mean", "partial"),
    "ONNX": ("opset", "layout", "fold", "detection", "custom"),
    "ncnn": ("fold", "detection"),
}
"""Form of a file -> the arguments that it has."""
_ENDINGS = {".onnx": "ONNX", ".param": "ncnn"}
"""Ending of a file that holds the network too -> its form."""


def convert(
    prototxt: str | Path | None,
    caffemodel: str | Path | SourceFile | None,
    output: str | Path,
    *,
    mean: str | Path | None = None,
    card: str | None = None,
    fully_convolutional: bool = False,
    partial: bool = False,
    rename: Mapping[str, str] | None = None,
    opset: int | None = None,
    layout: str | None = None,
    fold: bool = False,
    detection: Detection | None = None,
    custom: bool = False,
    progress: Callable[[int, int], None] | None = None,
    **net: Any,
) -> ConversionReport:
    """Convert a network's weights to HDF5 that Keras loads by layer name, or all of it.

    An output that ends in `.npz` becomes an archive of arrays `layer/weights`,
    `layer/biases`, and one that ends in `.npy` a pickled dictionary of the same, see
    `keras_fcn.caffe.keras_hdf5.dictionaries`; `keras_fcn.load_weights` reads the former.
    One that ends in `.onnx` holds the network too, see `keras_fcn.caffe.onnx`: inputs and
    outputs have Caffe's names and axis order, the batch is free, and so are height and width
    where the network allows it. One that ends in `.param` is ncnn's, with the weights beside
    it in the `.bin` file, see `keras_fcn.caffe.ncnn`.

    Args:
        prototxt: the network's definition, or None to use the layers that the
            caffemodel carries.
        caffemodel: the trained weights; a file, or one that is open. None where an ONNX or
            ncnn file is of a network without any.
        output: the file to write; it appears whole or not at all.
        mean: a `.binaryproto` or `.npy` mean to store beside the weights.
        card: what the network is for, as `keras_fcn.core.stored_cards.card_text` gives it; None
            for what the prototxt says.
        fully_convolutional: store inner products as convolutions, under
            `<name>-conv` (net surgery).
        partial: convert what there is where the caffemodel lacks layers of the prototxt
            that have weights. The file does not load into the whole network then.
        rename: layer name in the caffemodel -> its name in the network.
        opset: for ONNX: the version of its operators, 13 (the default) to 17.
        layout: for ONNX: `"channels_first"`, as in Caffe, or `"channels_last"`.
        fold: for ONNX and ncnn: fold batch norms and scales into the layers before them.
        detection: for ONNX and ncnn: `"nodes"`, the default, or `"none"` to leave a detector's last
            layer out, so that what it reads, locations, scores and priors, are outputs.
        custom: for ONNX: keep layers that it has no operators for as nodes of a domain of our own,
            which `keras_fcn.onnx_evaluator` computes and runtimes do not.
        progress: called with (bytes written, bytes in all) as the work goes on.
        **net: `phase`, `level`, `stages`, `dialect`, `input_shapes` and `outputs`:
            how the prototxt is read, see `convert.load_network`. Sizes in `input_shapes` are
            fixed in an ONNX or ncnn file; where they begin with the batch, that is too.

    Returns:
        What was converted, with notes on what was left out.

    Raises:
        CaffeError: a file is damaged, the weights belong to another network or lack layers
            of it, a layer has no such form, or the output cannot be written.
        ValueError: an argument is for another form of output.
    """
    form = _ENDINGS.get(Path(output).suffix.lower(), "HDF5")
    given = {
        "mean": mean,
        "partial": partial,
        "opset": opset,
        "layout": layout,
        "fold": fold,
        "detection": detection,
        "custom": custom,
    }
    for name in given:
        if given[name] and name not in _FORMS[form]:
            forms = " and ".join(x for x, names in _FORMS.items() if name in names)
            raise ValueError(f"{argument(name)} is for {forms} files. Received: {str(output)!r}")
    options: dict[str, Any] = {name: given[name] for name in _FORMS[form] if given[name]}
    options.pop("partial", None)
    options |= {"fully_convolutional": fully_convolutional, "card": card}
    with nullcontext() if caffemodel is None else opened(caffemodel) as file:
        if file is not None:
            file.hash_ahead()
        source = read(prototxt, file, rename, net)
        refuse_same_file(output, prototxt, None if file is None else file.path, mean)
        if form != "HDF5" or (prototxt is not None and not partial):
            source.refuse_lacking()
        if form != "HDF5":
            shapes = net.get("input_shapes")
            return _writer(form)(source, prototxt, file, output, input_shapes=shapes, **options)
        if file is None:
            raise ValueError(f"{output} is to hold weights; give a caffemodel")
        return to_hdf5(source, file, output, progress=progress, **options)


def _writer(form: str) -> Callable[..., ConversionReport]:
    """What writes files of a form that holds the network too."""
    if form == "ONNX":
        from keras_fcn.caffe.conversion.to_onnx import to_onnx

        return to_onnx
    from keras_fcn.caffe.conversion.to_ncnn import to_ncnn

    return to_ncnn


def list_layers(
    caffemodel: str | Path,
    prototxt: str | Path | None = None,
    *,
    rename: Mapping[str, str] | None = None,
    **net: Any,
) -> ConversionReport:
    """The table of a caffemodel's layers, shapes and sizes; nothing is written.

    The arguments are those of `convert`.
    """
    source = read(prototxt, caffemodel, rename, net)
    rows, notes = layer_rows(source), source.notes()
    return ConversionReport(str(caffemodel), None, tuple(rows), tuple(notes))
