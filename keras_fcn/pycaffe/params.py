"""Parameters in Caffe's layout, in step with the Keras variables that hold them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_fcn.caffe.layers.base import Array
from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.net.sharing import shared_places
from keras_fcn.core.held import Held
from keras_fcn.pycaffe.blobs import Sized, Sizes

Place = tuple[str, int]
"""A Caffe layer's name, and which of its blobs."""


class Param(Sized):
    """A parameter blob of a `Net`.

    `data` and a Keras variable hold the same numbers. Elements that are written in one are
    taken over by the other: when the net runs, is saved, or is read (`net.params[..].data`,
    `net.keras`), and when the model behind it is called, trained, saved or read.
    """

    def __init__(self, params: Params, place: Place, shape: Sizes) -> None:
        self._params = params
        self._place = place
        self._shape = shape
        self._diff: Array | None = None

    @property
    def data(self) -> Array:
        """The numbers, float32 in Caffe's layout. Writing to them changes the layer.

        Raises:
            ValueError: an element was written here and in Keras, to different values.
        """
        return self._params.array(self._place).reshape(self._shape)

    @data.setter
    def data(self, value: Any) -> None:
        self.data[...] = value

    @property
    def diff(self) -> Array:
        """The gradient, to which every `Net.backward` adds, as in Caffe."""
        owner = self._params.owner(self._place)
        if owner is not self:
            return owner.diff.reshape(self._shape)
        if self._diff is None:
            self._diff = np.zeros(self._shape, np.float32)
        return self._diff

    @diff.setter
    def diff(self, value: Any) -> None:
        self.diff[...] = value

    def reshape(self, *shape: int) -> None:
        """Refuse: the layer has weights of this shape.

        Raises:
            ValueError: another shape is asked for.
        """
        if tuple(shape) != self._shape:
            name, index = self._place
            raise ValueError(
                f"net.params[{name!r}][{index}] has shape {self._shape}, which the layer needs. "
                f"Received: {tuple(shape)}; edit the prototxt, see keras_fcn.caffe.surgery"
            )

    def __repr__(self) -> str:
        name, index = self._place
        return f"<Param {name!r}, {index} {self._shape}>"


class Params(Mapping[str, "list[Param]"]):
    """Caffe layer name -> its parameter blobs, in Caffe's order."""

    def __init__(self) -> None:
        self._shared: Mapping[Place, Place] = {}
        self._held: dict[str, Held] = {}
        self._blobs: dict[str, list[Param]] = {}

    def bind(self, network: Network, layers: Mapping[str, keras.layers.Layer]) -> None:
        """Show the weights of Keras layers from now on; what was shown before goes there.

        Args:
            network: the network.
            layers: Keras layer name -> layer.
        """
        before = self.stored()
        self._shared = shared_places(network)
        for layer in network.layers:
            own = layers.get(layer.keras_name)
            if own is None or not own.weights:
                continue
            if not layer.weight_shapes and layer.params.tells_weights:
                continue
            if layer.name in self._held:
                self._held[layer.name].bind(layer, own)
                continue
            self._held[layer.name] = held = Held(layer, own)
            shapes = [blob.shape for blob in held.stored()]
            self._blobs[layer.name] = [
                Param(self, (layer.name, index), shape) for index, shape in enumerate(shapes)
            ]
        self.set(before)

    def __getitem__(self, name: str) -> list[Param]:
        return self._blobs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._blobs)

    def __len__(self) -> int:
        return len(self._blobs)

    def __repr__(self) -> str:
        return f"<Params {', '.join(self._blobs)}>"

    def owner(self, place: Place) -> Param:
        """The blob whose memory a blob is: its own, but for shared ones."""
        name, index = self._shared.get(place, place)
        return self._blobs[name][index]

    def array(self, place: Place) -> Array:
        """A blob's array, in step with Keras now."""
        name, index = self._shared.get(place, place)
        return self._held[name].array(index)

    def keep_in_step(self) -> None:
        """Bring what was written to the arrays to Keras, and the other way round.

        Raises:
            ValueError: an element was written in both, to different values.
        """
        for held in self._held.values():
            held.keep_in_step()

    def stored(self) -> dict[str, list[Array]]:
        """All blobs in Caffe's layout, by layer."""
        self.keep_in_step()
        return {name: held.stored() for name, held in self._held.items()}

    def set(self, blobs: Mapping[str, Sequence[Array]]) -> None:
        """Set the blobs of some layers, of the shapes that they have."""
        self.keep_in_step()
        for name, group in blobs.items():
            if name in self._held:
                self._held[name].set(group)
        self.keep_in_step()

    def variables(self, name: str) -> list[Any]:
        """The Keras variables that hold a layer's blobs, in Keras' order."""
        return self._held[name].variables

    def trainable(self, names: Sequence[str]) -> list[Any]:
        """The Keras variables of some layers that are trained, each once."""
        used = [x for name in names for x in self._held[name].variables if x.trainable]
        return list({id(variable): variable for variable in used}.values())

    def add_gradients(
        self, names: Sequence[str], variables: Sequence[Any], gradients: Sequence[Any]
    ) -> None:
        """Add to the gradients of layers; of a variable that several share once.

        Args:
            names: the layers.
            variables: the Keras variables that the gradients are for.
            gradients: one for each, or none where there are none.
        """
        found = {id(x): grad for x, grad in zip(variables, gradients, strict=False)}
        added: set[Place] = set()
        for name in names if found else ():
            for index, blob in enumerate(self._held[name].gradients(found)):
                place = self._shared.get((name, index), (name, index))
                if place not in added:
                    added.add(place)
                    own = self.owner(place)
                    own.diff[...] += np.reshape(blob, own.shape)

    def clear_gradients(self) -> None:
        """Set all gradients to 0."""
        for group in self._blobs.values():
            for blob in group:
                blob.diff[...] = 0
