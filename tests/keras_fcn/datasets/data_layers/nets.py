"""Networks of one data layer, and the sources that read it."""

from __future__ import annotations

import numpy as np

from keras_fcn.caffe.net.assembly import load_network
from keras_fcn.datasets.data_layers import open_source


def data_layer(folder, text, phase="TRAIN"):
    """The layer of a text such as `type: "DummyData" top: "data" ...`, read from a file."""
    path = folder / "net.prototxt"
    path.write_text(f'layer {{ name: "data" {text} }}')
    return load_network(path, phase).layers[0]


def source(folder, text, phase="TRAIN", seed=0, **options):
    layer = data_layer(folder, text, phase)
    opened = open_source(layer, phase, folder, seed, **options)
    assert opened.tops == tuple(blob.name for blob in layer.tops)
    if not getattr(layer.params, "open_axes", False):
        for blob in layer.tops:  # what the network takes the tops for
            told, found = blob.shape, opened.shapes[blob.name]
            assert len(told) == len(found)
            assert all(size in (None, have) for size, have in zip(told, found, strict=True))
    return opened


def batches(opened, count):
    return [opened.next() for _ in range(count)]


def same(first, second):
    """Whether two batches, or lists of them, are bit-equal."""
    if isinstance(first, list):
        return len(first) == len(second) and all(map(same, first, second))
    return first.keys() == second.keys() and all(
        np.array_equal(first[top], second[top]) for top in first
    )
