"""DetectNet's layer behind its grid."""

from __future__ import annotations

from typing import Any

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.layers.detectnet import MOST_BOXES, ClusterDetections
from keras_fcn.caffe.net.network import Layer


@builds(ClusterDetections)
def cluster_detections(layer: Layer[ClusterDetections], *tensors: Any) -> Any:
    """`ClusterDetections`: clusters of boxes as OpenCV's groupRectangles makes them."""
    params = layer.params
    rows, columns = params.grid
    return tuple(
        layers.ClusterDetections(
            grid=params.grid,
            cell=(params.image_size_y // rows, params.image_size_x // columns),
            coverage_threshold=params.gridbox_cvg_threshold,
            group_threshold=params.gridbox_rect_threshold,
            eps=params.gridbox_rect_eps,
            min_height=params.min_height,
            most_boxes=MOST_BOXES,
            name=layer.keras_name,
        )(list(tensors))
    )
