"""What only forks have in one layer as the two layers of BVLC Caffe."""

from __future__ import annotations

from typing import Any

from keras_fcn.caffe.layers.normalization import ScaledBatchNorm
from keras_fcn.caffe.surgery.net import TrainedNet, blobs_of, copied, rebuilt

_STATISTICS = 3
_KEPT = ("use_global_stats", "moving_average_fraction", "eps")


def split_batch_norm(net: TrainedNet) -> TrainedNet:
    """Each BatchNorm with a scale and a bias as a BatchNorm and a Scale, ``<name>_scale``.

    NVIDIA's and Intel's Caffe have the two in one layer; BVLC Caffe reads what this gives.
    """
    scaled = {x.name: x for x in net.network.layers if isinstance(x.params, ScaledBatchNorm)}
    if not scaled:
        return net
    message, blobs = copied(net.network.message), blobs_of(net)
    entries: list[Any] = []
    for entry in message.layer:
        entries.append(entry)
        if entry.name not in scaled:
            continue
        params = scaled[entry.name].params
        affine = blobs[entry.name][_STATISTICS:]
        blobs[entry.name] = blobs[entry.name][:_STATISTICS]
        entry.ClearField("batch_norm_param")
        for field in _KEPT:
            if getattr(params, field) is not None:
                setattr(entry.batch_norm_param, field, getattr(params, field))
        scale = type(entry)(name=f"{entry.name}_scale", type="Scale")
        scale.bottom.extend(entry.top)
        scale.top.extend(entry.top)
        scale.include.extend(entry.include)
        scale.exclude.extend(entry.exclude)
        scale.scale_param.bias_term = len(affine) > 1
        scale.param.extend(entry.param[_STATISTICS:])
        del entry.param[_STATISTICS:]
        blobs[scale.name] = affine
        entries.append(scale)
    copies = [copied(entry) for entry in entries]
    del message.layer[:]
    message.layer.extend(copies)
    return rebuilt(net, message, blobs)
