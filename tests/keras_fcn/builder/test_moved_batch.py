"""Networks that Caffe runs though their channels were images, and names that two layers have."""

from __future__ import annotations

import numpy as np
import pytest

import convert
import keras_fcn

MOVED = """name: "n"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 2 dim: 3 dim: 6 dim: 5 } } }
layer { name: "p" type: "Permute" bottom: "data" top: "p"
  permute_param { order: 1 order: 0 order: 2 order: 3 } }
%s
"""


def test_a_convolution_over_what_was_the_batch(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        MOVED
        % """layer { name: "c" type: "Convolution" bottom: "p" top: "c"
          convolution_param { num_output: 4 kernel_size: 1 weight_filler { type: "xavier" } } }"""
    )
    model = keras_fcn.from_caffe(path, seed=1)
    data = np.random.default_rng(1).normal(size=(2, 3, 6, 5)).astype(np.float32)
    kernel = np.asarray(model.get_layer("c").kernel)[0, 0]
    wanted = np.einsum("nchw,no->cohw", data, kernel)
    found = keras_fcn.blobs(model, {"data": data})["c"]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def test_two_layers_with_weights_of_one_name_are_refused(tmp_path):
    convolution = """layer { name: "c" type: "Convolution" bottom: "%s" top: "%s"
      convolution_param { num_output: 4 kernel_size: 1 } }"""
    path = tmp_path / "net.prototxt"
    path.write_text(MOVED % "\n".join((convolution % ("data", "a"), convolution % ("a", "b"))))
    with pytest.raises(convert.CaffeError, match=r"prototxt:\d+: layer 'c' .*name on line 6"):
        keras_fcn.from_caffe(path)
    relu = 'layer { name: "r" type: "ReLU" bottom: "%s" top: "%s" }'
    path.write_text(MOVED % "\n".join((relu % ("data", "a"), relu % ("a", "b"))))
    assert "b" in keras_fcn.blobs(keras_fcn.from_caffe(path), {"data": np.ones((2, 3, 6, 5), "f")})
