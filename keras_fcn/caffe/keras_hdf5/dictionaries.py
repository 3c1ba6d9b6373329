"""Weights by layer as NumPy's own files: `.npz` archives and `.npy` dictionaries.

Layers have Keras' names and weights Keras' layout, as in the HDF5 file. A kernel is called
`weights` and its bias `biases`; all other weights have Keras' names: `moving_mean`,
`moving_variance`, `gamma`, `beta`, `scale`, `bias`, `alpha`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.blobs.arrays_file import FACTS, MEAN, dictionary_name
from keras_fcn.caffe.io.files import atomic_write
from keras_fcn.caffe.io.streaming import has_nan
from keras_fcn.caffe.keras_hdf5.writing import LayerEntry, refuse_twice


def write_npz(
    path: str | Path,
    layers: Sequence[LayerEntry],
    *,
    attributes: Callable[[], Mapping[str, Any]],
    texts: Mapping[str, str],
    mean: npt.NDArray[Any] | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[str]:
    """Write the weights as an archive of arrays `layer/weights`, `layer/biases`.

    NumPy reads it without pickle; beside the layers stands what else is known, under `_facts`
    and `_mean`. The arguments and the result are those of `writing.write_weights`.
    """
    arrays, with_nan = _arrays(layers, progress)
    facts = {
        "attributes": dict(attributes()),
        "texts": dict(texts),
        "layers": {layer.name: dict(layer.attributes) for layer in layers},
    }
    held: dict[str, Any] = {
        f"{layer}/{name}": x for layer, own in arrays.items() for name, x in own.items()
    }
    held[FACTS] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    if mean is not None:
        held[MEAN] = np.asarray(mean, np.float32)
    with atomic_write(path) as file:
        np.savez(file, **held)
    return with_nan


def write_npy(
    path: str | Path,
    layers: Sequence[LayerEntry],
    *,
    progress: Callable[[int], None] | None = None,
    **_: Any,
) -> list[str]:
    """Write the weights as a dictionary: layer -> `weights`, `biases`.

    `np.load(path, allow_pickle=True).item()` gives it. As that runs whatever such a file
    holds, nothing here reads one, and `.npz` is the better form.
    """
    arrays, with_nan = _arrays(layers, progress)
    with atomic_write(path) as file:
        np.save(file, np.array(arrays, object), allow_pickle=True)
    return with_nan


def _arrays(
    layers: Sequence[LayerEntry], progress: Callable[[int], None] | None
) -> tuple[dict[str, dict[str, npt.NDArray[Any]]], list[str]]:
    """Layer -> its arrays by name, and `"layer/weight"` names of those that hold NaN."""
    refuse_twice([layer.name for layer in layers])
    found: dict[str, dict[str, npt.NDArray[Any]]] = {}
    with_nan = []
    for layer in layers:
        kinds = [weight.name for weight in layer.weights]
        own = found[layer.name] = {}
        for weight in layer.weights:
            array = weight.array().astype(np.float32, copy=False)
            own[dictionary_name(weight.name, kinds)] = array
            if has_nan(array):
                with_nan.append(f"{layer.name}/{weight.name}")
            if progress is not None:
                progress(array.nbytes)
    return found, with_nan
