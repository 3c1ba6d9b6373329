"""Passes over a network's layers, from blobs to blobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from keras_fcn.builder import Built
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers.shape import Split
from keras_fcn.caffe.net.network import Layer
from keras_fcn.core.held import is_same, values_of
from keras_fcn.inference.inspection import to_channels_last
from keras_fcn.pycaffe.blobs import Blob, caffe_shape, keras_shape
from keras_fcn.pycaffe.params import Params
from keras_fcn.pycaffe.stretches import UNREAD, Key, Stretch, Values
from keras_fcn.pycaffe.wiring import loss_weights_of, names_of


@dataclass(frozen=True)
class _Ran:
    """A forward pass: what entered its layers, and their states and seeds before it."""

    first: int
    last: int
    values: Values
    states: Sequence[Any]


class Engine:
    """Runs layers of a built network on blobs, forward and backward.

    Args:
        built: the network.
        whole: a model of all its layers.
        blobs: its blobs.
        params: its parameters.
    """

    def __init__(
        self, built: Built, whole: keras.Model, blobs: Mapping[str, Blob], params: Params
    ) -> None:
        self._built = built
        self._layers = built.network.layers
        self._blobs = blobs
        self._params = params
        self._names = names_of(built.network)
        known = set(map(id, whole.weights))
        self._states = [x for x in whole.variables if id(x) not in known]
        self._unlearnt = [x for x in whole.variables if not x.trainable]
        self._stretches: dict[tuple[int, int], Stretch] = {}
        self._ran: list[_Ran] = []

    def forward(self, first: int, last: int) -> None:
        """Run layers on what their blobs hold."""
        stretch = self._stretch(first, last)
        values = {key: self._content(key) for key in stretch.entering}
        states = values_of(self._states)
        wanted: dict[str, Key] = {}
        for key in stretch.made:
            wanted.pop(self._names[key], None)  # the last version stands last
            wanted[self._names[key]] = key
        found = stretch.run(values, list(wanted.values()))
        for name, key in wanted.items():
            self._blobs[name].reshape(*caffe_shape(found[key]))
            self._blobs[name].memory.give(found[key])
        self._record(_Ran(first, last, values, states))

    def backward(self, first: int, last: int) -> None:
        """Differentiate layers as they ran last, from the gradients of their tops.

        Raises:
            ValueError: some of them did not run.
        """
        found: dict[Key, Any] = {}
        read = set(self._stretch(first, last).read)
        after = values_of(self._unlearnt)
        for ran, begin, end in self._pieces(first, last):
            _restore(self._states, ran.states)
            values = dict(ran.values)
            stretch = self._stretch(begin, end)
            if begin > ran.first:
                before = self._stretch(ran.first, begin - 1)
                values |= before.run(values, [x for x in stretch.entering if x not in values])
            self._differentiate(stretch, values, read, found)
        _restore(self._unlearnt, after)
        given: set[str] = set()
        for key, name in self._names.items():  # layers in place leave that of the first version
            if key in found and name not in given:
                given.add(name)
                self._blobs[name].gradient.give(found[key])

    def _differentiate(
        self, stretch: Stretch, values: Values, read: set[Key], found: dict[Key, Any]
    ) -> None:
        """Add the gradients of a stretch to those that were found behind it."""
        seeds = {}
        for layer in stretch.layers:
            if isinstance(layer.params, Split):
                raise UnsupportedLayerError(
                    f"{layer.place}: the gradients of its tops, which are one tensor in Keras, are "
                    "not told apart; leave it out, as a blob may have many readers"
                )
            for top, weight in zip(layer.tops, loss_weights_of(layer), strict=True):
                seed = found.get(top.key)
                if top.key not in read:
                    blob = self._blobs[top.name]
                    seed = to_channels_last(np.array(blob.diff))
                elif weight:  # a loss that another layer reads as well
                    seed = (0 if seed is None else np.asarray(seed)) + np.float32(weight)
                if seed is not None and np.any(seed):
                    seeds[top.key] = np.broadcast_to(seed, self._keras_shape(top.name))
        names = [layer.name for layer in stretch.layers if layer.name in self._params]
        variables = self._params.trainable(names)
        by_key, by_variable = stretch.gradients(values, seeds, variables)
        made = set(stretch.made)
        for key in stretch.read:
            own = by_key.get(key)
            if own is None:
                own = np.zeros(self._keras_shape(self._names[key]), np.float32)
            found[key] = own if key in made or key not in found else found[key] + own
        self._params.add_gradients(names, variables, by_variable)

    def _keras_shape(self, name: str) -> tuple[int, ...]:
        return keras_shape(self._blobs[name].shape)

    def _content(self, key: Key) -> Any:
        if key == UNREAD:
            return np.zeros(1, np.float32)
        blob = self._blobs[self._names[key]]
        return blob.memory.tensor(blob.shape)

    def _stretch(self, first: int, last: int) -> Stretch:
        if (first, last) not in self._stretches:
            self._stretches[first, last] = Stretch(self._built, first, last)
        return self._stretches[first, last]

    def _record(self, new: _Ran) -> None:
        """Remember a pass, and of earlier ones what it has not overwritten."""
        before = [
            replace(ran, last=min(ran.last, new.first - 1))
            for ran in self._ran
            if ran.first < new.first
        ]
        behind = [ran for ran in self._ran if ran.first > new.last]
        self._ran = [*before, new, *behind]

    def _pieces(self, first: int, last: int) -> Iterator[tuple[_Ran, int, int]]:
        """The passes that some layers ran in, from the last one on, and their parts in each."""
        pieces = [(x, max(first, x.first), min(last, x.last)) for x in self._ran]
        pieces = [piece for piece in pieces if piece[1] <= piece[2]]
        ran = {index for _, begin, end in pieces for index in range(begin, end + 1)}
        for index in range(first, last + 1):
            layer: Layer = self._layers[index]
            if index not in ran and not layer.is_source:
                raise ValueError(f"layer {layer.name!r} has not run yet; call forward before")
        return reversed(pieces)


def _restore(variables: Sequence[Any], values: Sequence[Any]) -> None:
    for variable, value in zip(variables, values, strict=True):
        if not is_same(value, *values_of([variable])):
            variable.assign(value)
