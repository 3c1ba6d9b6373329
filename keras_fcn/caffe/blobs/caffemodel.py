"""`.caffemodel` files: blobs as views of the file, one layer at a time.

The file is memory-mapped and walked on the wire level, so a 550 MB network is
open in a millisecond and no array is copied until somebody asks for it. The
layers themselves (everything but the blobs) are parsed into a NetParameter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from google.protobuf.message import DecodeError

from keras_fcn.caffe.blobs.binaryproto import is_binaryproto, read_binaryproto
from keras_fcn.caffe.blobs.blob_protos import Array, StoredBlob, read_blob
from keras_fcn.caffe.blobs.caffemodel_layers import StoredLayer, is_v0_holder, read_layers
from keras_fcn.caffe.blobs.caffemodel_writer import write_caffemodel
from keras_fcn.caffe.blobs.opened import Weights
from keras_fcn.caffe.blobs.solverstate import describe_solverstate
from keras_fcn.caffe.definition import NetDefinition
from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.io.source import SourceFile, opened
from keras_fcn.caffe.names import keras_name, renamed
from keras_fcn.caffe.proto import schema
from keras_fcn.caffe.proto.definitions import current_definition

if TYPE_CHECKING:
    from keras_fcn.caffe.io.hdf5_input import Hdf5File

__all__ = [
    "Array",
    "CaffeModel",
    "StoredBlob",
    "StoredLayer",
    "read_binaryproto",
    "read_blob",
    "read_caffemodel",
    "write_caffemodel",
]

_TEXT = re.compile(rb"[^\x00-\x08\x0e-\x1f]*")


class CaffeModel(Weights):
    """A weights file: Caffe layer name -> blobs in Caffe's layout, read lazily.

    Only layers that have blobs are keys. Where a name occurs twice the last one
    counts, as when Caffe copies trained layers.

    Attributes:
        path: the file.
        net: NetParameter without the blobs, as stored (V0, V1 or current form).
        layers: name -> StoredLayer, for shapes without reading data.
        exact: whether the arrays keep the file's own numbers, such as doubles; else
            they are float32.
    """

    def __init__(
        self,
        path: str,
        net: Any,
        layers: Sequence[StoredLayer],
        exact: bool = False,
        notes: Sequence[str] = (),
        source: SourceFile | None = None,
    ) -> None:
        self.path = path
        self.source = source
        self.net = net
        self.layers = {layer.name: layer for layer in layers if layer.blobs}
        self.exact = exact
        self.notes = tuple(notes)

    @property
    def definition(self) -> NetDefinition:
        """The network that the file carries; it has no layers where there are weights only.

        Raises:
            NetworkError: its layers are of several forms.
        """
        net = self.net
        if net.input and not (net.input_shape or net.input_dim):  # old writers kept the names alone
            net = schema.new("NetParameter")
            net.CopyFrom(self.net)
            net.ClearField("input")
        return current_definition(net, path=self.path)

    def __getitem__(self, name: str) -> list[Array]:
        read = StoredBlob.stored if self.exact else StoredBlob.array
        return [read(blob) for blob in self.layers[name].blobs]

    def __contains__(self, name: object) -> bool:
        return name in self.layers

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def blob_shapes(self) -> dict[str, list[tuple[int, ...]]]:
        return {name: [blob.shape for blob in layer.blobs] for name, layer in self.layers.items()}

    def keras_names(self) -> list[str]:
        return list(map(keras_name, self))

    def in_own_numbers(self) -> Self:
        """The same weights, in the file's numbers: views, also of doubles and halves."""
        return self._with(self.net, tuple(self.layers.values()), exact=True)

    def renamed(self, names: Mapping[str, str]) -> Self:
        """The same weights under other layer names.

        Args:
            names: name in the file -> new name.

        Raises:
            WeightsError: the file has no such layer, or two would have one name.
        """
        try:
            new = renamed(self.layers, names)
        except ValueError as error:
            raise WeightsError(f"{self.path}: {error}") from error
        layers = [replace(layer, name=new[name]) for name, layer in self.layers.items()]
        net = schema.new("NetParameter")
        net.CopyFrom(self.net)
        for message in (*net.layer, *net.layers):
            head = message.layer if is_v0_holder(message) else message
            if head.name in names:
                head.name = names[head.name]
        return self._with(net, layers, self.exact)

    def _with(self, net: Any, layers: Sequence[StoredLayer], exact: bool) -> Self:
        return type(self)(self.path, net, layers, exact, self.notes, self.source)


def read_caffemodel(
    path: str | Path | SourceFile, rename: Mapping[str, str] | None = None
) -> CaffeModel:
    """Open a `.caffemodel` (current, V1 or V0 layers, also gzipped), or a `.caffemodel.h5`.

    Args:
        path: the file.
        rename: layer name in the file -> the name to give it.

    Raises:
        WeightsError: the file is damaged or is not a caffemodel; the message
            names the file and, where known, the layer. Or a layer to rename is not
            in it.
    """
    with opened(path) as source:
        model = _read_hdf5(source) if source.is_hdf5 else _read_binary(source)
    return model.renamed(rename) if rename else model


def caffe_hdf5_model(file: Hdf5File) -> CaffeModel:
    """The weights of an open `.caffemodel.h5`."""
    from keras_fcn.caffe.blobs.caffe_hdf5 import read_layers

    layers = read_layers(file)
    return CaffeModel(file.path, schema.new("NetParameter"), layers, source=file.source)


def _read_hdf5(source: SourceFile) -> CaffeModel:
    from keras_fcn.caffe.io.hdf5_input import Hdf5File

    with Hdf5File(source) as file:
        return caffe_hdf5_model(file)


def _read_binary(source: SourceFile) -> CaffeModel:
    path, buffer = source.path, source.content()
    layers: list[StoredLayer] = []
    net = schema.new("NetParameter")
    problem = describe_solverstate(buffer)
    if problem:
        raise WeightsError(f"{path} is {problem}")
    try:
        notes = read_layers(buffer, net, layers)
    except (WeightsError, DecodeError, UnicodeDecodeError) as error:
        if _TEXT.fullmatch(buffer[:512]):
            raise WeightsError(
                f"{path} is text, not a caffemodel; give the prototxt first, then the caffemodel"
            ) from error
        where = f"after layer {layers[-1].name!r}, " if layers else ""
        raise WeightsError(
            f"{path} is not a caffemodel, or is damaged or cut short ({where}{error}); "
            f"it has {len(buffer)} bytes"
        ) from error
    if not layers and is_binaryproto(buffer):
        raise WeightsError(f"{path} is one blob, such as a mean, and not a caffemodel")
    if not layers:
        raise WeightsError(f"{path} holds no layers; is it a caffemodel?")
    return CaffeModel(path, net, layers, notes=notes, source=source)
