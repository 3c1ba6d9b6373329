"""Arrays that a MemoryData layer feeds, batch by batch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.layers.base import Array
from keras_fcn.caffe.net.network import Layer
from keras_fcn.pycaffe.blobs import Blob


class MemoryFeed:
    """Batches of arrays for the tops of a MemoryData layer, from the first on again at the end.

    Args:
        layer: the net's first layer.
        blobs: the net's blobs.
        data: (N, C, H, W).
        labels: (N,) or (N, 1, 1, 1).

    Raises:
        ValueError: it is another layer, the arrays do not fit its tops, or N is no multiple of the
            layer's batch.

    Source: `Net_SetInputArrays` in `_caffe.cpp` and `memory_data_layer.cpp` of BVLC Caffe 1.0.
    """

    def __init__(
        self,
        layer: Layer,
        blobs: Mapping[str, Blob],
        data: npt.ArrayLike,
        labels: npt.ArrayLike,
    ) -> None:
        if layer.type != "MemoryData":
            raise ValueError(
                "set_input_arrays is for a net whose first layer is MemoryData; write to "
                f"net.blobs[...].data. Received: {layer.name!r} ({layer.type})"
            )
        names = [top.name for top in layer.tops]
        arrays = [np.array(x, np.float32) for x in (data, labels)]
        fields = getattr(layer.params, "fields", {})
        self._batch = int(fields["memory_data_param"]["batch_size"])
        self._arrays: dict[str, Array] = dict(zip(names, arrays, strict=False))
        self._next, self._count = 0, len(arrays[0])
        wanted = blobs[names[0]].shape[1:]
        one_label = arrays[1].size == len(arrays[1]) == self._count
        if arrays[0].shape[1:] != wanted or not one_label or self._count % self._batch:
            raise ValueError(
                f"set_input_arrays takes data of {self._batch} * n images {wanted} and one label "
                f"for each. Received: shapes {arrays[0].shape} and {arrays[1].shape}"
            )

    def feed(self, blobs: Mapping[str, Blob]) -> None:
        """Write the next batch to the blobs."""
        part = slice(self._next, self._next + self._batch)
        for name, array in self._arrays.items():
            blobs[name].reshape(self._batch, *blobs[name].shape[1:])
            blobs[name].data = array[part].reshape(blobs[name].shape)
        self._next = (self._next + self._batch) % self._count
