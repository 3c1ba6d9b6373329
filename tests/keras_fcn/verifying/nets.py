"""A small network in files, and dumps of its blobs as the script for pycaffe writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

import keras_fcn
from keras_fcn.to_caffe import to_caffe

PROTOTXT = """
name: "small"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 12 dim: 11 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 6 kernel_size: 3 weight_filler { type: "xavier" }
    bias_filler { type: "uniform" min: -1 max: 1 } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "norm1" type: "LRN" bottom: "conv1" top: "norm/1"
  lrn_param { local_size: 3 alpha: 0.5 } }
layer { name: "pool1" type: "Pooling" bottom: "norm/1" top: "pool1" top: "mask"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "up" type: "Upsample" bottom: "pool1" bottom: "mask" top: "up"
  upsample_param { scale: 2 upsample_h: 10 upsample_w: 9 } }
layer { name: "sum" type: "Eltwise" bottom: "up" bottom: "norm/1" top: "sum" }
layer { name: "ip" type: "InnerProduct" bottom: "sum" top: "ip"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""
BLOBS = ("conv1", "norm/1", "pool1", "mask", "up", "sum", "ip", "prob")


class Net(NamedTuple):
    """The network's files, the network, and the blobs of one input."""

    prototxt: Path
    caffemodel: Path
    model: keras.Model
    data: np.ndarray
    blobs: Mapping[str, np.ndarray]


def small_net(folder: Path) -> Net:
    """The network, with repeatable weights."""
    prototxt, caffemodel = folder / "net.prototxt", folder / "net.caffemodel"
    prototxt.write_text(PROTOTXT)
    model = keras_fcn.from_caffe(prototxt, seed=3)
    to_caffe(model).save(folder / "again.prototxt", caffemodel)
    (folder / "again.prototxt").unlink()
    data = np.random.default_rng(1).uniform(-100, 100, (1, 3, 12, 11)).astype(np.float32)
    return Net(prototxt, caffemodel, model, data, keras_fcn.blobs(model, data))


def dump(
    path: Path,
    net: Net,
    blobs: Mapping[str, np.ndarray] | None = None,
    params: Mapping[str, np.ndarray] | None = None,
    facts: Any = None,
) -> Path:
    """What the script writes: the input, every blob, and what ran."""
    facts = facts or {"versions": {"caffe": "1.0.0", "python": "2.7.18"}}
    arrays = {"in/data": net.data}
    arrays |= {f"out/{name}": x for name, x in (blobs or net.blobs).items()}
    arrays |= {f"param/{name}": x for name, x in (params or {}).items()}
    arrays["_facts"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    np.savez(path, **arrays)
    return path
