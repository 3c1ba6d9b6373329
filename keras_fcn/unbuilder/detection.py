"""SSD's layers, DetectNet's and R-CNN's."""

from __future__ import annotations

from typing import Any

from keras_fcn import layers
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import LayerParams, rcnn, ssd
from keras_fcn.caffe.layers.detectnet import MOST_BOXES, ClusterDetections
from keras_fcn.caffe.layers.multibox import DetectionEvaluate, MultiBoxLoss
from keras_fcn.unbuilder.inputs import input_shapes
from keras_fcn.unbuilder.registry import alike, unbuilds, unbuilds_alike

unbuilds_alike({layers.PSROIPooling: rcnn.PSROIPooling})

_REGIONS: dict[type, type[rcnn.ROIAlign | rcnn.ROIAlignGrid | rcnn.ROIPooling]] = {
    layers.ROIAlign: rcnn.ROIAlign,
    layers.ROIAlignGrid: rcnn.ROIAlignGrid,
    layers.ROIPooling: rcnn.ROIPooling,
}


@unbuilds(*_REGIONS)
def region_pooling(layer: Any) -> LayerParams:
    """A grid over each region."""
    kind = next(_REGIONS[cls] for cls in type(layer).__mro__ if cls in _REGIONS)
    config = layer.get_config()
    others = {name: config[name] for name in ("pad_ratio", "sampling_ratio") if name in config}
    height, width = layer.pool_size
    return kind(pooled_h=height, pooled_w=width, spatial_scale=layer.spatial_scale, **others)


@unbuilds(layers.DetectionOutput)
def detection_output(layer: Any) -> LayerParams:
    """With the positions it is OpenVINO's."""
    kind = ssd.DetectionOutputExtended if layer.cells else ssd.DetectionOutput
    config = layer.get_config()
    fields = {name: config[name] for name in kind.__dataclass_fields__ if name in config}
    names = ssd.NonMaximumSuppression.__dataclass_fields__
    nms = ssd.NonMaximumSuppression(**{name: config[name] for name in names})
    return kind(**fields, nms_param=nms)


@unbuilds(layers.MultiBoxLoss)
def multibox_loss(layer: Any) -> LayerParams:
    """Which bottoms get gradients is told by the layer, not by its parameters."""
    nms = None
    if layer.nms_threshold > 0:
        nms = ssd.NonMaximumSuppression(nms_threshold=layer.nms_threshold, top_k=layer.top_k)
    config = layer.get_config()
    fields = {name: config[name] for name in MultiBoxLoss.__dataclass_fields__ if name in config}
    fields["normalization"] = fields["normalization"].upper()
    return MultiBoxLoss(**fields, nms_param=nms)


@unbuilds(layers.DetectionEvaluate)
def detection_evaluate(layer: Any) -> LayerParams:
    """Sizes of images are in a file that the layer does not know."""
    if layer.sizes:
        raise UnsupportedLayerError(
            f"sizes: {len(layer.sizes)} sizes of images: Caffe reads them from a file, "
            "name_size_file"
        )
    return alike(layer, DetectionEvaluate, resize_param="resize")


@unbuilds(layers.ClusterDetections)
def cluster_detections(layer: Any) -> LayerParams:
    """Grid and positions are told by the image's size and a stride, the classes by the bottom."""
    (rows, columns), (high, wide) = layer.grid, layer.cell
    stride = min(high, wide)
    height, width = rows * high, columns * wide
    if (height // stride, width // stride) != (rows, columns):
        raise UnsupportedLayerError(
            f"cell: {layer.cell}: Caffe's are squares, up to what the grid leaves over"
        )
    if layer.most_boxes != MOST_BOXES:
        raise UnsupportedLayerError(f"most_boxes: {layer.most_boxes} is {MOST_BOXES} in Caffe")
    return ClusterDetections(
        image_size_x=width,
        image_size_y=height,
        stride=stride,
        gridbox_cvg_threshold=layer.coverage_threshold,
        gridbox_rect_threshold=layer.group_threshold,
        gridbox_rect_eps=layer.eps,
        min_height=layer.min_height,
        num_classes=input_shapes(layer)[0][1] or 1,
    )
