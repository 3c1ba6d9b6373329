"""SSD's priors as constants."""

from __future__ import annotations

import numpy as np

from keras_fcn.caffe.layers.base import Array
from keras_fcn.caffe.layers.prior_box import Priors, laid
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.nodes.graph import NeedsSizes


def priors(layer: Layer[Priors]) -> Array:
    """Boxes and their variances, (1, 2, numbers), of a layer whose bottoms have known sizes.

    Raises:
        NeedsSizes: one is not known.
    """
    params = layer.params
    cells, sizes = ((blob.shape or ())[2:] for blob in layer.bottoms)
    image = params.image or sizes
    if None in (*cells, *image):
        raise NeedsSizes("its boxes need a map and an image of known size; fix the input's")
    boxes = laid(params.boxes, cells, image, params.steps, params.offset, params.clip).ravel()
    return np.stack([boxes, np.resize(params.variances, boxes.size)])[None]
