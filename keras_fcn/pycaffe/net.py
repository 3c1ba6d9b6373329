"""pycaffe's `Net` on our engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from keras_fcn import builder
from keras_fcn.builder.unknown import without_unknown_end
from keras_fcn.caffe.blobs.caffe_hdf5 import write_layers
from keras_fcn.caffe.blobs.caffemodel import CaffeModel
from keras_fcn.caffe.blobs.caffemodel_writer import write_caffemodel
from keras_fcn.caffe.blobs.weights import OpenWeights
from keras_fcn.caffe.layers.base import Array
from keras_fcn.caffe.net.fitting import fit_weights
from keras_fcn.caffe.net.sharing import shared_places
from keras_fcn.core.model import CaffeFunctional
from keras_fcn.core.weights import load_caffemodel, load_weights
from keras_fcn.errors import require_tensorflow
from keras_fcn.published.cache import opened_weights, published_name
from keras_fcn.published.provenance import note_source
from keras_fcn.pycaffe import wiring
from keras_fcn.pycaffe.arguments import Form, told
from keras_fcn.pycaffe.batching import batches, joined, length_of
from keras_fcn.pycaffe.building import check_feeds, resized, whole_model
from keras_fcn.pycaffe.engine import Engine
from keras_fcn.pycaffe.params import Params
from keras_fcn.pycaffe.runs import Arrays, Runs


class Net(Runs):
    """A Caffe network as pycaffe's `Net` shows it, on Keras.

    Blobs and parameters are NumPy arrays in Caffe's axis order that may be written to. Splits,
    which Caffe puts between a blob and its readers, are not shown, and data layers read no
    files: their tops are inputs.

    Args:
        network_file: the prototxt.
        *args: as in pycaffe `weights, phase`, or `phase, level, stages, weights`, or less.
        phase: `keras_fcn.TEST`, the default, or `keras_fcn.TRAIN`.
        level: the net state's level.
        stages: the net state's stages.
        weights: a `.caffemodel`, a `.caffemodel.h5`, the converter's `.h5`, or the name of a
            published model; without it the fillers fill the layers.
        dialect: see `keras_fcn.from_caffe`.
        input_shapes: see there; for data layers whose sizes the prototxt does not tell.
        seed: see there.

    Raises:
        CaffeError: a file is wrong, or the network cannot be built.
        TypeError: arguments that do not go together.
        BackendError: Keras does not run on TensorFlow, whose gradients and memory it uses.

    Example:
        ```python
        net = keras_fcn.Net("conv.prototxt", keras_fcn.TEST)
        net.blobs["data"].reshape(1, 1, 360, 480)
        net.blobs["data"].data[...] = image
        net.params["conv"][1].data[0] = 1.0
        net.forward()
        net.blobs["conv"].data
        ```

    Source: `pycaffe.py` and `_caffe.cpp` of BVLC Caffe 1.0.
    """

    def __init__(
        self,
        network_file: str | Path,
        *args: Any,
        phase: int | str | None = None,
        level: int | None = None,
        stages: Sequence[str] | None = None,
        weights: str | Path | OpenWeights | None = None,
        dialect: str | None = None,
        input_shapes: Mapping[str, Sequence[int | None]] | None = None,
        seed: int | None = None,
    ) -> None:
        require_tensorflow("pycaffe's Net", "keras_fcn.from_caffe and keras_fcn.blobs do without")
        form = told(args, Form(phase, level, stages, weights))
        with opened_weights(form.weights) as opened:
            network = builder.read_network(
                network_file,
                opened,
                form.phase_name,
                form.level or 0,
                form.stages or (),
                dialect=dialect,
                input_shapes=input_shapes,
            )
            network = without_unknown_end(network)
            check_feeds(network)
            self._blobs = wiring.make_blobs(network)
            self._params = Params()
            self._take(builder.built(network))
            if opened is None or isinstance(opened, CaffeModel):
                load_caffemodel(self._whole, network, opened, seed)
            else:
                load_weights(self._whole, opened)
            note_source(self._model, opened, published=(published_name(form.weights),))
        for blob in network.inputs:
            self._blobs[blob.name].reshape(*wiring.declared(blob.shape))
        wiring.set_shapes(network.layers, self._blobs)

    def _take(self, built: builder.Built) -> None:
        """Run a built network from now on."""
        self._network = built.network
        self._built = built
        self._model = built.model
        self._whole = whole_model(built)
        self._params.bind(built.network, {layer.name: layer for layer in self._whole.layers})
        self._engine = Engine(built, self._whole, self._blobs, self._params)
        self._model.before_use = self._params.keep_in_step

    def _fit(self) -> None:
        """Build the network again where its inputs have sizes that Keras has fixed otherwise."""
        built = resized(self._built, self._blobs)
        if built is not None:
            self._params.keep_in_step()
            self._model.before_use = None
            self._take(built)

    @property
    def keras(self) -> CaffeFunctional:
        """The trainable Keras model behind the net. They share their weights.

        Where an input gets a size that the model cannot take, such as another number of
        streams of a recurrent net, it is another model from then on.
        """
        self._params.keep_in_step()
        return self._model

    def forward_all(self, blobs: Sequence[str] | None = None, **kwargs: Any) -> Arrays:
        """Run arrays of any length in batches of the net's size.

        Args:
            blobs: blobs to give besides the outputs.
            **kwargs: input blob -> array in Caffe's axis order, all of one length.

        Returns:
            Blob name -> array, of the arrays' length.

        Raises:
            ValueError: see `forward`; or a blob does not have one item for each of the batch.
        """
        length, size = length_of(kwargs), self._blobs[self.inputs[0]].num
        found: dict[str, list[Array]] = {}
        for batch in batches(kwargs, size):
            for name, data in self.forward(blobs, **batch).items():
                found.setdefault(name, []).append(data.copy())
        return {name: joined(name, parts, size, length) for name, parts in found.items()}

    def forward_backward_all(
        self, blobs: Sequence[str] | None = None, diffs: Sequence[str] | None = None, **kwargs: Any
    ) -> tuple[Arrays, Arrays]:
        """Run arrays of any length in batches of the net's size, forward and backward.

        Args:
            blobs: blobs to give besides the outputs.
            diffs: blobs whose gradient to give besides the inputs.
            **kwargs: input blob -> array, and output blob -> its gradient, all of one length.

        Returns:
            What `forward` and what `backward` give, of the arrays' length.

        Raises:
            ValueError: see `forward_all` and `backward`.
        """
        length, size = length_of(kwargs), self._blobs[self.inputs[0]].num
        fed = {name: x for name, x in kwargs.items() if name in self.inputs}
        seeds = {name: x for name, x in kwargs.items() if name not in self.inputs}
        found: tuple[dict[str, list[Array]], ...] = ({}, {})
        parts = (batches(x, size) if x else () for x in (fed, seeds))
        for forward, backward in zip_longest(*parts, fillvalue={}):
            results = self.forward(blobs, **forward), self.backward(diffs, **backward)
            for all_, some in zip(found, results, strict=True):
                for name, array in some.items():
                    all_.setdefault(name, []).append(array.copy())
        data, gradients = (
            {name: joined(name, part, size, length) for name, part in each.items()}
            for each in found
        )
        return data, gradients

    def clear_param_diffs(self) -> None:
        """Set the gradients of all parameters to 0."""
        self._params.clear_gradients()

    # Files

    def save(self, path: str | Path) -> None:
        """Write a `.caffemodel` with the layers of the net's state and their blobs.

        Raises:
            CaffeError: the file cannot be written.
        """
        write_caffemodel(path, self._network.in_state(), self._params.stored())

    def save_hdf5(self, path: str | Path) -> None:
        """Write a `.caffemodel.h5` with the blobs, a shared one at its owner.

        Raises:
            CaffeError: the file cannot be written.
        """
        shared = shared_places(self._network)
        write_layers(
            path,
            {
                name: {
                    index: blob
                    for index, blob in enumerate(group)
                    if shared.get((name, index), (name, index)) == (name, index)
                }
                for name, group in self._params.stored().items()
            },
        )

    def copy_from(self, path: str | Path) -> None:
        """Set the layers that a weights file has under their names; the others stay.

        Args:
            path: as `weights` of `Net`.

        Raises:
            CaffeError: the file has none of the layers, or blobs of other shapes.
        """
        with opened_weights(path) as opened:
            if isinstance(opened, CaffeModel):
                self._params.set(fit_weights(self._network, opened))
            elif opened is not None:
                self._params.keep_in_step()
                load_weights(self._whole, opened, strict=False)

    load_hdf5 = copy_from

    def share_with(self, other: Net) -> None:
        """Refuse: the nets would be one memory, which two Keras models cannot have.

        Raises:
            NotImplementedError: always; it names what to do.
        """
        raise NotImplementedError(
            "share_with: two nets do not share memory here; save the other one and use "
            "copy_from, or run both parts in one net"
        )
