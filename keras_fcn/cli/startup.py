"""Start TensorFlow without its chatter."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def start_tensorflow(debug: bool = False) -> None:
    """Import TensorFlow and Keras, and say on stderr which device is used.

    TensorFlow's own messages are kept back unless ``debug`` is set or the user has
    set ``TF_CPP_MIN_LOG_LEVEL``; what goes wrong reaches Python as an exception.
    """
    if debug or _LEVEL in os.environ:
        import tensorflow as tf
    else:
        os.environ[_LEVEL] = "3"
        with _without_stderr():
            import tensorflow as tf
        tf.get_logger().setLevel(logging.ERROR)
    from keras_fcn.device import describe_device

    print(describe_device(), file=sys.stderr)


@contextlib.contextmanager
def _without_stderr() -> Iterator[None]:
    """Close the file that C libraries know as stderr.

    While they are loaded, TensorFlow's write to it whatever the log level.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
