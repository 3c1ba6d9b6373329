"""Names, blobs and shapes of a network, as Caffe's `Net` has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.layers.loss import Loss
from keras_fcn.caffe.net.aliases import SharedMemory
from keras_fcn.caffe.net.network import AUTOMATIC, Layer, Network
from keras_fcn.pycaffe.blobs import Blob, Memory, Sizes
from keras_fcn.pycaffe.params import Param
from keras_fcn.pycaffe.stretches import Key


@dataclass(frozen=True)
class NetLayer:
    """A layer of a `Net`.

    Attributes:
        name: its name.
        type: Caffe's type, such as `"Convolution"`.
        blobs: its parameter blobs.
    """

    name: str
    type: str
    blobs: Sequence[Param]

    def __repr__(self) -> str:
        return f"<{self.type} {self.name!r}>"


def make_blobs(network: Network) -> dict[str, Blob]:
    """The blobs in the order in which Caffe makes them; some share their memory."""
    shared = SharedMemory()
    loss_weights: dict[str, float] = {}
    for layer in network.layers:
        shapes = tuple(blob.shape for blob in layer.bottoms if blob.shape is not None)
        if layer.params.shares_memory(shapes, len(layer.tops)):
            shared.share((*layer.bottoms, *layer.tops))
        for top, weight in zip(layer.tops, loss_weights_of(layer), strict=True):
            loss_weights[top.name] = weight
    memories: dict[frozenset[str], Memory] = {}
    return {
        name: Blob(name, memories.setdefault(shared.of(name), Memory()), weight)
        for name, weight in loss_weights.items()
    }


def loss_weights_of(layer: Layer) -> list[float]:
    """The weight of each top in the objective: 1 for the first top of a loss, else 0."""
    weights = [*layer.loss_weights]
    if not weights and isinstance(layer.params, Loss):
        weights = [1.0]
    return [*weights, *[0.0] * len(layer.tops)][: len(layer.tops)]


def names_of(network: Network) -> dict[Key, str]:
    """Key of each version of each blob, in order -> its name."""
    return {
        blob.key: blob.name for layer in network.layers for blob in (*layer.tops, *layer.aliases)
    }


def output_names(network: Network) -> list[str]:
    """The outputs in pycaffe's order, which is that of their names."""
    return sorted({blob.name for blob in network.outputs} - {AUTOMATIC})


def declared(shape: Shape | None) -> Sizes:
    """A shape with a batch of 1 where it is open, and 0 for other sizes that are."""
    sizes = [size or 0 for size in shape or ()]
    return (sizes[0] or 1, *sizes[1:]) if sizes else ()


def set_shapes(layers: Sequence[Layer], blobs: Mapping[str, Blob]) -> None:
    """Give the tops of layers the shapes that follow from their bottoms; 0 is not known.

    Raises:
        NetworkError: a layer cannot take its bottoms.
    """
    for layer in layers:
        if layer.is_source:
            continue
        bottoms = tuple(
            tuple(size or None for size in blobs[blob.name].shape) for blob in layer.bottoms
        )
        try:
            shapes = layer.params.top_shapes(bottoms, len(layer.tops))
        except NetworkError as error:
            raise NetworkError(f"{layer.place}: {error}") from error
        for top, shape in zip(layer.tops, shapes, strict=False):
            blobs[top.name].reshape(*(size or 0 for size in shape))
