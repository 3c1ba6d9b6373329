"""The files that mutations begin with: the layer cases, and every form of weights file."""

from __future__ import annotations

import gzip
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from google.protobuf import text_format

import convert
from keras_fcn.caffe.layers.base import DIALECTS, LAYER_TYPES, LayerParams
from keras_fcn.caffe.proto import schema
from tests.golden import LAYERS, REJECTS
from tests.keras_fcn.caffe import writer
from tests.keras_fcn.caffe.conftest import SHAPES, SMALL, layers_of, random_blobs

Seeds = list[bytes]
_LARGEST = 1 << 16
_LIKELY = {"num_output": 2, "kernel_size": 2, "input_dim": 4, "pyramid_height": 2, "min_size": 2}
_LIKELY |= {"order": 1, "group": 2, "stride": 1, "axis": 1}


def _files(*patterns: str) -> Seeds:
    paths = [
        path for pattern in patterns for path in (*LAYERS.glob(pattern), *REJECTS.glob(pattern))
    ]
    return [path.read_bytes() for path in sorted(paths) if path.stat().st_size <= _LARGEST]


def prototxts() -> Seeds:
    """Networks as text, those that Caffe refuses too."""
    made = [text_format.MessageToString(_one_layer(kind, params)) for kind, params in _types()]
    return [*_files("**/*.prototxt", "*.txt"), *(text.encode() for text in (SMALL, *made))]


def _types() -> list[tuple[str, type[LayerParams]]]:
    """Every layer type, those of forks too."""
    forks = [(kind, params) for kind, known in DIALECTS.items() for params in known.values()]
    return sorted([*LAYER_TYPES.items(), *forks], key=lambda item: (item[0], item[1].__name__))


def _one_layer(kind: str, params: type[LayerParams]) -> Any:
    """A net of one layer, with the likeliest of its fields; it need not be right."""
    net = schema.new("NetParameter")
    sizes = "shape { dim: 1 dim: 4 dim: 6 dim: 6 }"
    text_format.Parse(
        f'layer {{ name: "data" type: "Input" top: "data" input_param {{ {sizes} }} }}', net
    )
    layer = net.layer.add(name="x", type=kind)
    layer.bottom.extend(["data"] * params.bottom_count[0])
    layer.top.extend(f"top{index}" for index in range(params.top_count[0]))
    if params.message is not None:
        message = getattr(layer, params.message)
        message.SetInParent()
        for name in set(_LIKELY) & set(message.DESCRIPTOR.fields_by_name):
            if message.DESCRIPTOR.fields_by_name[name].is_repeated:
                getattr(message, name).append(_LIKELY[name])
            else:
                setattr(message, name, _LIKELY[name])
    return net


def caffemodels() -> Seeds:
    """Weights of the current, V1 and V0 forms; packed, unpacked, double, legacy sizes."""
    weights = {name: random_blobs(shapes) for name, shapes in SHAPES.items()}
    forms: list[dict[str, bool]] = [{}, {"legacy": True}, {"packed": False}, {"double": True}]
    made = [writer.net('name: "n"', layers_of(SMALL, weights, **form)) for form in forms]
    kernel = writer.blob(np.ones((2, 3, 2, 2)), legacy=True)
    v1 = writer.layer(
        'name: "c" type: CONVOLUTION convolution_param { num_output: 2 kernel_size: 2 }',
        [kernel],
        writer.V1,
    )
    v0 = writer.layer('name: "c" type: "conv" num_output: 2 kernelsize: 2', [kernel], writer.V0)
    made.append(writer.net("", [v1, v1], writer.V1))
    made.append(writer.net("", [writer.connection('bottom: "a" top: "b"', v0)], writer.V0))
    blobs = [kernel, writer.blob(np.ones(2)), writer.blob(np.ones(2)), writer.blob(np.ones(1))]
    for kind, params in _types():
        texts = [text_format.MessageToString(layer) for layer in _one_layer(kind, params).layer]
        made.append(writer.net("", [writer.layer(texts[0], []), writer.layer(texts[1], blobs)]))
    made.append(gzip.compress(made[0], mtime=0))
    return [*_files("**/*.caffemodel"), *made]


def means() -> Seeds:
    """Blobs on their own."""
    image, pixel = np.arange(60.0).reshape(1, 3, 4, 5), np.arange(3.0)
    return [
        *_files("**/*.binaryproto"),
        writer.blob(image, legacy=True),
        writer.blob(image),
        writer.blob(image, packed=False),
        writer.blob(image, double=True),
        writer.blob(image, double=True, packed=False),
        writer.blob(pixel),
        writer.blob(np.ones((3, 40, 40))),
    ]


def hdf5s() -> Seeds:
    """Converted files, Caffe's own HDF5, and Keras files of other writers."""
    seeds = _files("**/*.caffemodel.h5")
    with tempfile.TemporaryDirectory() as folder:
        mean, output = Path(folder, "mean.binaryproto"), Path(folder, "out.h5")
        mean.write_bytes(means()[-2])
        for index, data in enumerate(caffemodels()):
            path = Path(folder, f"{index}.caffemodel")
            path.write_bytes(data)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    convert.convert(None, path, output, mean=mean)
            except Exception:  # the target caffemodel finds these
                continue
            seeds.append(output.read_bytes())
        for options in ({"libver": "earliest"}, {"libver": "latest"}):
            _write_keras(output, **options)
            seeds.append(output.read_bytes())
    return [seed for seed in seeds if len(seed) <= _LARGEST]


def _write_keras(path: Path, **options: str) -> None:
    """A whole model as Keras 2 wrote it, with compressed and chunked datasets."""
    with h5py.File(path, "w", **options) as file:
        root = file.create_group("model_weights")
        root.attrs["layer_names"] = ["a", "b"]
        for name in ("a", "b"):
            group = root.create_group(name)
            group.attrs["weight_names"] = [f"{name}/kernel:0", f"{name}/bias:0"]
            group.create_dataset(
                f"{name}/kernel:0", data=np.ones((8, 8)), chunks=(4, 4), compression="gzip"
            )
            group.create_dataset(
                f"{name}/bias:0",
                data=np.ones(8, np.float32),
                shuffle=True,
                chunks=(8,),
                fletcher32=True,
            )
        file.create_dataset("_mean", data=np.ones(3, np.float32))
        file.create_dataset("_prototxt", data="text", dtype=h5py.string_dtype())


_MAKERS: dict[str, Callable[[], Seeds]] = {
    "prototxt": prototxts,
    "caffemodel": caffemodels,
    "binaryproto": means,
    "hdf5": hdf5s,
}


@cache
def seeds(target: str) -> Seeds:
    """The files of a target, always the same in the same order."""
    return _MAKERS[target]()
