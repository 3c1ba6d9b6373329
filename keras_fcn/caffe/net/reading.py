"""The reading of a definition as a network: what is asked for, what is known, how strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import LayerParams, Shape, Shapes, UnknownLayer
from keras_fcn.caffe.layers.custom import CustomLayer
from keras_fcn.caffe.layers.data import UnknownSource
from keras_fcn.caffe.layers.dialects import StoredShapes
from keras_fcn.caffe.net.input_shapes import Sizes
from keras_fcn.caffe.net.states import TEST, NetState
from keras_fcn.caffe.records import dataclass


class Policy:
    """As Caffe reads a network that it is to run: whatever does not hold together is refused."""

    lenient = False

    def source(self, cls: type[LayerParams]) -> type[LayerParams]:
        """The class of a layer without bottoms and stored blobs."""
        if cls is UnknownLayer:
            return UnknownSource
        return cls.source if issubclass(cls, CustomLayer) else cls

    def unread(
        self, cls: type[LayerParams], stored: StoredShapes, error: NetworkError
    ) -> LayerParams:
        """The parameters of a layer whose fields cannot be read.

        Raises:
            NetworkError: the error; nothing stands in for them.
        """
        raise error

    def unknown(self, error: NetworkError) -> None:
        """Handle shapes that do not follow from those of the bottoms.

        Raises:
            NetworkError: the error.
        """
        raise error

    def tops(self, shapes: Shapes) -> Shapes:
        """The shapes of a layer's tops, as far as they are believed."""
        return shapes

    def weights(self, shapes: Shapes) -> Shapes:
        """The shapes of a layer's parameter blobs, as far as they are believed."""
        return shapes


class Lenient(Policy):
    """As a weights file tells of its network, which is not run.

    The layers are often those of training, and some writers leave out parameters, bottoms and
    tops: the blobs are believed, and sizes of images stay open.
    """

    lenient = True

    def source(self, cls: type[LayerParams]) -> type[LayerParams]:
        return cls

    def unread(
        self, cls: type[LayerParams], stored: StoredShapes, error: NetworkError
    ) -> LayerParams:
        return cls.from_blobs(stored) or UnknownLayer()

    def unknown(self, error: NetworkError) -> None:
        return None

    def tops(self, shapes: Shapes) -> Shapes:
        return tuple(map(any_size, shapes))

    def weights(self, shapes: Shapes) -> Shapes:
        return tuple((None,) * len(shape) for shape in shapes)


STRICT, LENIENT = Policy(), Lenient()


def any_size(shape: Shape) -> Shape:
    """A shape with batch and sizes left open; the channels stay, and a scalar has none of these."""
    return (None, *shape[1:2], *(None,) * len(shape[2:])) if shape else ()


def any_batch(shape: Shape) -> Shape:
    """A shape with the batch left open; a scalar has none."""
    return (None, *shape[1:]) if shape else ()


@dataclass(frozen=True)
class Reading:
    """Settings by which a definition is read.

    Attributes:
        state: whose layers are in.
        dialect: the fork whose types are preferred.
        shapes: layer name -> shapes of its blobs in the weights file, if they are known.
        given: input -> the sizes that the user gives.
        known: input that its data layer does not describe -> its shape, as it was found.
        outputs: the blobs to be the outputs; None: the net's own.
        policy: how strictly.
    """

    state: NetState = TEST
    dialect: str | None = None
    shapes: Mapping[str, StoredShapes] | None = None
    given: Mapping[str, Sizes] = field(default_factory=dict)
    known: Mapping[str, Shape] = field(default_factory=dict)
    outputs: tuple[str, ...] | None = None
    policy: Policy = STRICT

    def stored(self, name: str) -> StoredShapes | None:
        """The shapes of a layer's stored blobs; None where no weights are known at all."""
        return None if self.shapes is None else self.shapes.get(name, ())
