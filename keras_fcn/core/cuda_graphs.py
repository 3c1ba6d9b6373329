"""Passes on an NVIDIA GPU, recorded once by PyTorch and played from then on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from functools import cache
from typing import Any

import keras

_MAX_RECORDINGS = 8
_WARM_UPS = 2

logger = logging.getLogger("keras_fcn")


class Recordings:
    """Recordings of a function of tensors, one for each shape; the last ones in use.

    Small operations take longer to be started by Python than to be done. The second pass for a
    shape is recorded; what cannot be, as it asks the GPU for a number, runs as it is.

    Attributes:
        made: how many recordings have been made.
    """

    def __init__(self) -> None:
        self.made = 0
        self._kept: dict[Hashable, _Recording | None] = {}
        self._asked: set[Hashable] = set()
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self._asked.clear()

    def run(self, function: Callable[[Any], Any], inputs: Any, state: Hashable) -> Any:
        """The function's value.

        Args:
            function: always the same one, until `clear`.
            inputs: tensors on the GPU, in a structure.
            state: what else a recording depends on.
        """
        key = (state, *((x.shape, x.dtype) for x in keras.tree.flatten(inputs)))
        with self._lock:
            if key not in self._kept:
                if key not in self._asked:
                    self._asked.add(key)
                    return function(inputs)
                while len(self._kept) >= _MAX_RECORDINGS:
                    del self._kept[next(iter(self._kept))]
                self._kept[key] = self._recorded(function, inputs)
            recording = self._kept[key] = self._kept.pop(key)  # the latest in use
            return function(inputs) if recording is None else recording.play(inputs)

    def _recorded(self, function: Callable[[Any], Any], inputs: Any) -> _Recording | None:
        try:
            recording = _Recording(function, inputs)
        except RuntimeError as error:  # PyTorch's, of an operation that cannot be recorded
            logger.debug("a pass is not recorded: %s", error)
            return None
        self.made += 1
        return recording


class _Recording:
    """A CUDA graph, with the tensors that it reads and writes."""

    def __init__(self, function: Callable[[Any], Any], inputs: Any) -> None:
        import torch

        self._inputs = keras.tree.map_structure(lambda x: x.clone(), inputs)
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(_WARM_UPS):  # libraries choose their algorithms
                function(self._inputs)
        torch.cuda.current_stream().wait_stream(beside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=_pool()):
            self._outputs = function(self._inputs)

    def play(self, inputs: Any) -> Any:
        """The outputs for other values, in memory of their own."""
        keras.tree.map_structure(lambda held, x: held.copy_(x), self._inputs, inputs)
        self._graph.replay()
        return keras.tree.map_structure(lambda y: y.clone(), self._outputs)


@cache
def _pool() -> Any:
    """Memory that all recordings share: none runs while another does."""
    import torch

    return torch.cuda.graph_pool_handle()
