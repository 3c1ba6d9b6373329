"""The model class, what a model knows, and weights by name."""

import keras  # noqa: F401 - before any module here, see keras_fcn._registration
