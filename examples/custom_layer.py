"""Teach keras-fcn a layer type of your own.

Research nets hold layers that no release of Caffe has: types of a private fork, or
Python layers. One function builds such a type in Keras; it is called with the layer
and the tensors it reads, and everything else (weights, graph, export) goes on as
with any other type.

Run: python examples/custom_layer.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras_fcn

import keras
import numpy as np

PROTOTXT = """
name: "research_net"
layer {
  name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } }
}
layer { name: "swish" type: "HardSwish" bottom: "data" top: "swish" }
layer {
  name: "drop" type: "Python" bottom: "swish" top: "drop"
  python_param { module: "spatial_dropout" layer: "SpatialDropout" param_str: "0.25" }
}
layer {
  name: "score" type: "Convolution" bottom: "drop" top: "score"
  convolution_param { num_output: 2 kernel_size: 1 weight_filler { type: "xavier" } }
}
"""


@keras_fcn.register("HardSwish")
def hard_swish(layer, x):
    """A type of a fork: one Keras layer, under the Caffe layer's name."""
    return keras.layers.Activation("hard_swish", name=layer.keras_name)(x)


@keras_fcn.register("SpatialDropout")
def spatial_dropout(layer, x):
    """A Python layer: its parameters are those of ``python_param``."""
    rate = float(layer.params.fields["python_param"]["param_str"])
    return keras.layers.SpatialDropout2D(rate, name=layer.keras_name)(x)


def main() -> keras.Model:
    """Build the network, and run it on an image twice the size of its prototxt's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "research_net.prototxt"
        path.write_text(PROTOTXT)
        model = keras_fcn.from_caffe(path)
    model.summary()
    scores = model.predict(np.ones((1, 16, 16, 3), np.float32), verbose=0)
    print(f"scores: {scores.shape}")
    return model


if __name__ == "__main__":
    main()
