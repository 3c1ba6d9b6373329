"""Where a network leaves a reference whose blobs are all known."""

from __future__ import annotations

import numpy as np

from keras_fcn.inference.one_layer import OneLayer
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.verifying.departure import Departure
from keras_fcn.verifying.report import BlobResult


def departure(small, ours, theirs, *, hidden=(), mean=None, least=1e-5):
    """The first departure; None where there is none."""
    network = small.network
    for name in network.blobs:
        if name in hidden or _near(ours[name], theirs[name], least):
            continue
        makers = [x for x in network.layers if any(top.name == name for top in x.tops)]
        first, *followers = makers
        index = [top.name for top in first.tops].index(name)
        bottoms = [(ours if x.name in hidden else theirs)[x.name] for x in first.bottoms]
        readers = [
            x
            for x in network.layers
            if x not in makers and any(bottom.name == name for bottom in x.bottoms)
        ]
        return Departure(
            BlobResult(name, makers[-1].name, makers[-1].type, ours[name].shape),
            first,
            small.blobs.get(first.name, []),
            bottoms,
            theirs[name],
            ours[name],
            network,
            OneLayer(network),
            known=[x.name not in hidden for x in first.bottoms],
            index=index,
            weights=small.blobs,
            followers=[(x, small.blobs.get(x.name, [])) for x in followers],
            preprocessing=None if mean is None else Preprocessing(mean=mean, channel_order="bgr"),
            recovers=all(
                _near(ours[x.tops[0].name], theirs[x.tops[0].name], least) for x in readers
            ),
        )
    return None


def _near(one, other, least):
    return one.shape == other.shape and np.abs(one - other).max() <= least * np.abs(other).max()
