"""Spatial dropout, which ENet's training nets have as a Python layer."""

from __future__ import annotations

import re
from typing import ClassVar, Self

from keras_fcn.caffe.definition import Fields, LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import param_str
from keras_fcn.caffe.layers.base import LayerParams, caffe_layer
from keras_fcn.caffe.records import dataclass

# 'key': 'value' in the text of a Python dictionary, which is never evaluated.
_ITEM = re.compile(r"""["'](\w{1,20})["']\s{0,9}:\s{0,9}["']?([\w.+-]{1,40})""")


@caffe_layer("SpatialDropoutLayer")
@dataclass(frozen=True, kw_only=True)
class SpatialDropout(LayerParams):
    """Drops whole channels of an image; what stays is divided by 1 - `p`.

    The `param_str` is `{'phase': 'TRAIN', 'p': '0.1'}`. With the phase TEST nothing is
    dropped, and everything is divided by 1 - `p` all the same. Source:
    `python/spatial_dropout.py` of the Caffe of TimoSaemann/ENet.
    """

    python: ClassVar[bool] = True
    elementwise: ClassVar[bool] = True

    p: float
    phase: str

    @classmethod
    def read(cls, layer: LayerDefinition) -> Self:
        text = param_str.of(layer)
        found = dict(_ITEM.findall(text))
        missing = [key for key in ("phase", "p") if key not in found]
        if missing:
            raise NetworkError(f"param_str: {text[:80]!r} does not give {missing[0]!r}")
        try:
            p = float(found["p"])
        except ValueError:
            raise NetworkError(f"param_str: 'p' must be a number, is {found['p']!r}") from None
        return cls(p=p, phase=found["phase"])

    def write(self) -> Fields:
        text = f"{{'phase': {self.phase!r}, 'p': '{self.p}'}}"
        return param_str.fields("spatial_dropout", "SpatialDropoutLayer", text)

    def __post_init__(self) -> None:
        if not 0 < self.p < 1:
            raise NetworkError(f"param_str: 'p' is {self.p}, but must be between 0 and 1")
