"""A layer of a network, and the blobs between layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Generic

from keras_fcn.caffe.definition import LayerDefinition, ParamSpec
from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.layers import KerasWeight, LayerParams, Shape, Shapes
from keras_fcn.caffe.layers.base import Array, Filler
from keras_fcn.caffe.layers.data import DataLayer, Input
from keras_fcn.caffe.names import place
from keras_fcn.caffe.records import dataclass

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    P = TypeVar("P", bound=LayerParams, covariant=True, default=LayerParams)
else:
    from typing import TypeVar  # which loads sooner

    P = TypeVar("P", bound=LayerParams, covariant=True)
AUTOMATIC = "(automatic)"  # Caffe's name for a top that the prototxt does not name


@dataclass(frozen=True)
class Blob:
    """One version of a named blob: a layer that works in place makes a new one.

    Attributes:
        name: Caffe's name.
        shape: Caffe's axis order; None where a layer of unknown type made it.
        layer: name of the layer that made it.
        index: which of that layer's tops it is; aliases are counted behind the tops.
        maker: `keras_name` of that layer, which is unique.
    """

    name: str
    shape: Shape | None
    layer: str
    index: int
    maker: str

    @property
    def key(self) -> tuple[str, int]:
        """Who made this version, and which of its tops and aliases it is."""
        return self.maker, self.index


@dataclass(frozen=True)
class Sharer:
    """A layer that names parameters, be it one that the asked outputs do not need.

    Attributes:
        name: Caffe's name.
        param_specs: what the prototxt says of its parameter blobs.
        fillers: what fills them; empty where that is not known.
    """

    name: str
    param_specs: tuple[ParamSpec, ...]
    fillers: tuple[Filler, ...] = ()


@dataclass(frozen=True)
class Layer(Generic[P]):
    """One layer: name, type, typed parameters, blobs.

    Attributes:
        name: Caffe's name, unchanged.
        keras_name: the name of its Keras layer.
        type: Caffe's type, e.g. `"InnerProduct"`.
        params: typed parameters.
        bottoms: blobs it reads.
        tops: blobs it makes, in-place ones included.
        aliases: blobs that share memory with an in-place top, and change with it.
        overwritten: the versions of the aliases before.
        weight_shapes: shapes of its parameter blobs in Caffe's layout; None where
            the type is unknown.
        rows: whether its batch are rows that a layer before it gathered, such as regions;
            there may be none.
        flattened: shape of the map whose elements, in C, H, W order, it reads as one
            vector an image; None where there is no map, or it is not known.
        definition: what the prototxt says of it. Two layers are equal where it means the
            same: defaults may be written out in one of them.
        path: the file that the network came from.
    """

    name: str
    keras_name: str
    type: str
    params: P
    bottoms: tuple[Blob, ...] = ()
    tops: tuple[Blob, ...] = ()
    aliases: tuple[Blob, ...] = ()
    overwritten: tuple[Blob, ...] = ()
    weight_shapes: Shapes | None = None
    rows: bool = False
    flattened: Shape | None = None
    param_specs: tuple[ParamSpec, ...] = ()
    propagate_down: tuple[bool, ...] = ()
    loss_weights: tuple[float, ...] = ()
    definition: LayerDefinition = field(repr=False, compare=False, kw_only=True)
    path: str = field(default="<net>", repr=False, compare=False)

    def __hash__(self) -> int:
        return hash((self.keras_name, self.type, self.bottoms, self.tops))

    @property
    def line(self) -> int:
        """Its first line in the prototxt, 0 where it has none."""
        return self.definition.line

    @property
    def is_source(self) -> bool:
        """Whether its tops are inputs of the network."""
        return isinstance(self.params, Input | DataLayer)

    @property
    def flattened_channels(self) -> int | None:
        """Channels of the map that the layer flattens, if any."""
        return None if self.flattened is None else self.flattened[1]

    @property
    def fixes_size(self) -> bool:
        """Whether a top has a size of its own, whatever the size of the image."""
        shapes = tuple(blob.shape for blob in self.bottoms if blob.shape is not None)
        return len(shapes) == len(self.bottoms) and self.params.spatial(shapes).fixes_size

    @property
    def place(self) -> str:
        """Its location, for messages: `net.prototxt:12: layer 'fc6' (InnerProduct)`."""
        return place(self.path, self.definition)

    def keras_weights(self, blobs: Sequence[Array]) -> list[KerasWeight]:
        """The layer's blobs as Keras holds them, without copying.

        Raises:
            WeightsError: the blobs are not those of such a layer.
        """
        try:
            weights = self.params.keras_weights(blobs, self.flattened_channels)
        except (ValueError, LookupError, ArithmeticError) as error:
            raise WeightsError(
                f"{self.path}: layer {self.name!r} ({self.type}) cannot hold blobs of shapes "
                f"{[blob.shape for blob in blobs]}: {error}"
            ) from error
        if len({weight.name for weight in weights}) < len(weights):
            raise WeightsError(
                f"{self.path}: layer {self.name!r} ({self.type}) cannot hold as many as "
                f"{len(blobs)} blobs"
            )
        return weights

    def caffe_blobs(self, weights: Sequence[Array]) -> list[Array]:
        """The inverse of `keras_weights`: blobs in Caffe's layout."""
        return self.params.caffe_blobs(weights, self.flattened_channels)
