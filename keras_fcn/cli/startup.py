"""Start Keras for a command."""

from __future__ import annotations

import contextlib
import sys

from keras_fcn.startup import quiet_tensorflow


def start_tensorflow(debug: bool = False) -> None:
    """Import Keras and its backend, and say on stderr which device is used.

    TensorFlow's own messages are kept back unless `debug` is set.
    """
    with contextlib.nullcontext() if debug else quiet_tensorflow():
        import keras
    if not debug and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")
    from keras_fcn.device import describe_device

    print(describe_device(), file=sys.stderr)
