"""Layers of forks split into the two layers of BVLC Caffe."""

from __future__ import annotations

from dataclasses import replace

from keras_fcn.caffe.definition import LayerDefinition
from keras_fcn.caffe.layers.normalization import BatchNorm, ScaledBatchNorm
from keras_fcn.caffe.layers.scale import Scale
from keras_fcn.caffe.net import editing
from keras_fcn.caffe.surgery.net import TrainedNet, blobs_of, rebuilt

_STATISTICS = 3


def split_batch_norm(net: TrainedNet) -> TrainedNet:
    """Each BatchNorm with a scale and a bias as a BatchNorm and a Scale, `<name>_scale`.

    NVIDIA's and Intel's Caffe have the two in one layer; BVLC Caffe reads what this gives.
    """
    scaled = {x.name: x.params for x in net.network.layers if isinstance(x.params, ScaledBatchNorm)}
    if not scaled:
        return net
    blobs = blobs_of(net)
    biased = {}
    for name in scaled:
        blobs[name], affine = blobs[name][:_STATISTICS], blobs[name][_STATISTICS:]
        blobs[f"{name}_scale"] = affine
        biased[name] = len(affine) > 1
    layers: list[LayerDefinition] = []
    for layer in net.network.definition.layers:
        if layer.name not in scaled:
            layers.append(layer)
            continue
        layers += _split(layer, scaled[layer.name], biased[layer.name])
    return rebuilt(net, replace(net.network.definition, layers=tuple(layers)), blobs)


def _split(
    layer: LayerDefinition, params: ScaledBatchNorm, bias_term: bool
) -> list[LayerDefinition]:
    plain = BatchNorm(
        use_global_stats=params.use_global_stats,
        moving_average_fraction=params.moving_average_fraction,
        eps=params.eps,
    )
    specs = layer.param_specs
    scale = LayerDefinition(
        f"{layer.name}_scale",
        "Scale",
        layer.tops,
        layer.tops,
        specs[_STATISTICS:],
        include=layer.include,
        exclude=layer.exclude,
        fields=Scale(bias_term=bias_term).write(),
    )
    statistics = editing.changed(layer, params, plain, param_specs=specs[:_STATISTICS])
    return [statistics, scale]
