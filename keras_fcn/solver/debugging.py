"""The lines of `debug_info`: mean magnitudes of what a pass makes, forward and backward.

Source: `src/caffe/net.cpp` of BVLC Caffe 1.0; the lines of updates are those of releases before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_fcn.caffe.layers.base import Array
from keras_fcn.caffe.net.sharing import Place, shared_places
from keras_fcn.layers._axes import channels_last
from keras_fcn.pycaffe.wiring import loss_weights_of
from keras_fcn.solver.learnables import to_caffe
from keras_fcn.solver.log import Log, number
from keras_fcn.solver.nets import RunNet
from keras_fcn.solver.passing import Key, Passing, passings
from keras_fcn.solver.updates import Step

__all__ = ["Debug"]

_Reader = tuple[str, Key]  # a layer's name, and the version of a blob that it reads


class Debug:
    """Tells of passes, which it makes for itself, and of updates.

    What a layer hands back is measured at a zero that is added to what it reads. Of a parameter
    that layers share, the gradient is told at its owner, where it is complete.

    Args:
        net: the net that is trained.
        step: what updates it.
        log: where lines go.
    """

    def __init__(self, net: RunNet, step: Step, log: Log) -> None:
        self._net = net
        self._step = step
        self._log = log
        self._passings = passings(net.network)
        self._shared = shared_places(net.network)
        self._trained = [x for x in step.owned if x.trained]
        self._functions: dict[Any, tuple[dict[_Reader, Any], Any]] = {}
        self._data: dict[Place, float] = {}

    def passes(self, batches: Sequence[Sequence[Any]]) -> None:
        """The lines of an update's passes; random generators are as if they had not been."""
        total: list[Array] = [np.zeros(x.variable.shape, np.float32) for x in self._trained]
        self._data = {
            (name, index): _magnitude(param.data)
            for name, params in self._net.params.items()
            for index, param in enumerate(params)
        }
        with self._net.state_kept():
            for batch in batches:
                made, handed, gradients = self._measured(batch)
                total = [a + ops.convert_to_numpy(b) for a, b in zip(total, gradients, strict=True)]
                self._forward(made)
                self._backward(handed, self._in_caffes_layout(total))

    def update(self) -> None:
        """The lines of the update behind `passes`."""
        diffs = self._step.diffs()
        for each in self._step.owned:
            name, index = each.place
            data, diff = self._data[each.place], _magnitude(diffs[name][index])
            head = f"    [Update] Layer {name}, param {self._name(each.place)}"
            self._log("update", f"{head} data: {number(data)}; diff: {number(diff)}")

    def _forward(self, made: Mapping[Key, float]) -> None:
        for each in self._passings:
            head = f"    [Forward] Layer {each.name}"
            for name, key in each.tops:
                self._log("forward", f"{head}, top blob {name} data: {number(made[key])}")
            for index in range(len(self._net.params.get(each.name, ()))):
                place = each.name, index
                what = f"param blob {self._name(place)} data: {number(self._data[place])}"
                self._log("forward param", f"{head}, {what}")

    def _backward(self, handed: Mapping[_Reader, float], params: Mapping[Place, Array]) -> None:
        for each in filter(lambda x: x.backward, reversed(self._passings)):
            head = f"    [Backward] Layer {each.name}"
            for name, key in each.handing:
                size = number(handed[each.name, key])
                self._log("backward", f"{head}, bottom blob {name} diff: {size}")
            for index in range(len(self._net.params.get(each.name, ()))):
                if (each.name, index) in params:
                    size = number(_magnitude(params[each.name, index]))
                    self._log("backward param", f"{head}, param blob {index} diff: {size}")
        data = [self._net.params[x.layer.name][x.index].data for x in self._step.owned]
        both = [np.concatenate([[0], *map(np.ravel, x)]) for x in (data, params.values())]
        first, second = (
            ", ".join(number(np.linalg.norm(x, order)) for x in both) for order in (1, 2)
        )
        what = f"L1 norm = ({first}); L2 norm = ({second})"
        self._log("net params", f"    [Backward] All net params (data, diff): {what}", "E")

    def _name(self, place: Place) -> str:
        """What Caffe calls a parameter: its name, or else which it is."""
        layer = next(x for x in self._net.network.layers if x.name == place[0])
        specs = layer.param_specs[place[1] : place[1] + 1]
        return next((spec.name for spec in specs if spec.name), str(place[1]))

    def _in_caffes_layout(self, arrays: Sequence[Array]) -> dict[Place, Array]:
        """The gradients of what is trained."""
        known = {x.place: array for x, array in zip(self._trained, arrays, strict=True)}
        owned = self._step.owned
        every = [known.get(x.place, np.zeros(x.variable.shape, np.float32)) for x in owned]
        pairs = zip(owned, to_caffe(owned, every), strict=True)
        return {x.place: blob for x, blob in pairs if x.place in known}

    # The pass

    def _measured(
        self, batch: Sequence[Any]
    ) -> tuple[dict[Key, float], dict[_Reader, float], list[Any]]:
        """Magnitudes of blobs, and of what readers hand back; gradients of what is trained."""
        sizes = tuple(tuple(x.shape) for x in batch)
        if sizes not in self._functions:
            self._functions = {sizes: self._compiled(batch)}  # zeros are as large as the net
        zeros, function = self._functions[sizes]
        made, handed, gradients = function(tuple(batch))
        return (
            {key: float(x) for key, x in zip(self._keys, made, strict=True)},
            {reader: float(x) for reader, x in zip(zeros, handed, strict=True)},
            gradients,
        )

    @property
    def _keys(self) -> list[Key]:
        return list(dict.fromkeys(key for each in self._passings for _, key in each.tops))

    def _compiled(self, batch: Sequence[Any]) -> tuple[dict[_Reader, Any], Any]:
        net = self._net
        contents = net.contents(batch)
        zeros = {
            (each.name, key): keras.Variable(np.zeros_like(contents[key]))
            for each in self._passings
            for _, key in each.handing
        }
        models = {each.name: self._model(each) for each in self._passings if each.layer}
        trained = [x.variable for x in self._trained]
        variables = [*zeros.values(), *net.whole.variables]

        def run(batch: Any) -> Any:
            _, made, found = net.runtime.differentiated(
                lambda: self._walk(batch, models, zeros), [*zeros.values(), *trained], variables
            )
            count = len(zeros)
            return made, [_size(x) for x in found[:count]], found[count:]

        return zeros, net.runtime.compiled(run, variables)

    def _model(self, each: Passing) -> tuple[list[Key], list[Key], Any]:
        """Versions that a layer reads and makes, and its model; of a source none."""
        tensors, layer = self._net.made.tensors, each.layer
        assert layer is not None
        if layer.is_source:
            return [], [], None
        read = [x.key for x in (*layer.bottoms, *layer.overwritten)] or [self._hook]
        read = [key for key in dict.fromkeys(read) if key in tensors]
        made = [x.key for x in (*layer.tops, *layer.aliases) if x.key in tensors]
        if not made:  # Silence
            return read, made, None
        return read, made, keras.Model([tensors[x] for x in read], [tensors[x] for x in made])

    @property
    def _hook(self) -> Key:
        """What layers without bottoms hang on."""
        return next((blob.key for blob in self._net.network.inputs), ("", 0))

    def _walk(
        self, batch: Sequence[Any], models: Mapping[str, Any], zeros: Mapping[_Reader, Any]
    ) -> tuple[Any, list[Any]]:
        """The objective, and the magnitudes of all blobs."""
        keys = [blob.key for blob in self._net.network.inputs] or [self._hook]
        values = {key: channels_last(x) for key, x in zip(keys, batch, strict=True)}
        loss = ops.zeros(())
        for each in self._passings:
            if each.layer is None:  # a split
                for _, key in each.handing:
                    values[key] = values[key] + zeros[each.name, key].value
                continue
            read, made, model = models[each.name]
            if model is None:
                continue
            given = [
                values[key] + zeros[each.name, key].value
                if (each.name, key) in zeros
                else values[key]
                for key in read
            ]
            tops = keras.tree.flatten(model(given, training=self._net.training))
            values |= zip(made, tops, strict=True)
        for layer in self._net.network.layers:
            for top, weight in zip(layer.tops, loss_weights_of(layer), strict=True):
                if weight:
                    loss += weight * ops.sum(values[top.key])
        return loss, [_size(values[key]) for key in self._keys]


def _size(tensor: Any) -> Any:
    return ops.mean(ops.abs(ops.cast(tensor, "float32")))


def _magnitude(array: Array) -> float:
    return float(np.abs(array).mean())
