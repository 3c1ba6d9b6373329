"""Walks over the graph of a Keras model."""

import keras  # noqa: F401 - before any module here, see keras_fcn._registration
