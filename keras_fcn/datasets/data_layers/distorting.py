"""SSD's `distort_param`: brightness, contrast, saturation and hue, each by chance.

Source: `ApplyDistort` in `src/caffe/util/im_transforms.cpp` of weiliu89/caffe, branch ssd.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from keras_fcn.caffe.definition import Fields
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.preprocessing.opencv_colors import bgr_of, hsv_of, scaled

__all__ = ["distorted", "require_distortion"]

_FACTORS = ("contrast", "saturation")
_DELTAS = ("brightness", "hue")
_ORDERS = (  # each half of the time
    ("brightness", "contrast", "saturation", "hue"),
    ("brightness", "saturation", "hue", "contrast"),
)
_UNCHANGED = 1e-3  # a contrast that is closer to 1 changes nothing


def require_distortion(fields: Mapping[str, float], place: str) -> None:
    """Refuse a `distort_param` whose ranges are none.

    Raises:
        CaffeError: a range begins above its end, or below 0.
    """
    for name in _FACTORS:
        low, high = (fields.get(f"{name}_{end}", 0.0) for end in ("lower", "upper"))
        if not 0 <= low <= high < np.inf:
            raise CaffeError(
                f"{place}: distort_param: {name} from {low:g} to {high:g} is no range from 0 on"
            )
    for name in _DELTAS:
        delta = fields.get(f"{name}_delta", 0.0)
        if not 0 <= delta < np.inf:
            raise CaffeError(
                f"{place}: distort_param: {name}_delta must be 0 or more. Received: {delta:g}"
            )


def distorted(image: np.ndarray, fields: Fields, random: np.random.Generator) -> np.ndarray:
    """Change the colors of an image.

    Args:
        image: uint8, `(H, W, 3)`, blue first.
        fields: a `distort_param`.
        random: numbers for its choices.
    """
    for name in _ORDERS[int(random.integers(2))]:
        if random.uniform() >= fields.get(f"{name}_prob", 0.0):
            continue
        if name in _DELTAS:
            most = fields.get(f"{name}_delta", 0.0)
            image = _changed(name, image, random.uniform(-most, most))
        else:
            ends = (fields.get(f"{name}_{end}", 0.0) for end in ("lower", "upper"))
            image = _changed(name, image, random.uniform(*ends))
    if random.uniform() < fields.get("random_order_prob", 0.0):
        image = image[..., random.permutation(3)]
    return image


def _changed(name: str, image: np.ndarray, by: float) -> np.ndarray:
    match name:
        case "brightness":
            return scaled(image, added=by)
        case "contrast":
            return image if abs(by - 1) <= _UNCHANGED else scaled(image, by)
    channels = hsv_of(image)
    if name == "saturation":
        channels[..., 1] = scaled(channels[..., 1], by)
    else:
        channels[..., 0] = scaled(channels[..., 0], added=by)
    return bgr_of(channels)
