"""Warning about a net that BVLC Caffe cannot run."""

from __future__ import annotations

import warnings

from keras_fcn.caffe.errors import CaffeWarning
from keras_fcn.caffe.layers.origins import origin
from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.words import either


def fork_types(network: Network) -> dict[str, tuple[str, ...]]:
    """Fork -> the types of its layers, which BVLC Caffe 1.0 lacks."""
    found: dict[str, dict[str, None]] = {}
    for layer in network.layers:
        place = origin(layer.params)
        if place is not None:
            found.setdefault(place, {})[layer.type] = None
    return {place: tuple(types) for place, types in found.items()}


def tell_of_forks(network: Network) -> None:
    """Warn of the types, or settings of types, that BVLC Caffe 1.0 lacks, and say who has them."""
    types = [f"{', '.join(names)} ({place})" for place, names in fork_types(network).items()]
    if types:
        dialect = network.dialect
        asked = either(f"dialect={dialect!r}", f"--dialect {dialect}") if dialect else ""
        named = f"; read it with {asked}" if asked else ""
        warnings.warn(
            f"{network.path}: BVLC Caffe 1.0 lacks layers that it has become: "
            f"{'; '.join(types)}{named}",
            CaffeWarning,
            stacklevel=6,
        )
