"""Opening the source of a data layer."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.net.network import Layer
from keras_fcn.datasets.data_layers.registered import RegisteredSource, makes_batches_of
from keras_fcn.datasets.data_layers.source import SOURCES, Setting, Source

__all__ = ["is_read", "open_source"]

_MOST_WORKERS = 4


def open_source(
    layer: Layer,
    phase: str,
    base_folder: str | os.PathLike[str],
    seed: int | None = None,
    *,
    workers: int | None = None,
    skip_bad: bool = False,
) -> Source:
    """Open what a data layer reads.

    Records come in Caffe's order, batch after batch across epochs. Decoding and transforming run
    in threads ahead of `next`. Where Caffe draws random numbers (`shuffle`, `rand_skip`, `mirror`,
    a crop in TRAIN), ours are others, of the same distribution.

    Args:
        layer: a data layer of a `Network`.
        phase: `"TRAIN"` or `"TEST"`; random crops are for TRAIN.
        base_folder: where files are looked for that are not in the working folder, as a rule
            that of the prototxt.
        seed: makes random choices repeatable; None: others each time.
        workers: threads; None: as many as processors, at most four.
        skip_bad: whether records that cannot be read are left out and counted.

    Returns:
        A source, to be closed.

    Raises:
        UnsupportedLayerError: no source reads this type of layer.
        CaffeError: a file is missing or cannot be read, or the layer asks for what cannot be.
        ValueError: the phase is another, or `workers` is less than one.

    Example:
        ```python
        net = convert.load_network("train_val.prototxt", phase="TRAIN")
        source = open_source(net.layers[0], "TRAIN", ".")
        source.shapes  # {"data": (256, 3, 227, 227), "label": (256,)}
        ```
    """
    if phase not in ("TRAIN", "TEST"):
        raise ValueError(f"phase must be 'TRAIN' or 'TEST'. Received: {phase!r}")
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be 1 or more. Received: {workers}")
    kind = RegisteredSource if makes_batches_of(layer) else SOURCES.get(layer.type)
    if kind is None:
        raise UnsupportedLayerError(
            f"{layer.place}: keras-fcn does not read this type of data layer, but "
            f"{', '.join(sorted(SOURCES))}; register a generator function that makes its "
            f"batches: @keras_fcn.register({_name(layer)!r})"
        )
    if seed is None:
        seed = int(np.random.SeedSequence().generate_state(1)[0])
    if workers is None:
        workers = min(_MOST_WORKERS, os.cpu_count() or 1)
    return kind(Setting(layer, phase, Path(base_folder), seed, workers, skip_bad))


def is_read(layer: Layer) -> bool:
    """Whether `open_source` reads a layer: by its type, or as a user registered its batches."""
    return layer.type in SOURCES or makes_batches_of(layer) is not None


def _name(layer: Layer) -> str:
    """What to register: the type, or the class of a Python layer."""
    python: str = layer.definition.fields.message("python_param").get("layer", "")
    return python or layer.type
