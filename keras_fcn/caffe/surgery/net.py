"""A network with its weights."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.blobs import caffemodel as binary
from keras_fcn.caffe.blobs.caffemodel import CaffeModel
from keras_fcn.caffe.blobs.weights import OpenWeights, open_weights
from keras_fcn.caffe.definition import NetDefinition
from keras_fcn.caffe.errors import CaffeWarning, WeightsError
from keras_fcn.caffe.io.files import atomic_write
from keras_fcn.caffe.layers.base import Array, Shape
from keras_fcn.caffe.net.assembly import load_network
from keras_fcn.caffe.net.fillers import fill_blobs
from keras_fcn.caffe.net.fitting import fit_weights
from keras_fcn.caffe.net.network import Layer, Network
from keras_fcn.caffe.net.sharing import Place, shared_places
from keras_fcn.caffe.text.card_line import with_card


class _Blobs(list["Array"]):
    """A layer's blobs; to set one writes into its array, which other layers may have too."""

    def __setitem__(self, index: Any, blob: Any) -> None:
        if isinstance(index, slice):
            for position, one in zip(range(*index.indices(len(self))), blob, strict=True):
                self[position] = one
            return
        old, new = self[index], np.asarray(blob, np.float32)
        if new.shape != old.shape:
            raise ValueError(f"the blob has shape {old.shape}. Received: {new.shape}")
        old[...] = new


class Params(MutableMapping[str, "list[Array]"]):
    """Caffe layer name -> its blobs, float32 arrays that may be written to.

    A layer's blobs are copied out of their file when it is first asked for. A blob that
    layers share is one array in all of them.

    Args:
        blobs: layer name -> blobs.
        shared: see `keras_fcn.caffe.net.sharing.shared_places`.
    """

    def __init__(
        self,
        blobs: Mapping[str, Sequence[npt.ArrayLike]],
        shared: Mapping[Place, Place] | None = None,
    ) -> None:
        self._stored = dict(blobs)
        self._shared = dict(shared or {})
        self._own: dict[str, _Blobs] = {}
        self._memory: dict[Place, Array] = {}

    def __getitem__(self, name: str) -> list[Array]:
        if name not in self._own:
            blobs = enumerate(self._stored[name])
            self._own[name] = _Blobs(self._written(name, index, blob) for index, blob in blobs)
        return self._own[name]

    def __setitem__(self, name: str, blobs: Sequence[npt.ArrayLike]) -> None:
        """Set a layer's blobs, of the shapes they have.

        Raises:
            ValueError: the shapes differ.
        """
        new = [np.array(blob, np.float32) for blob in blobs]
        shapes = [np.shape(blob) for blob in self.peek(name)]
        if [blob.shape for blob in new] != shapes:
            raise ValueError(
                f"the blobs of layer {name!r} have shapes {shapes}. "
                f"Received: {[blob.shape for blob in new]}"
            )
        self[name][:] = new

    def __delitem__(self, name: str) -> None:
        raise TypeError("a layer's blobs go with the layer: see keras_fcn.caffe.surgery.drop")

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    def peek(self, name: str) -> Sequence[Any]:
        """A layer's blobs as they are, without copying."""
        if name in self._own:
            return self._own[name]
        owners = (self._shared.get((name, i)) for i in range(len(self._stored[name])))
        if any(owner in self._memory for owner in owners):
            return self[name]
        return self._stored[name]

    def _written(self, name: str, index: int, blob: npt.ArrayLike) -> Array:
        """A blob's own array, for a shared one that of its owner's memory."""
        owner = self._shared.get((name, index))
        if owner is None:
            return np.array(blob, np.float32)
        if owner not in self._memory:
            self._memory[owner] = np.array(blob, np.float32, order="C")
        return self._memory[owner].reshape(np.shape(blob))


@dataclass(frozen=True, eq=False)
class TrainedNet:
    """A Caffe network and its weights.

    Attributes:
        network: the layers, in the state (phase, level, stages) the net was opened for.
        params: layer name -> blobs in Caffe's layout, which may be written to.
    """

    network: Network
    params: Params

    def __repr__(self) -> str:
        return f"<TrainedNet {self.network.summary()}>"

    def _repr_html_(self) -> str:
        return self.network._repr_html_()

    @property
    def prototxt(self) -> str:
        """The network's definition, of all phases."""
        return self.network.text

    def layer(self, name: str) -> Layer:
        """The layer with a name.

        Raises:
            ValueError: there is none.
        """
        try:
            return self.network.layer(name)
        except KeyError:
            names = ", ".join(layer.name for layer in self.network.layers)
            raise ValueError(f"the layers are {names}. Received: {name!r}") from None

    def save(self, prototxt: str | Path, caffemodel: str | Path, *, card: str = "") -> None:
        """Write both files; each appears whole or not at all.

        As in Caffe's snapshots, the binary file holds the layers of the net's state only:
        Caffe refuses a file that names a layer and lacks its blobs.

        Args:
            prototxt: the file of the definition.
            caffemodel: the file of the weights.
            card: what the network is for, a comment in the definition; see
                `keras_fcn.caffe.text.card_line`.

        Raises:
            CaffeError: a file cannot be written, or the weights do not fit the network.
        """
        blobs = {name: list(self.params.peek(name)) for name in self.params}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CaffeWarning)  # opening the net said it
            if blobs:
                fit_weights(self.network, blobs)
        binary.write_caffemodel(caffemodel, self.network.in_state(), blobs)
        with atomic_write(prototxt) as file:
            file.write(with_card(self.prototxt, card).encode())


