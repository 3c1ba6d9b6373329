"""Parameters that several layers share by the names in their `param` specs.

As in Caffe the first layer that names a parameter owns it, and its memory is the only
one. Source: `Net::AppendParam` and `Net::ShareWeights` of BVLC Caffe 1.0.
"""

from __future__ import annotations

from keras_fcn.caffe.net.network import Network

Place = tuple[str, int]
"""Layer name, and which of its parameter blobs."""


def shared_places(network: Network) -> dict[Place, Place]:
    """The place of each named parameter, owners included -> the place of its owner."""
    owners: dict[str, Place] = {}
    return {
        (layer.name, index): owners.setdefault(spec.name, (layer.name, index))
        for layer in network.sharers
        for index, spec in enumerate(layer.param_specs)
        if spec.name
    }
