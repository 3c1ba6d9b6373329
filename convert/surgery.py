"""Net surgery on Caffe networks, see `keras_fcn.caffe.surgery`."""

from keras_fcn.caffe.surgery import *  # noqa: F403
from keras_fcn.caffe.surgery import __all__  # noqa: F401
