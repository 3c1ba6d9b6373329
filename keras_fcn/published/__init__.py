"""Published networks: what is known of their weights, and how to get and recognise them.

`data/models.toml` holds the facts. Nothing here needs
TensorFlow or Keras.
"""

from keras_fcn.preprocessing.data_sets import DataSet, data_set, data_sets
from keras_fcn.published.cache import fetch, home, weights_path
from keras_fcn.published.entries import PublishedModel, published, published_model
from keras_fcn.published.identification import Identity, identify

__all__ = [
    "DataSet",
    "Identity",
    "PublishedModel",
    "data_set",
    "data_sets",
    "fetch",
    "home",
    "identify",
    "published",
    "published_model",
    "weights_path",
]
