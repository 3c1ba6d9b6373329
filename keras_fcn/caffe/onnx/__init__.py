"""A Network and its weights -> ONNX, without TensorFlow, Caffe or the `onnx` package.

`walk` goes through the layers, `writing` makes the file; each kind has one function, in the file
of its family, which adds its nodes to a `graph.LayerGraph`.
"""

from keras_fcn.caffe.onnx import (  # noqa: F401  each registers its types
    convolution,
    ctc,
    detection_output,
    elementwise,
    flow,
    inner_product,
    losses,
    normalization,
    pooling,
    prior_box,
    proposal,
    recurrent,
    reduction,
    regions,
    resizing,
    scale,
    shape,
    smooth_l1,
    softmax_losses,
    sources,
    volumetric,
    yolo,
)
from keras_fcn.caffe.onnx.registry import REFUSED, WRITERS, to_onnx
from keras_fcn.caffe.onnx.walk import OnnxNet, onnx_net
from keras_fcn.caffe.onnx.writing import OPSETS, chunks, write_onnx

__all__ = ["OPSETS", "REFUSED", "WRITERS", "OnnxNet", "chunks", "onnx_net", "to_onnx", "write_onnx"]
