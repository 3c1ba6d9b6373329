"""What a Caffe layer's parameters say, without how they say it."""

from __future__ import annotations

import dataclasses
from functools import singledispatch

from keras_fcn.caffe.layers import (
    LayerParams,
    ctc,
    detectnet,
    eval_detection,
    mobile,
    multibox,
    region_loss,
    reverse,
    ssd,
    volumetric,
    yolo_output,
)
from keras_fcn.caffe.layers.activation import Softmax
from keras_fcn.caffe.layers.base import Filler
from keras_fcn.caffe.layers.base_convolution import BaseConvolution, Windowed
from keras_fcn.caffe.layers.clipped_lstm import StepsAndStreams
from keras_fcn.caffe.layers.concat import Concat
from keras_fcn.caffe.layers.convolution import Convolution
from keras_fcn.caffe.layers.crop import Crop
from keras_fcn.caffe.layers.deconvolution import Deconvolution
from keras_fcn.caffe.layers.dummy_data import DummyData
from keras_fcn.caffe.layers.eltwise import Eltwise
from keras_fcn.caffe.layers.inner_product import InnerProduct
from keras_fcn.caffe.layers.interp import Interp
from keras_fcn.caffe.layers.normalization import ScaledBatchNorm
from keras_fcn.caffe.layers.pooling import Pooling
from keras_fcn.caffe.layers.prior_box import PriorBoxClustered, Priors
from keras_fcn.caffe.layers.proposal import ProposalParams
from keras_fcn.caffe.layers.scale import Bias, Broadcast, Scale
from keras_fcn.caffe.layers.shape import Flatten, Reshape, Split
from keras_fcn.caffe.layers.softmax_loss import SoftmaxWithLoss, SoftmaxWithLossOHEM
from keras_fcn.caffe.layers.spatial_dropout import SpatialDropout
from keras_fcn.caffe.net.network import Layer

_WINDOWS = ("kernel_size", "stride", "pad", "dilation")


def normal_form(params: LayerParams | None, layer: Layer, batch: int | None = None):
    """The same for all parameters that compute the same numbers from a layer's bottoms.

    Fillers do not count: weights are there. Axes are counted from the front, sizes are
    given along each axis, and what forks call differently gets one name.

    Args:
        params: the parameters.
        layer: the layer of the network that they are for.
        batch: images of the network's first input.
    """
    if params is None:
        return None
    made = _form(params, layer)
    if isinstance(made, DummyData):
        return _dummy_data(made, layer, batch)
    fillers = {
        field.name: field.default
        for field in dataclasses.fields(made)
        if isinstance(field.default, Filler)
    }
    return dataclasses.replace(made, **fillers)


def _rank(layer: Layer) -> int:
    return len(layer.bottoms[0].shape)


def _as(kind, params, **changes):
    names = [field.name for field in dataclasses.fields(kind)]
    return kind(
        **{name: getattr(params, name) for name in names if hasattr(params, name)} | changes
    )


@singledispatch
def _form(params, layer):
    return params


@_form.register
def _(params: Windowed, layer):
    if isinstance(params, mobile.DepthwiseConvolution):
        params = params.as_convolution(layer.bottoms[0].shape)
    axis = params.axis % _rank(layer)
    count = _rank(layer) - axis - 1
    if count == 0 and isinstance(params, Convolution) and params.group == 1:
        return InnerProduct(num_output=params.num_output, bias_term=params.bias_term)
    sizes = {name: params.along(name, count) for name in _WINDOWS}
    return dataclasses.replace(params, axis=axis, **sizes)


@_form.register
def _(params: volumetric.Convolution3D, layer):
    kind: type[BaseConvolution] = Convolution
    if isinstance(params, volumetric.Deconvolution3D):
        kind = Deconvolution
    sizes = (params.kernel, params.strides, params.padding, (1, 1, 1))
    windows = dict(zip(_WINDOWS, sizes, strict=True))
    return kind(num_output=params.num_output, bias_term=params.bias_term, **windows)


@_form.register
def _(params: InnerProduct, layer):
    return dataclasses.replace(params, axis=params.axis % _rank(layer), transpose=False)


@_form.register
def _(params: Concat, layer):
    if len(layer.bottoms) == 1:
        return Split()
    return dataclasses.replace(params, axis=params.axis % _rank(layer))


@_form.register
def _(params: Softmax, layer):
    return dataclasses.replace(params, axis=params.axis % _rank(layer))


@_form.register
def _(params: Eltwise, layer):
    if params.operation == "SUM" and layer.tops[0].name == layer.bottoms[0].name:
        # Caffe clears the top first, and so loses the bottom that is in the same place.
        coeff = params.coeff or (1.0,) * len(layer.bottoms)
        params = dataclasses.replace(params, coeff=(0.0, *coeff[1:]))
    return params


@_form.register
def _(params: Flatten, layer):
    return params if params.flattens and _rank(layer) == 2 else params.as_reshape(_rank(layer))


@_form.register
def _(params: Reshape, layer):
    return dataclasses.replace(params, shape=params.sizes(layer.bottoms[0].shape))


