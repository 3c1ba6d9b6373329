"""Names of classes that nothing tells, of networks that are known by theirs."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from keras_fcn.cards.card import card_of

if TYPE_CHECKING:
    import keras

__all__ = ["assumed_names"]

_COUNT = 1000
_SAID = ("imagenet", "ilsvrc")


def assumed_names(model: keras.Model, count: int | None) -> tuple[str, ...] | None:
    """ImageNet's names for the classes of a network whose card has none.

    Args:
        model: the network.
        count: how many classes it has.

    Returns:
        None where there are not 1000; or where the network is not called as a published one of
        ImageNet is, such as `ResNet-50`, nor says itself that it is ImageNet's.
    """
    card = card_of(model)
    if count != _COUNT or card.classes is not None:
        return None
    name = _plain(card.network or model.name)
    if name not in _published_names() and not any(word in name for word in _SAID):
        return None
    from keras_fcn.preprocessing.data import imagenet_classes

    return imagenet_classes()


@functools.cache
def _published_names() -> frozenset[str]:
    from keras_fcn.published.entries import published

    entries = [entry for entry in published().values() if entry.dataset == "imagenet"]
    return frozenset(
        _plain(name) for x in entries for name in (x.name, x.title, x.constructor) if name
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z\d]", "", name.lower())
