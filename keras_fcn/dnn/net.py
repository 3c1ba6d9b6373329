"""OpenCV's `cv2.dnn.Net` over a Caffe network that onnxruntime runs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.layers.ssd import DetectionOutput
from keras_fcn.caffe.onnx import OnnxNet
from keras_fcn.caffe.records import dataclass
from keras_fcn.caffe.surgery.net import TrainedNet
from keras_fcn.dnn.detections import as_in_opencv
from keras_fcn.engines.forms import Forms, Sizes
from keras_fcn.engines.onnxruntime import opened_net, trained_onnx

Array = npt.NDArray[Any]
_TICKS = 1_000_000_000  # of a second, as cv2.getTickFrequency gives on most systems


@dataclass(frozen=True)
class Layer:
    """A layer, as `Net.getLayer` gives it.

    Attributes:
        name: Caffe's.
        type: Caffe's.
        blobs: its parameters in Caffe's layout.
        id: its number, from 1 on.
    """

    name: str
    type: str
    blobs: Sequence[Array]
    id: int


class Net:
    """A Caffe network with OpenCV's methods; blobs are (N, C, H, W).

    Inputs may have any size that Caffe's network takes: where a layer needs to know it, as
    PriorBox does, the network is made anew for each.

    Args:
        net: the network with its weights.
    """

    def __init__(self, net: TrainedNet) -> None:
        self._net = net
        self._fed: dict[str, Array] = {}
        self._seconds = 0.0
        self._layers = [x for x in net.network.layers if not x.is_source and x.tops]
        self._forms = Forms(net, _form)  # refuses what has no ONNX form

    def __repr__(self) -> str:
        return f"<keras_fcn.dnn.Net {self._net.network.summary()}>"

    # What there is

    def empty(self) -> bool:
        """Whether there are no layers."""
        return not self._layers

    def getLayerNames(self) -> tuple[str, ...]:  # noqa: N802
        """Names of the layers, in order."""
        return tuple(layer.name for layer in self._layers)

    def getLayerId(self, layer: str) -> int:  # noqa: N802
        """The number of a layer, from 1 on; -1: there is none of this name."""
        names = self.getLayerNames()
        return names.index(layer) + 1 if layer in names else -1

    def getLayer(self, layerId: int | str) -> Layer:  # noqa: N802, N803
        """A layer by its name or number.

        Raises:
            CaffeError: there is none.
        """
        number = self.getLayerId(layerId) if isinstance(layerId, str) else int(layerId)
        if not 1 <= number <= len(self._layers):
            raise CaffeError(f"the network has no layer {layerId!r}")
        found = self._layers[number - 1]
        blobs = self._net.params.get(found.name, ())
        return Layer(found.name, found.type, blobs, number)

    def getUnconnectedOutLayers(self) -> npt.NDArray[np.int32]:  # noqa: N802
        """Numbers of the layers whose tops no layer reads."""
        read = {blob.key for layer in self._net.network.layers for blob in layer.bottoms}
        ends = [
            number
            for number, layer in enumerate(self._layers, 1)
            if any(blob.key not in read for blob in layer.tops)
        ]
        return np.array(ends, np.int32)

    def getUnconnectedOutLayersNames(self) -> tuple[str, ...]:  # noqa: N802
        """Names of the same layers."""
        return tuple(self._layers[number - 1].name for number in self.getUnconnectedOutLayers())

    def getParam(self, layer: int | str, numParam: int = 0) -> Array:  # noqa: N802, N803
        """A layer's parameter blob.

        Raises:
            CaffeError: there is none.
        """
        blobs = self.getLayer(layer).blobs
        if not 0 <= numParam < len(blobs):
            raise CaffeError(f"layer {layer!r} has {len(blobs)} blobs. Received: {numParam}")
        return np.array(blobs[numParam])

    def setParam(self, layer: int | str, numParam: int, blob: Array) -> None:  # noqa: N802, N803
        """Give a layer another parameter blob, of the shape that it has.

        Raises:
            CaffeError: there is none.
            ValueError: the shape is another one.
        """
        old = self.getParam(layer, numParam)
        new = np.asarray(blob, np.float32)
        if new.size != old.size:
            raise ValueError(f"the blob has shape {old.shape}. Received: {new.shape}")
        self._net.params[self.getLayer(layer).name][numParam] = new.reshape(old.shape)
        self._forms.forget()

    # What it does

    def setInput(  # noqa: N802
        self,
        blob: Any,
        name: str = "",
        scalefactor: float = 1.0,
        mean: float | Sequence[float] = (),
    ) -> None:
        """Feed an input: (blob - mean) * scalefactor.

        Args:
            blob: an array of the input's axes.
            name: the input's; by default the first.
            scalefactor: a factor.
            mean: of each channel; one number is for the first channel alone, as in OpenCV.

        Raises:
            CaffeError: there is no such input, or it has other axes.
        """
        shapes = self._net.network.input_shapes
        name = name or next(iter(shapes), "")
        if name not in shapes:
            raise CaffeError(f"the inputs are {', '.join(shapes)}. Received: {name!r}")
        array = np.asarray(blob, np.float32)
        if array.ndim != len(shapes[name]):
            raise CaffeError(
                f"input {name!r} has {len(shapes[name])} axes, as in {shapes[name]}. "
                f"Received: a blob of shape {array.shape}"
            )
        means = np.atleast_1d(np.asarray(mean, np.float32))
        if means.any():
            channels = np.zeros(array.shape[1], np.float32)
            channels[: len(means)] = means[: len(channels)]
            array = array - channels.reshape(-1, *(1,) * (array.ndim - 2))
        self._fed[name] = np.ascontiguousarray(array * np.float32(scalefactor))

    def forward(self, outputName: str | Sequence[str] = "") -> Any:  # noqa: N803
        """Run the network as far as is needed.

        Args:
            outputName: the layer whose first top is asked for, by default the last one; or
                several.

        Returns:
            The blob; of several, a tuple of them. Detections are (1, 1, N, 7), those of an
            image by score, with rows of zeros behind them: see `detections.as_in_opencv`.

        Raises:
            CaffeError: there is no such layer, an input was not fed, or has a size that the
                network cannot take.
        """
        if isinstance(outputName, str):
            return self._run([self.getLayer(outputName or len(self._layers)).name])[0]
        return self._run([self.getLayer(name).name for name in outputName])

    def getPerfProfile(self) -> tuple[int, list[float]]:  # noqa: N802
        """Ticks, of which a second has 1e9, of the last pass; those of layers are not known."""
        return int(self._seconds * _TICKS), [0.0] * len(self._layers)

    def setPreferableBackend(self, backendId: int) -> None:  # noqa: N802, N803
        """Accepted: there is one."""

    def setPreferableTarget(self, targetId: int) -> None:  # noqa: N802, N803
        """Accepted: there is one."""

    def enableFusion(self, fusion: bool) -> None:  # noqa: N802
        """Accepted: onnxruntime fuses what it can."""

    def enableWinograd(self, useWinograd: bool) -> None:  # noqa: N802, N803
        """Accepted, without effect."""

    def _run(self, layers: list[str]) -> tuple[Array, ...]:
        missing = self._net.network.input_shapes.keys() - self._fed.keys()
        if missing:
            raise CaffeError(f"setInput has not fed {', '.join(sorted(missing))}")
        form = self._forms.of(self._fed)
        tensors = [form.net.tops[layer][0] for layer in layers]
        asked = [name for name in dict.fromkeys(tensors) if name not in form.net.inputs]
        session = form.session(asked) if asked else None
        fed = {x.name: self._fed[x.name] for x in session.get_inputs()} if session else {}
        start = time.perf_counter()
        try:
            made = session.run(asked, fed) if session else []
        except Exception as error:  # of many kinds, all of onnxruntime's own
            raise CaffeError(f"{self._net.network.path}: {error}") from error
        self._seconds = time.perf_counter() - start
        found = dict(zip(asked, made, strict=True)) | {x: self._fed[x] for x in form.net.inputs}
        return tuple(
            self._finished(layer, found[name]) for layer, name in zip(layers, tensors, strict=True)
        )

    def _finished(self, layer: str, blob: Array) -> Array:
        params = self._net.network.layer(layer).params
        if not isinstance(params, DetectionOutput):
            return blob
        images = len(next(iter(self._fed.values())))
        return as_in_opencv(blob, images, params.keep_top_k)


@dataclass(frozen=True)
class _Form:
    """A network as ONNX, and its sessions: tensors that are asked for -> one."""

    net: OnnxNet
    sessions: dict[tuple[str, ...], Any] = field(default_factory=dict)

    @property
    def inputs(self) -> Mapping[str, Sizes]:
        """The inputs' shapes."""
        return self.net.inputs

    def session(self, asked: Sequence[str]) -> Any:
        """What runs the network as far as some tensors."""
        key = tuple(asked)
        if key not in self.sessions:
            self.sessions[key] = opened_net(replace(self.net, outputs=dict.fromkeys(key)))
        return self.sessions[key]


def _form(net: TrainedNet) -> _Form:
    return _Form(trained_onnx(net))