@_form.register
def _(params: Broadcast, layer):
    count = 1
    if len(layer.bottoms) == 1:
        count = len(params.operand_shape(tuple(blob.shape for blob in layer.bottoms)))
    kind = type(params) if isinstance(params, Scale) else Bias
    return _as(kind, params, num_axes=count)


@_form.register
def _(params: ScaledBatchNorm, layer):
    return dataclasses.replace(params, nvidia=False)  # by which fields it is asked for


@_form.register
def _(params: Crop, layer):
    return dataclasses.replace(params, offset=params.offsets(_rank(layer)))


@_form.register
def _(params: Pooling, layer):
    same = {"AVE_TF": "AVE_EXC_PAD"}
    return dataclasses.replace(params, pool=same.get(params.pool, params.pool))


@_form.register
def _(params: reverse.Reversing, layer):
    return reverse.Reverse(axis=params.axes(_rank(layer)))


@_form.register
def _(params: reverse.Transpose, layer):
    return ssd.Permute(order=params.axes(_rank(layer)))


@_form.register
def _(params: ssd.Permute, layer):
    return ssd.Permute(order=params.axes(_rank(layer)))


@_form.register
def _(params: SoftmaxWithLossOHEM, layer):
    return params if len(layer.tops) > 1 else _as(SoftmaxWithLoss, params)


@_form.register
def _(params: multibox.MultiBoxLoss, layer):
    nms = params.nms_param
    if nms is not None:  # its eta is not read
        nms = dataclasses.replace(nms, eta=1.0)
    return dataclasses.replace(params, do_neg_mining=None, ignore_label=None, nms_param=nms)


@_form.register
def _(params: Interp, layer):
    size, zoom, shrink = params.rule
    height, width = size or (None, None)
    sizes = {"height": height, "width": width, "zoom_factor": zoom, "shrink_factor": shrink}
    return dataclasses.replace(params, **sizes)


@_form.register
def _(params: Priors, layer):
    boxes = [tuple(float(f"{side:.6g}") for side in box) for box in params.boxes]
    width, height = zip(*boxes, strict=True)
    (image_h, image_w), (step_h, step_w) = (
        params.image or (None, None),
        params.steps or (None, None),
    )
    return PriorBoxClustered(
        clip=params.clip,
        variance=params.variances,
        img_h=image_h,
        img_w=image_w,
        step_h=step_h,
        step_w=step_w,
        offset=params.offset,
        width=width,
        height=height,
    )


@_form.register
def _(params: ProposalParams, layer):
    lists = [name for name in ("ratio", "ratios") if hasattr(params, name)]
    wanted = params.anchors
    changes = {name: tuple(round(ratio, 1) for ratio in getattr(params, name)) for name in lists}
    simple = dataclasses.replace(params, **changes)
    return simple if simple.anchors == wanted else params


@_form.register
def _(params: ctc.CTCDecoder, layer):
    bottoms = tuple(blob.shape for blob in layer.bottoms)
    if len(bottoms) > 1 and params.decode == "BEST_PATH":
        return ctc.CTCGreedyDecoder(blank_index=params.blank_index)
    axes = () if len(bottoms) > 1 else params.axes(bottoms)
    return dataclasses.replace(params, nct_axis=axes)


@_form.register
def _(params: StepsAndStreams, layer):
    return dataclasses.replace(params, batch_size=1)


@_form.register
def _(params: detectnet.ClusterDetections, layer):
    rows, columns = params.grid
    cell = params.image_size_y // rows, params.image_size_x // columns
    size = {"image_size_y": rows * cell[0], "image_size_x": columns * cell[1]}
    return dataclasses.replace(params, stride=min(cell), **size)


@_form.register
def _(params: SpatialDropout, layer):
    return dataclasses.replace(params, phase="TRAIN" if params.phase == "TRAIN" else "TEST")


@_form.register
def _(params: yolo_output.Yolov3DetectionOutput, layer):
    anchors = params.anchors(len(layer.bottoms))
    flat = tuple(size for of_map in anchors for anchor in of_map for size in anchor)
    return dataclasses.replace(
        params,
        biases=flat,
        anchors_scale=(1,) * len(anchors),
        mask=tuple(range(len(flat) // 2)),
    )


@_form.register
def _(params: yolo_output.YoloDetectionOutput, layer):
    return dataclasses.replace(params, biases=params.biases[: 2 * params.num_box])


@_form.register
def _(params: region_loss.RegionLoss, layer):
    flags = {name: int(bool(getattr(params, name))) for name in ("bias_match", "rescore")}
    return dataclasses.replace(params, biases=params.biases[: 2 * params.num], **flags)


@_form.register
def _(params: eval_detection.AnchorEvalDetection, layer):
    return dataclasses.replace(params, biases=params.biases[: 2 * params.num_object])


def _dummy_data(params: DummyData, layer: Layer, batch: int | None) -> DummyData:
    shapes = params.top_shapes((), len(layer.tops))
    return DummyData(
        shape=tuple((1, *shape[1:]) if shape[:1] == (batch,) else shape for shape in shapes),
        data_filler=params.top_fillers(len(layer.tops)),
    )
