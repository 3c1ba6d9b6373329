"""Blobs one at a time are those of a whole pass."""

from __future__ import annotations

import numpy as np

from keras_fcn.verifying.passes import Blobs
from tests.keras_fcn.verifying.nets import BLOBS


def test_every_blob(net):
    blobs = Blobs(net.model)
    names = ("data", *BLOBS)
    assert set(blobs.names) == set(names)
    found = dict(blobs.one_pass({"data": net.data}, names))
    assert list(found) == list(names)
    for name, array in found.items():
        assert array.shape == net.blobs[name].shape
        np.testing.assert_allclose(array, net.blobs[name], rtol=1e-5, atol=1e-5)


def test_of_others(net):
    """A layer reads what it is given, not what the model would make."""
    blobs = Blobs(net.model)
    known = frozenset({"data", *BLOBS})
    assert set(blobs.sources("sum", known)) == {"up", "norm/1"}
    assert set(blobs.sources("sum", known - {"up"})) == {"pool1", "mask", "norm/1"}
    assert set(blobs.sources("prob", frozenset({"data"}))) == {"data"}
    assert blobs.sources("data", known) == ()
    doubled = blobs.of("sum", {"up": net.blobs["up"] * 2, "norm/1": net.blobs["norm/1"]})
    np.testing.assert_allclose(doubled, net.blobs["up"] * 2 + net.blobs["norm/1"], rtol=1e-6)
    alone = blobs.of("conv1", {"data": net.data * 2, "conv1": net.blobs["conv1"]})
    assert np.abs(alone - net.blobs["conv1"]).max() > 1
