"""The passes of a `Net`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.layers.base import Array
from keras_fcn.pycaffe import wiring
from keras_fcn.pycaffe.description import Described
from keras_fcn.pycaffe.engine import Engine
from keras_fcn.pycaffe.memory_data import MemoryFeed

Arrays = dict[str, Array]
"""Blob name -> array in Caffe's axis order."""


class Runs(Described):
    """A described network that runs."""

    _engine: Engine
    _feed: MemoryFeed | None = None

    def set_input_arrays(self, data: npt.ArrayLike, labels: npt.ArrayLike) -> None:
        """Let the net's first layer, a MemoryData layer, feed arrays.

        Each `forward` from the first layer on, where it is not given arrays, takes the next batch.

        Args:
            data: (N, C, H, W), N a multiple of the batch.
            labels: (N,) or (N, 1, 1, 1).

        Raises:
            ValueError: the first layer is another, or the arrays do not fit it.
        """
        self._feed = MemoryFeed(self._network.layers[0], self._blobs, data, labels)

    def _fit(self) -> None:
        """Make the network fit the sizes of its inputs."""
        raise NotImplementedError

    def reshape(self) -> None:
        """Let the blobs have the shapes that follow from those of the inputs.

        Raises:
            CaffeError: the network cannot take them.
        """
        self._fit()
        wiring.set_shapes(self._network.layers, self._blobs)

    def forward(
        self,
        blobs: Sequence[str] | None = None,
        start: str | None = None,
        end: str | None = None,
        **kwargs: Any,
    ) -> Arrays:
        """Run the layers on what the blobs hold.

        Args:
            blobs: blobs to give besides the outputs.
            start: the layer to begin with; None: the first one.
            end: the layer to end with; None: the last one.
            **kwargs: input blob -> array in Caffe's axis order, of the blob's batch; either for
                all inputs or for none.

        Returns:
            Blob name -> its `data`, of the outputs, or of the tops of `end`, and of `blobs`. As
            in pycaffe these are the blobs' own arrays, which the next pass changes.

        Raises:
            ValueError: no such layer or blob, or the arrays are not those of the inputs.
            CaffeError: the network cannot take inputs of this size.
        """
        first, last = self._range(start, end)
        names = self._known([*(self.top_names[end] if end else self.outputs), *(blobs or ())])
        if kwargs:
            self._set("input", self.inputs, kwargs, "data")
        elif self._feed is not None and first == 0:
            self._feed.feed(self._blobs)
        self._params.keep_in_step()
        self._fit()
        wiring.set_shapes(self._network.layers[first : last + 1], self._blobs)
        self._engine.forward(first, last)
        return {name: self._blobs[name].data for name in names}

    def backward(
        self,
        diffs: Sequence[str] | None = None,
        start: str | None = None,
        end: str | None = None,
        **kwargs: Any,
    ) -> Arrays:
        """Differentiate the layers as they ran last, from `start` back to `end`.

        It begins with the `diff` of the blobs that no layer of these reads: what was written
        there, or the loss weight of a loss. Gradients go to all blobs that these layers read,
        as with `force_backward: true`, and those of parameters are added to what their `diff`
        holds, as in Caffe; see `clear_param_diffs`. What was written to blobs since they ran
        counts from the next `forward` on.

        Args:
            diffs: blobs to give besides.
            start: the layer to begin with; None: the last one.
            end: the layer to end with; None: the first one.
            **kwargs: output blob -> its gradient; either for all outputs or for none.

        Returns:
            Blob name -> its `diff`, of the inputs, or of the bottoms of `end`, and of `diffs`.

        Raises:
            ValueError: no such layer or blob, the layers did not run, or the arrays are not
                those of the outputs.
        """
        first, last = self._range(end, start)
        names = self._known([*(self.bottom_names[end] if end else self.inputs), *(diffs or ())])
        if kwargs:
            self._set("output", self.outputs, kwargs, "diff")
        self._params.keep_in_step()
        self._engine.backward(first, last)
        return {name: self._blobs[name].diff for name in names}

    def _range(self, first: str | None, last: str | None) -> tuple[int, int]:
        """Indices of two layers; None for the ends of the network."""
        names = self._layer_names
        for name in (first, last):
            if name is not None and name not in names:
                raise ValueError(f"the layers are {', '.join(names)}. Received: {name!r}")
        begin = 0 if first is None else names.index(first)
        end = len(names) - 1 if last is None else names.index(last)
        if begin > end:
            raise ValueError(f"layer {names[begin]!r} stands behind layer {names[end]!r}")
        return begin, end

    def _known(self, names: Sequence[str]) -> list[str]:
        for name in names:
            if name not in self._blobs:
                raise ValueError(f"the blobs are {', '.join(self._blobs)}. Received: {name!r}")
        return list(dict.fromkeys(names))

    def _set(self, kind: str, names: list[str], arrays: Mapping[str, Any], what: str) -> None:
        """Write to all inputs or outputs."""
        if set(arrays) != set(names):
            raise ValueError(f"the {kind}s of the net are {names}. Received: {sorted(arrays)}")
        for name, array in arrays.items():
            blob = self._blobs[name]
            if np.shape(array)[:1] != blob.shape[:1]:
                raise ValueError(
                    f"{kind} {name!r} has shape {blob.shape}. Received: shape {np.shape(array)}; "
                    f"net.blobs[{name!r}].reshape(...) changes the batch"
                )
            getattr(blob, what)[...] = array
