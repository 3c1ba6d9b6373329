"""Ready-made networks, one file an architecture, in keras.applications style."""

from keras_fcn.models.caffenet import CaffeNet, CaffeNetFCN
from keras_fcn.models.lenet import LeNet, LeNetFCN

__all__ = ["CaffeNet", "CaffeNetFCN", "LeNet", "LeNetFCN"]
