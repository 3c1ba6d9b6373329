"""What a network's data layers do to images, as the preprocessing of its model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_fcn.caffe.layers.data import DataLayer, ImageSegData
from keras_fcn.caffe.net.network import Layer, Network
from keras_fcn.preprocessing import Preprocessing

__all__ = ["told_preprocessing"]

# Others feed values as they are, or have transforms of their own.
_KINDS = (DataLayer, ImageSegData)


def told_preprocessing(network: Network) -> Preprocessing | None:
    """The preprocessing that `transform_param` of a data layer tells.

    Images are BGR 0..255 there, less the mean, times the scale. Sizes are the network's, but for
    those that `ImageData` brings images to.

    Source: Caffe's `data_transformer.cpp`, `image_data_layer.cpp`.

    Returns:
        None where nothing is told: neither a mean nor a scale, a mean in a file, which is not
        read, or of other channels; or several layers that differ.
    """
    images = {blob for blob in network.inputs if len(blob.shape or ()) == 4}
    made = [x for x in network.layers if x.tops and x.tops[0] in images]
    told = [found for layer in made if (found := _told_by(layer)) is not None]
    same = all(one == told[0] for one in told)
    return told[0] if told and same else None


def _told_by(layer: Layer) -> Preprocessing | None:
    params = layer.params
    if not isinstance(params, DataLayer) or type(params) not in _KINDS:
        return None
    transform = params.fields.get("transform_param", {})
    scale, means = transform.get("scale"), tuple(transform.get("mean_value", ()))
    channels = (layer.tops[0].shape or (None, None))[1]
    if channels is None or "mean_file" in transform or (scale is None and not means):
        return None
    if scale == 0 or len(means) not in (0, 1, channels):  # Caffe refuses the latter with the data
        return None
    sizes: dict[str, Any] = _sizes(params.fields, transform)
    return Preprocessing(
        channels=channels,
        mean=_mean(means),
        input_scale=1.0 if scale is None else scale,
        **sizes,
    )


def _mean(means: tuple[float, ...]) -> Any:
    if not means:
        return None
    return means[0] if len(means) == 1 else means


def _sizes(fields: Mapping[str, Any], transform: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    own = fields.get("image_data_param", {})
    size = own.get("new_height") or 0, own.get("new_width") or 0
    side = transform.get("crop_size") or 0
    if 0 in size:
        return {}
    return {"size": size, **({"crop": (side, side)} if side else {})}
