"""A Network and its weights -> ncnn, without TensorFlow, Caffe or the `ncnn` package.

`net` goes through the layers, `writing` makes the two files, `running` runs them where ncnn is
installed; each kind has one function, in the file of its family, which adds its layers to a
`graph.LayerGraph`.
"""

from keras_fcn.caffe.ncnn import (  # noqa: F401  each registers its types
    convolution,
    detection_output,
    elementwise,
    inner_product,
    normalization,
    pooling,
    prior_box,
    reduction,
    resizing,
    scale,
    shape,
    sources,
    yolo,
)
from keras_fcn.caffe.ncnn.net import NcnnNet, ncnn_net
from keras_fcn.caffe.ncnn.registry import REFUSED, WRITERS, to_ncnn
from keras_fcn.caffe.ncnn.writing import param_text, weight_chunks, write_ncnn

__all__ = [
    "REFUSED",
    "WRITERS",
    "NcnnNet",
    "ncnn_net",
    "param_text",
    "to_ncnn",
    "weight_chunks",
    "write_ncnn",
]
