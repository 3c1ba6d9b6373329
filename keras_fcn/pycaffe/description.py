"""The facts that a `Net` tells of its network."""

from __future__ import annotations

from collections.abc import Iterator

from keras_fcn.caffe.net.network import Network
from keras_fcn.pycaffe import wiring
from keras_fcn.pycaffe.blobs import Blob
from keras_fcn.pycaffe.modes import Phase
from keras_fcn.pycaffe.params import Params
from keras_fcn.pycaffe.wiring import NetLayer
from keras_fcn.text_tables import html_table

_HEADS = ("layer", "type", "bottoms", "tops", "parameters")


class Described:
    """Names, layers, blobs and parameters of a network, as pycaffe has them."""

    _network: Network
    _blobs: dict[str, Blob]
    _params: Params

    @property
    def name(self) -> str:
        """The network's name."""
        return self._network.name

    @property
    def phase(self) -> Phase:
        """The phase that the net was opened for."""
        return Phase[self._network.state.phase or "TEST"]

    @property
    def blobs(self) -> dict[str, Blob]:
        """Blob name -> blob, in Caffe's order. Layers in place leave the final content."""
        return dict(self._blobs)

    @property
    def params(self) -> Params:
        """Layer name -> its parameter blobs, in Caffe's order and layout."""
        return self._params

    @property
    def inputs(self) -> list[str]:
        """Names of the blobs that are fed."""
        return [blob.name for blob in self._network.inputs]

    @property
    def outputs(self) -> list[str]:
        """Names of the blobs that no layer reads, in alphabetical order as in Caffe."""
        return wiring.output_names(self._network)

    @property
    def layers(self) -> list[NetLayer]:
        """The layers in Caffe's order."""
        return [
            NetLayer(layer.name, layer.type, self._params.get(layer.name, []))
            for layer in self._network.layers
        ]

    @property
    def layer_dict(self) -> dict[str, NetLayer]:
        """Layer name -> layer."""
        return {layer.name: layer for layer in self.layers}

    @property
    def bottom_names(self) -> dict[str, list[str]]:
        """Layer name -> names of the blobs that it reads."""
        return {x.name: [blob.name for blob in x.bottoms] for x in self._network.layers}

    @property
    def top_names(self) -> dict[str, list[str]]:
        """Layer name -> names of the blobs that it makes."""
        return {x.name: [blob.name for blob in x.tops] for x in self._network.layers}

    @property
    def blob_loss_weights(self) -> dict[str, float]:
        """Blob name -> its weight in the objective."""
        return {name: blob.loss_weight for name, blob in self._blobs.items()}

    @property
    def _layer_names(self) -> list[str]:
        return [layer.name for layer in self._network.layers]

    @property
    def _blob_names(self) -> list[str]:
        return list(self._blobs)

    @property
    def _blob_loss_weights(self) -> list[float]:
        return list(self.blob_loss_weights.values())

    def _told(self, names: list[str]) -> str:
        return ", ".join(f"{name} {self._blobs[name].shape}" for name in names) or "none"

    def __repr__(self) -> str:
        return (
            f"<Net {self.name!r}, {self.phase.name}: {len(self._network.layers)} layers, "
            f"{self._told(self.inputs)} -> {self._told(self.outputs)}>"
        )

    def _repr_html_(self) -> str:
        """A table of the layers, for notebooks."""
        return html_table(self._rows(), _HEADS, caption=repr(self)[1:-1])

    def _rows(self) -> Iterator[tuple[str, ...]]:
        for layer in self._network.layers:
            yield (
                layer.name,
                layer.type,
                ", ".join(blob.name for blob in layer.bottoms),
                self._told([blob.name for blob in layer.tops]) if layer.tops else "",
                ", ".join(str(blob.shape) for blob in self._params.get(layer.name, ())),
            )
