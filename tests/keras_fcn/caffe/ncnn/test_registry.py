"""Every type that is built is written for ncnn, or refused with a reason."""

from __future__ import annotations

from keras_fcn.builder import BUILDERS
from keras_fcn.caffe.layers import custom
from keras_fcn.caffe.ncnn import REFUSED, WRITERS


def test_every_type_is_known():
    registered = (custom.CustomLayer, custom.CustomSource)
    own = {kind for kind in BUILDERS if not issubclass(kind, registered)}
    assert own == WRITERS.keys() | REFUSED.keys()
    assert not WRITERS.keys() & REFUSED.keys()
    assert all(REFUSED.values())
