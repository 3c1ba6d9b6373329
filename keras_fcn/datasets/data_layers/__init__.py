"""Caffe's data layers as sources of batches: one module a family.

    from keras_fcn.datasets.data_layers import is_read, open_source

    with open_source(layer, "TRAIN", "models/lenet", seed=1) as source:
        batch = source.next()  # {"data": (64, 1, 28, 28), "label": (64,)}, float32

A new kind is one class under `@reads`.
"""

from keras_fcn.datasets.data_layers import (  # noqa: F401  each registers its kinds
    annotated_data,
    data,
    dummy_data,
    hdf5_data,
    image_data,
    label_maps,
    memory_data,
    window_data,
)
from keras_fcn.datasets.data_layers.label_limits import LabelLimit, label_limits
from keras_fcn.datasets.data_layers.opening import is_read, open_source
from keras_fcn.datasets.data_layers.records import RecordError, RecordSource
from keras_fcn.datasets.data_layers.source import SOURCES, Batch, Setting, Source, reads

__all__ = [
    "SOURCES",
    "Batch",
    "LabelLimit",
    "RecordError",
    "RecordSource",
    "Setting",
    "Source",
    "is_read",
    "label_limits",
    "open_source",
    "reads",
]