def open_net(
    prototxt: str | Path,
    caffemodel: str | Path | None = None,
    *,
    phase: str = "TEST",
    level: int = 0,
    stages: Sequence[str] = (),
    dialect: str | None = None,
    input_shapes: Mapping[str, Sequence[int | None]] | None = None,
    outputs: Sequence[str] | None = None,
    seed: int | None = None,
) -> TrainedNet:
    """Read a network and its weights.

    Args:
        prototxt: the network's definition.
        caffemodel: its weights, a `.caffemodel`, Caffe's `.caffemodel.h5` or the
            converter's `.h5`. Layers that it lacks, or all without it, get what their
            fillers give.
        phase: `"TEST"` or `"TRAIN"`: whose layers surgery sees.
        level: the net state's level.
        stages: the net state's stages.
        dialect: see `convert.load_network`.
        input_shapes: sizes of inputs that only the data tell, see there.
        outputs: blobs to be the outputs, see there.
        seed: makes the random fillers repeatable.

    Raises:
        CaffeError: a file is wrong, or the weights belong to another network.
    """
    with nullcontext() if caffemodel is None else open_weights(caffemodel) as weights:
        network = load_network(
            prototxt,
            phase,
            level,
            stages,
            dialect=dialect,
            shapes=None if weights is None else weights.blob_shapes(),
            input_shapes=input_shapes,
            outputs=outputs,
        )
        blobs = {} if weights is None else _fitted(network, weights)
        return trained(network, blobs, seed)


def rebuilt(
    net: TrainedNet,
    definition: NetDefinition,
    blobs: Mapping[str, Sequence[Any]],
    seed: int | None = None,
) -> TrainedNet:
    """The net of another definition; layers without blobs get what their fillers give.

    Raises:
        CaffeError: the changed network is not a valid one, or blobs do not fit it.
    """
    shapes = {name: [np.shape(blob) for blob in group] for name, group in blobs.items()}
    network = net.network.edited(definition, shapes=shapes)
    names = {layer.name for layer in network.layers if layer.weight_shapes != ()}
    kept = {name: list(group) for name, group in blobs.items() if name in names}
    try:
        fitted = fit_weights(network, kept) if kept else {}
    except WeightsError as error:
        raise (_changed(net.network, network, shapes) or error) from error
    return trained(network, fitted, seed)


def _changed(
    old: Network, new: Network, shapes: Mapping[str, Sequence[Shape]]
) -> WeightsError | None:
    """The error for the first layer whose weights an edit made unfit; None: none is one."""
    before = {layer.name: layer.weight_shapes for layer in old.layers}
    for layer in new.layers:
        held, wanted = before.get(layer.name), layer.weight_shapes
        if layer.name in shapes and held is not None and held != wanted:
            return WeightsError(
                f"{new.place(layer)}: after this its weights would need the shapes {wanted}, and "
                f"they have {tuple(shapes[layer.name])}; {_WAYS}"
            )
    return None


_WAYS = (
    "cast the net before (to_fully_convolutional) where only the size of its images changes, or "
    "give the layer new weights with surgery.replace"
)


def trained(
    network: Network, blobs: Mapping[str, Sequence[Any]], seed: int | None = None
) -> TrainedNet:
    """A network with blobs that fit it; layers without get what their fillers give."""
    whole = fill_blobs(network, seed, blobs) | dict(blobs)
    names = dict.fromkeys(layer.name for layer in network.layers if layer.name in whole)
    shared = shared_places(network)
    return TrainedNet(network, Params({name: whole[name] for name in names}, shared))


def blobs_of(net: TrainedNet) -> dict[str, Sequence[Any]]:
    """All blobs of a net; what has been handed out for writing is copied."""
    return {
        name: [blob.copy() if blob.flags.writeable else blob for blob in net.params.peek(name)]
        for name in net.params
    }


def _fitted(network: Network, weights: OpenWeights) -> dict[str, list[Array]]:
    if isinstance(weights, CaffeModel):
        return fit_weights(network, weights)
    blobs = {
        layer.name: layer.caffe_blobs(
            [*weights[layer.keras_name], *weights.extra(layer.keras_name)]
        )
        for layer in network.layers
        if layer.keras_name in weights
    }
    if not blobs:
        raise WeightsError(f"{weights.path} has none of the layers of {network.path}")
    return fit_weights(network, blobs)
