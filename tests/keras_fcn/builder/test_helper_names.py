"""Layers that a builder adds, a padding say, keep clear of the network's own names."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn

NET = """name: "names"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }
layer { name: "a" type: "Convolution" bottom: "data" top: "a" convolution_param {
  num_output: 4 kernel_size: 3 pad_h: 2 pad_w: 1 stride: 2 weight_filler { type: "xavier" } } }
layer { name: "%s" type: "ReLU" bottom: "a" top: "b" }
layer { name: "ip" type: "InnerProduct" bottom: "b" top: "ip"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "%s" type: "ReLU" bottom: "ip" top: "c" }
layer { name: "%s" type: "TanH" bottom: "c" top: "d" }
"""


@pytest.mark.slow
def test_names_of_helpers_are_taken(tmp_path):
    image = np.random.default_rng(0).normal(size=(1, 9, 9, 3)).astype(np.float32)
    wanted = None
    for number, names in enumerate(
        [("r", "s", "t"), ("a_pad", "ip_flatten", "ip_flatten_2"), ("ip_flatten", "a_pad", "b")]
    ):
        path = tmp_path / f"{number}.prototxt"
        path.write_text(NET % names)
        model = keras_fcn.from_caffe(path, seed=1)
        assert {*names} <= {layer.name for layer in model.layers}
        found = model.predict(image, verbose=0)
        wanted = found if wanted is None else wanted
        np.testing.assert_array_equal(found, wanted)
        model.save(tmp_path / "net.keras")
        again = keras.models.load_model(tmp_path / "net.keras")
        np.testing.assert_array_equal(again.predict(image, verbose=0), wanted)
