"""A Keras model of the user's own: the port that one wrote by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import keras

from keras_fcn.caffe.names import keras_name
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.core.card import card_of
from keras_fcn.graph.calls import calls
from keras_fcn.verifying.passes import Blobs
from keras_fcn.verifying.references.base import Reference, Subject, unlike
from keras_fcn.verifying.references.matching import blobs_among, inputs_among, require_blobs
from keras_fcn.verifying.report import Array


class KerasModel(Reference):
    """The layers of a Keras model that have the names of Caffe's layers or blobs.

    Args:
        model: functional or sequential; channels last, as this package's models are.
        subject: the network.
        name: what messages call it.

    Raises:
        NotComparedError: no layer has a name of the network's.
    """

    def __init__(self, model: keras.Model, subject: Subject, name: str = "") -> None:
        self._model, network = model, subject.network
        self.description = f"the Keras model {name or repr(model.name)}"
        self.versions = {"keras": keras.__version__}
        try:
            self._blobs = Blobs(model)
        except ValueError as error:
            raise unlike(self.description, error) from error
        known = self._blobs.names
        found = blobs_among(known, network)
        if card_of(model).blobs:
            self._layers = found  # whose own names tell all
        else:
            own = frozenset(found.values())
            self._layers = {x: self._final(y, subject.chain(x)[1:], own) for x, y in found.items()}
        require_blobs(self._layers, known, self.description)
        called = card_of(model).inputs
        self._inputs = inputs_among(
            [called.get(x.name, x.name) for x in model.inputs], network, self.description
        )

    @property
    def names(self) -> Sequence[str]:
        return tuple(self._layers)

    def read(
        self, names: Sequence[str], inputs: Mapping[str, Array]
    ) -> Iterator[tuple[str, Array]]:
        fed = {name: inputs[blob] for name, blob in self._inputs.items()}
        layers = tuple(self._layers[name] for name in names)
        try:
            for name, (_, array) in zip(names, self._blobs.one_pass(fed, layers), strict=True):
                yield name, array
        except Exception as error:  # whatever a layer of the user's own raises
            raise unlike(f"{self.description} does not run", error) from error

    def _final(self, name: str, followers: Sequence[Layer], known: frozenset[str]) -> str:
        """The layer that stands for the last of those that change a blob in place.

        In Keras they are an activation of the layer's own, or layers of any name behind it that
        keep the shape and do not stand for another blob, as where one was forgotten.
        """
        if any(keras_name(layer.name) == keras_name(name) for layer in followers):
            return name
        own = getattr(self._model.get_layer(name), "activation", None)
        left = len(followers) - (own not in (None, keras.activations.linear))
        while left > 0:
            tensor = self._blobs.tensor(name)
            readers = [x for x in calls(self._model) if any(y is tensor for y in x.inputs)]
            if len(readers) != 1:
                break
            behind, made = readers[0].operation.name, readers[0].outputs[0]
            other = behind not in self._blobs.names or behind in known
            if other or tuple(made.shape) != tuple(tensor.shape):
                break
            name, left = behind, left - 1
        return name
