"""The network's ONNX form: a second opinion that shares no code with the builder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.net.network import Layer, Network
from keras_fcn.caffe.onnx import OnnxNet, chunks, messages, onnx_net, write_onnx
from keras_fcn.caffe.onnx.running import opened, runtime
from keras_fcn.caffe.onnx.writing import LARGEST
from keras_fcn.verifying.references.base import (
    NotComparedError,
    Reference,
    Session,
    Subject,
    unlike,
)
from keras_fcn.verifying.report import Array


class OwnForm:
    """The ONNX form of a network, of the blobs that have one.

    Args:
        subject: the network.

    Attributes:
        network: the part of it that has the form.
        notes: a line on each layer without such a form.
        names: the blobs that have it, but for inputs.

    Raises:
        NotComparedError: no blob has it.
    """

    def __init__(self, subject: Subject) -> None:
        self._net = subject.net
        self.network, self.notes = _with_form(subject)
        self.names = tuple(x for x in self.network.blobs if x not in subject.network.input_shapes)

    def form(self, shapes: Mapping[str, Sequence[int]]) -> tuple[OnnxNet, dict[str, str]]:
        """The form for inputs of some shapes, and the tensor of each blob."""
        weights = {x: list(self._net.params.peek(x)) for x in self._net.params}
        known = {x: tuple(y) for x, y in shapes.items() if x in self.network.input_shapes}
        form = onnx_net(self.network, weights, shapes=known)
        makers = {layer.keras_name: layer for layer in self.network.layers}
        tensors = {}
        for name, blob in self.network.blobs.items():
            tops = form.tops[makers[blob.maker].name]
            tensors[name] = tops[blob.index] if blob.index < len(tops) else name
        wanted = dict.fromkeys(tensors[name] for name in self.names)
        return replace(form, outputs={x: None for x in wanted if x not in form.inputs}), tensors


class OwnOnnx(Reference):
    """The blobs of the ONNX form, by onnxruntime in float32.

    Layers without such a form, and what is made of their tops, are left out; notes name them.

    Args:
        subject: the network.

    Raises:
        NotComparedError: onnxruntime is not installed.
    """

    tells_float32 = True

    def __init__(self, subject: Subject) -> None:
        self.versions = {"onnxruntime": runtime().__version__}
        self.description = f"its own ONNX form in onnxruntime {self.versions['onnxruntime']}"
        self._form = OwnForm(subject)
        self.notes = tuple(f"not compared: {why}" for why in self._form.notes)
        self._session: Session = None
        self._shapes: Mapping[str, Sequence[int]] = {}
        self._tensors: dict[str, str] = {}

    @property
    def names(self) -> Sequence[str]:
        return self._form.names

    def read(
        self, names: Sequence[str], inputs: Mapping[str, Array]
    ) -> Iterator[tuple[str, Array]]:
        shapes = {name: array.shape for name, array in inputs.items()}
        if self._session is None or shapes != self._shapes:
            form, self._tensors = self._form.form(shapes)
            self._session, self._shapes = self._opened(form), shapes
        asked = [self._tensors[name] for name in names]
        yield from zip(names, self._run(asked, inputs), strict=True)

    def _opened(self, form: OnnxNet) -> Session:
        try:
            parts = chunks(form)
            if messages.size(parts) <= LARGEST:
                return opened(b"".join(parts))
            with tempfile.TemporaryDirectory(prefix="keras_fcn_verify_") as folder:
                return opened(write_onnx(Path(folder) / "net.onnx", form)[0])
        except Exception as error:  # of many kinds, all of onnxruntime's own
            raise unlike("onnxruntime does not load the ONNX form", error) from error

    def _run(self, asked: Sequence[str], inputs: Mapping[str, Array]) -> list[Array]:
        options = runtime().RunOptions()
        options.only_execute_path_to_fetches = True
        options.log_severity_level = 4
        fed = {
            x.name: np.ascontiguousarray(inputs[x.name], np.float32)
            for x in self._session.get_inputs()
        }
        made = [name for name in dict.fromkeys(asked) if name not in inputs]
        try:
            found = dict(zip(made, self._session.run(made, fed, options), strict=True))
        except Exception as error:  # of many kinds, all of onnxruntime's own
            raise unlike("onnxruntime does not run the ONNX form", error) from error
        return [found[name] if name in found else inputs[name] for name in asked]


def _with_form(subject: Subject) -> tuple[Network, tuple[str, ...]]:
    """The part of a network that has an ONNX form, and a note on each layer that has none."""
    network, net = subject.network, subject.net
    weights = {x: list(net.params.peek(x)) for x in net.params}
    without: dict[str, str] = {}
    while True:
        kept = _untouched(network, without)
        if not kept:
            raise NotComparedError(
                f"no blob of {network.path} has an ONNX form: {'; '.join(without.values())}"
            )
        part = network if not without else network.with_outputs(kept)
        try:
            onnx_net(part, weights)
        except UnsupportedLayerError as error:
            found = _named(part.layers, str(error))
            if found is None or found.keras_name in without:
                raise
            without[found.keras_name] = str(error)
            continue
        return part, tuple(without.values())


def _named(layers: Sequence[Layer], message: str) -> Layer | None:
    """The layer that a message is of."""
    return next((layer for layer in layers if message.startswith(f"{layer.place}:")), None)


def _untouched(network: Network, without: Mapping[str, str]) -> list[str]:
    """Blobs that are made without some layers, inputs left out."""
    touched: set[tuple[str, int]] = set()
    for layer in network.layers:
        if layer.keras_name in without or any(x.key in touched for x in layer.bottoms):
            touched |= {x.key for x in (*layer.tops, *layer.aliases)}
    inputs = {blob.key for blob in network.inputs}
    return [x for x, y in network.blobs.items() if y.key not in touched and y.key not in inputs]
