"""What a reference is: something else that computes the network's blobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.net.network import Layer, Network
from keras_fcn.caffe.surgery.net import TrainedNet
from keras_fcn.verifying.report import Array


class NotComparedError(CaffeError):
    """Nothing can be compared: a reference is damaged, unsafe, or that of another network."""


@dataclass(frozen=True)
class Subject:
    """The network that is verified, for references that need to know it.

    Attributes:
        model: the network in Keras.
        net: the same as a Caffe network with its weights, read of the same files where there
            are any.
        files: its prototxt and its weights, where it was read of two files.
    """

    model: keras.Model
    net: TrainedNet
    files: tuple[str, str] | None = None

    @property
    def network(self) -> Network:
        """The network."""
        return self.net.network

    def chain(self, blob: str) -> tuple[Layer, ...]:
        """The layer that makes a blob, and those that change it in place, in their order."""
        makers: list[Layer] = []
        for layer in self.network.layers:
            if any(top.name == blob for top in layer.tops):
                in_place = any(bottom.name == blob for bottom in layer.bottoms)
                makers = [*makers, layer] if in_place else [layer]
        return tuple(makers)


class Reference:
    """A source of blobs; each kind is a subclass.

    Attributes:
        description: what it is, for people.
        versions: program -> version.
        notes: what a reader should know of it, a line each.
        inputs: the inputs that it was computed for, in Caffe's axis order; None: it takes any.
        unknown: inputs that it was computed for and does not tell; they have to be given.
        shapes: blob -> its shape, where it is known before the blob is read.
        parameters: (layer, index) -> parameter blob, where it tells them.
        tells_float32: whether every blob is to be compared with float64 too.
    """

    description: str = ""
    versions: Mapping[str, str] = {}
    notes: tuple[str, ...] = ()
    inputs: Mapping[str, Array] | None = None
    unknown: tuple[str, ...] = ()
    shapes: Mapping[str, tuple[int, ...]] = {}
    parameters: Mapping[tuple[str, int], Array] = {}
    tells_float32: bool = False

    @property
    def names(self) -> Sequence[str]:
        """The blobs that it has, under Caffe's names."""
        raise NotImplementedError

    def read(
        self, names: Sequence[str], inputs: Mapping[str, Array]
    ) -> Iterator[tuple[str, Array]]:
        """Some of its blobs, in Caffe's axis order, in the order of `names`.

        Args:
            names: of those that it has.
            inputs: what the network is fed, in Caffe's axis order.

        Raises:
            NotComparedError: it does not run, or is damaged.
        """
        raise NotImplementedError


def unlike(what: str, error: Exception) -> NotComparedError:
    """The error for a reference that does not run; whatever it raised is told in a line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return NotComparedError(f"{what}: {text[:300]}")


Session = Any
"""What runs a file: of onnxruntime, OpenCV or LiteRT, whose types are their own."""
