"""A Caffe network with its weights -> files of another program that hold both."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

from keras_fcn.caffe.conversion.report import ConversionReport
from keras_fcn.caffe.conversion.sources import Source
from keras_fcn.caffe.conversion.to_hdf5 import layer_rows
from keras_fcn.caffe.errors import CaffeWarning
from keras_fcn.caffe.io.source import SourceFile
from keras_fcn.caffe.io.streaming import has_nan
from keras_fcn.caffe.net.saving import NETWORK_NAME, to_text
from keras_fcn.caffe.surgery.casting import to_fully_convolutional
from keras_fcn.caffe.surgery.net import TrainedNet, trained
from keras_fcn.caffe.text.card_line import CARD_NAME

Write = Callable[[TrainedNet, Mapping[str, str]], tuple[Path, ...]]
"""Writes a network and what the file tells beside; returns the files."""


def write_whole(
    source: Source,
    prototxt: str | Path | None,
    file: SourceFile | None,
    output: str | Path,
    write: Write,
    *,
    card: str | None = None,
    fully_convolutional: bool = False,
) -> ConversionReport:
    """Write a network; the arguments are those of `convert`, but for `write`."""
    net = trained(source.network, source.weights)
    if fully_convolutional:
        net = to_fully_convolutional(net)
    metadata = {
        "network": source.network.name,
        "source": Path(source.path).name,
        CARD_NAME: source.network.card if card is None else card,
        NETWORK_NAME: to_text(net.network),
    }
    with_nan = [
        f"{name}/{index} holds NaN"
        for name, blobs in source.weights.items()
        for index, blob in enumerate(blobs)
        if has_nan(blob)
    ]
    if file is not None:
        metadata["source_sha256"] = file.sha256()  # which goes on beside all that is above
    if prototxt is not None and Path(prototxt).is_file():  # else a pipe, which has been read
        metadata["prototxt"] = Path(prototxt).name
        metadata["prototxt_sha256"] = hashlib.sha256(Path(prototxt).read_bytes()).hexdigest()
    written = write(net, {name: value for name, value in metadata.items() if value})
    notes = [*source.notes(), *(f"the weights lie in {path.name}" for path in written[1:])]
    for note in with_nan:
        notes.append(note)
        warnings.warn(f"{source.path}: {note}", CaffeWarning, stacklevel=4)
    return ConversionReport(source.path, str(output), tuple(layer_rows(source)), tuple(notes))
