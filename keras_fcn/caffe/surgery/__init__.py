"""Net surgery on Caffe networks: pycaffe's `net.params` and more, without Caffe.

    net = surgery.open_net("deploy.prototxt", "net.caffemodel")
    net.params["conv1"][1] += 1
    fcn = surgery.to_fully_convolutional(net)
    fcn.save("fcn.prototxt", "fcn.caffemodel")

Every operation returns a new net and leaves the old one as it was. Arrays are in
Caffe's layout. Long, Shelhamer and Darrell, "Fully Convolutional Networks for
Semantic Segmentation", 2015, cast classifiers so.
"""

from keras_fcn.caffe.surgery.casting import to_fully_convolutional
from keras_fcn.caffe.surgery.editing import drop, rename, replace, resize, transplant, with_classes
from keras_fcn.caffe.surgery.folding import fold_batch_norm
from keras_fcn.caffe.surgery.net import Params, TrainedNet, open_net

__all__ = [
    "Params",
    "TrainedNet",
    "drop",
    "fold_batch_norm",
    "open_net",
    "rename",
    "replace",
    "resize",
    "to_fully_convolutional",
    "transplant",
    "with_classes",
]
