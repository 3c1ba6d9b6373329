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
def roi_pooling(layer: Layer[rcnn.ROIPooling], *tensors: Any) -> Any:
    """`ROIPooling`: maxima over whole cells."""
    params = layer.params
    return layers.ROIPooling(pad_ratio=params.pad_ratio, **_grid(layer))(list(tensors))


@builds(rcnn.PSROIPooling)
def psroi_pooling(layer: Layer[rcnn.PSROIPooling], *tensors: Any) -> Any:
    """`PSROIPooling`: means over whole cells, each from channels of its own."""
    params = layer.params
    return layers.PSROIPooling(
        params.output_dim, params.group_size, params.spatial_scale, name=layer.keras_name
    )(list(tensors))


@builds(rcnn.ROIAlign)
def roi_align(layer: Layer[rcnn.ROIAlign], *tensors: Any) -> Any:
    """`ROIAlign`: means of bilinear samples."""
    params = layer.params
    return layers.ROIAlign(sampling_ratio=params.sampling_ratio, **_grid(layer))(list(tensors))


@builds(rcnn.ROIAlignGrid)
def roi_align_grid(layer: Layer[rcnn.ROIAlignGrid], *tensors: Any) -> Any:
    """`ROIAlignGrid`: bilinear samples at the corners of cells."""
    params = layer.params
    return layers.ROIAlignGrid(pad_ratio=params.pad_ratio, **_grid(layer))(list(tensors))


@builds(caffe_proposal.Proposal, caffe_proposal.ProposalLayer)
def proposal(layer: Layer[caffe_proposal.Proposal], *tensors: Any) -> Any:
    """`Proposal`: the best boxes, as many as the data give."""
    params = layer.params
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
def text_proposal(layer: Layer[TextProposalLayer], *tensors: Any) -> Any:
    """`TextProposal`: all boxes of text and their scores."""
    params = layer.params
    made = layers.TextProposal(params.anchors, params.feat_stride, name=layer.keras_name)
    return tuple(made(list(tensors)))


def _grid(
    layer: Layer[rcnn.ROIPooling | rcnn.ROIAlign | rcnn.ROIAlignGrid],
) -> dict[str, Any]:
    params = layer.params
    return {
        "pool_size": (params.pooled_h, params.pooled_w),
        "spatial_scale": params.spatial_scale,
        "name": layer.keras_name,
    }
