"""Images in and out as Caffe prepares them."""

from keras_fcn.preprocessing.transformer import *  # noqa: F403
