"""Faster R-CNN and R-FCN: pooling over regions, and their proposals."""

from __future__ import annotations

from typing import Any

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.layers import proposal as caffe_proposal
from keras_fcn.caffe.layers import rcnn
from keras_fcn.caffe.layers.text_proposal import TextProposalLayer
from keras_fcn.caffe.net.network import Layer


@builds(rcnn.ROIPooling)
def roi_pooling(layer: Layer, *tensors: Any) -> Any:
    """`ROIPooling`: maxima over whole cells."""
    params: rcnn.ROIPooling = layer.params  # type: ignore[assignment]
    return layers.ROIPooling(pad_ratio=params.pad_ratio, **_grid(layer))(list(tensors))


@builds(rcnn.PSROIPooling)
def psroi_pooling(layer: Layer, *tensors: Any) -> Any:
    """`PSROIPooling`: means over whole cells, each from channels of its own."""
    params: rcnn.PSROIPooling = layer.params  # type: ignore[assignment]
    return layers.PSROIPooling(
        params.output_dim, params.group_size, params.spatial_scale, name=layer.keras_name
    )(list(tensors))


@builds(rcnn.ROIAlign)
def roi_align(layer: Layer, *tensors: Any) -> Any:
    """`ROIAlign`: means of bilinear samples."""
    params: rcnn.ROIAlign = layer.params  # type: ignore[assignment]
    return layers.ROIAlign(sampling_ratio=params.sampling_ratio, **_grid(layer))(list(tensors))


@builds(rcnn.ROIAlignGrid)
def roi_align_grid(layer: Layer, *tensors: Any) -> Any:
    """`ROIAlignGrid`: bilinear samples at the corners of cells."""
    params: rcnn.ROIAlignGrid = layer.params  # type: ignore[assignment]
    return layers.ROIAlignGrid(pad_ratio=params.pad_ratio, **_grid(layer))(list(tensors))


@builds(caffe_proposal.Proposal, caffe_proposal.ProposalLayer)
def proposal(layer: Layer, *tensors: Any) -> Any:
    """`Proposal`: the best boxes, as many as the data give."""
    params: caffe_proposal.Proposal = layer.params  # type: ignore[assignment]
    made = layers.Proposal(
        params.anchors,
        feat_stride=params.feat_stride,
        pre_nms_topn=params.pre_nms_topn,
        post_nms_topn=params.post_nms_topn,
        nms_thresh=params.nms_thresh,
        min_size=params.min_size,
        drop_small=params.drop_small,
        score_axes=params.score_axes,
        name=layer.keras_name,
    )(list(tensors))
    return tuple(made[: len(layer.tops)])


@builds(TextProposalLayer)
def text_proposal(layer: Layer, *tensors: Any) -> Any:
    """`TextProposal`: all boxes of text and their scores."""
    params: TextProposalLayer = layer.params  # type: ignore[assignment]
    made = layers.TextProposal(params.anchors, params.feat_stride, name=layer.keras_name)
    return tuple(made(list(tensors)))


def _grid(layer: Layer) -> dict[str, Any]:
    params: rcnn.ROIPooling = layer.params  # type: ignore[assignment]
    return {
        "pool_size": (params.pooled_h, params.pooled_w),
        "spatial_scale": params.spatial_scale,
        "name": layer.keras_name,
    }
