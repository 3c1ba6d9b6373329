"""Net surgery on Caffe networks: pycaffe's ``net.params`` and more, without Caffe.

    net = surgery.open_net("deploy.prototxt", "net.caffemodel")
    net.params["conv1"][1] += 1
    fcn = surgery.to_fully_convolutional(net)
    fcn.save("fcn.prototxt", "fcn.caffemodel")

Every operation returns a new net and leaves the old one as it was. Arrays are in
Caffe's layout. Long, Shelhamer and Darrell, "Fully Convolutional Networks for
Semantic Segmentation", 2015, cast classifiers so.
"""

from convert.surgery.casting import to_fully_convolutional
from convert.surgery.editing import drop, rename, replace, resize, transplant, with_classes
from convert.surgery.folding import fold_batch_norm
from convert.surgery.net import Params, TrainedNet, open_net

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
