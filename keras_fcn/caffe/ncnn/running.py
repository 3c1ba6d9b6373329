"""Networks in ncnn, which is not needed to write them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.ncnn.net import DETECTIONS, OF_ALL, NcnnNet, Output
from keras_fcn.caffe.ncnn.reading import read_notes
from keras_fcn.caffe.ncnn.writing import (
    beside,
    param_text,
    weight_chunks,
    word,
)

Array = npt.NDArray[Any]

_FLOAT32 = ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_packed", "bf16_storage")
"""What ncnn would round numbers by, unless it is told not to."""


def can_run() -> bool:
    """Whether ncnn is installed."""
    return find_spec("ncnn") is not None


class NcnnSession:
    """A network in ncnn, in float32.

    Attributes:
        inputs: input blob -> shape in Caffe's axis order; free sizes are None.
        outputs: output blob -> what it is.
        metadata: what the file tells beside.
    """

    def __init__(
        self, net: Any, path: str, inputs: Mapping[str, Sequence[int | None]], told: dict[str, Any]
    ) -> None:
        self._net, self._path = net, path
        self.inputs = {name: tuple(shape) for name, shape in inputs.items()}
        self.outputs = {
            name: Output(tuple(each["shape"]), each["holds"])
            for name, each in told["outputs"].items()
        }
        self.metadata: dict[str, str] = told["metadata"]

    def run(self, inputs: Mapping[str, Array], names: Sequence[str] = ()) -> dict[str, Array]:
        """The outputs, in Caffe's axis order, of some images.

        Args:
            inputs: input -> array in Caffe's axis order, with as many images as the others, or
                with one for all of them.
            names: the outputs that are wanted; by default all.

        Raises:
            CaffeError: ncnn cannot run the network on them.
            ValueError: an input is missing, or has another shape or number of images.
        """
        fed = {name: np.asarray(inputs[name], np.float32) for name in self.inputs if name in inputs}
        count = self._checked(fed)
        wanted = list(names or self.outputs)
        images = [
            self._one({name: x[index % len(x)] for name, x in fed.items()}, wanted)
            for index in range(count)
        ]
        return {name: _together(self.outputs[name], [x[name] for x in images]) for name in wanted}

    def _checked(self, fed: Mapping[str, Array]) -> int:
        """How many images there are."""
        for name, shape in self.inputs.items():
            if name not in fed:
                raise ValueError(f"{self._path}: the input {name!r} is missing")
            found = fed[name].shape
            pairs = zip(found[1:], shape[1:], strict=False)
            if len(found) != len(shape) or any(size not in (None, is_) for is_, size in pairs):
                raise ValueError(
                    f"{self._path}: the input {name!r} has shape {shape}. Received: {found}"
                )
        counts = {len(array) for array in fed.values()} | {1}
        if len(counts) > 2 or 0 in counts:
            raise ValueError(f"{self._path}: inputs of {sorted(counts)} images")
        if not fed:  # a network that makes something of itself
            counts |= {output.shape[0] or 1 for output in self.outputs.values()}
        return max(counts)

    def _one(self, image: Mapping[str, Array], wanted: Sequence[str]) -> dict[str, Array]:
        """What becomes of one image."""
        import ncnn

        extractor = self._net.create_extractor()
        for name, array in image.items():
            # A Mat points to the array's memory, which a name has to keep until it is copied; the
            # copy, as layers in place would write into the array.
            held = np.ascontiguousarray(np.atleast_1d(array))
            if extractor.input(word(name), ncnn.Mat(held).clone()) != 0:
                raise CaffeError(f"{self._path}: ncnn has no input {name!r}")
        made = {}
        for name in wanted:
            if name in image:
                made[name] = image[name]
                continue
            status, tensor = extractor.extract(word(name))
            empty = tensor.empty()
            if status != 0 or (empty and self.outputs[name].holds != DETECTIONS):
                raise CaffeError(f"{self._path}: ncnn cannot run it up to {name!r} ({status})")
            made[name] = np.zeros((0, 6), np.float32) if empty else np.array(tensor)
        return made


def _together(output: Output, images: Sequence[Array]) -> Array:
    """A blob of what each image gave."""
    if output.holds == DETECTIONS:
        return _rows(images)
    if output.holds == OF_ALL and output.shape[:1] == (1,):
        images = images[:1]
    blob = np.stack(images)
    return blob.reshape(blob.shape[:1]) if len(output.shape) == 1 else blob


def _rows(images: Sequence[Array]) -> Array:
    """Detections as Caffe's blob: by image and class, the best first; else a row for each image."""
    parts = []
    for number, rows in enumerate(images):
        order = np.lexsort((-rows[:, 1], rows[:, 0]))
        parts.append(np.insert(rows[order], 0, number, axis=1))
    found = np.concatenate(parts)
    if not len(found):
        found = np.full((len(images), 7), -1, np.float32)
        found[:, 0] = range(len(images))
    return found[None, None]


def opened(net: NcnnNet | str | Path, threads: int | None = None) -> NcnnSession:
    """A network in ncnn on the CPU, in float32.

    Args:
        net: the network, or its `.param` file, beside which its `.bin` file lies.
        threads: how many of them ncnn uses; None: as many as there are cores.

    Raises:
        CaffeError: ncnn is not installed, or does not read the files.
    """
    if isinstance(net, NcnnNet):
        with tempfile.TemporaryDirectory() as folder:
            weights = Path(folder) / "net.bin"
            with weights.open("wb") as file:
                file.writelines(weight_chunks(net))
            return _loaded(param_text(net), weights, net.name, threads)
    path = Path(net)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CaffeError(f"{path}: cannot be read: {error}") from error
    return _loaded(text, beside(path), str(path), threads)


def _loaded(text: str, weights: Path, path: str, threads: int | None) -> NcnnSession:
    try:
        import ncnn
    except ImportError as error:
        raise CaffeError("ncnn files run in ncnn: pip install ncnn") from error
    told = read_notes(text, path)
    net = ncnn.Net()
    for option in _FLOAT32:
        setattr(net.opt, f"use_{option}", False)
    if threads is not None:
        net.opt.num_threads = threads
    if net.load_param_mem(text) != 0:
        raise CaffeError(f"{path}: ncnn does not read it; it has other layers, or is damaged")
    whole = weights.is_file() and weights.stat().st_size == told["bytes"]
    if not whole or net.load_model(str(weights)) != 0:
        raise CaffeError(f"{weights}: ncnn does not read these weights; they are of {path}")
    return NcnnSession(net, path, told["inputs"], told)
