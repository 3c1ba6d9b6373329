"""Agreement of a network and its data on the classes of whole images."""

from __future__ import annotations

from typing import TypeVar

import keras

from keras_fcn.caffe.words import either
from keras_fcn.core.card import card_of
from keras_fcn.datasets import ClassificationDataset, LabelledImages
from keras_fcn.preprocessing.labels import numbered_classes
from keras_fcn.training.networks import scores

__all__ = ["in_classes_of", "of_same_classes"]

_Data = TypeVar("_Data", bound=LabelledImages)


def of_same_classes(train: _Data, val: _Data) -> tuple[_Data, _Data]:
    """Data to train and to validate on, with the same classes.

    Whole images of `val` may lack some classes of `train`. Where neither has names, the higher
    label of both tells how many classes there are.

    Raises:
        ValueError: they have others.
    """
    if train.of_pixels != val.of_pixels:
        raise ValueError(
            "train and val must both have masks, or both one label an image. Received: "
            f"{train!r} and {val!r}"
        )
    if not (isinstance(train, ClassificationDataset) and isinstance(val, ClassificationDataset)):
        if train.classes != val.classes or train.ignore_index != val.ignore_index:
            raise ValueError(
                "train and val must have the same classes and ignore index. Received: "
                f"{train.classes}, {train.ignore_index} and {val.classes}, {val.ignore_index}"
            )
        return train, val
    if train.told == val.told == "labels" and len(val.classes) > len(train.classes):
        return train.with_classes(val.classes, told="labels"), val
    return train, val.with_classes(train.classes, told=train.told)


def in_classes_of(model: keras.Model, data: _Data, *, may_differ: bool = False) -> _Data:
    """Data with the classes of a network, found by their names where both have names.

    Args:
        model: the network.
        data: what it is compared with or trained on; masks stay as they are.
        may_differ: whether classes that are named, or counted, may be others than the network's.

    Raises:
        ValueError: the classes are not the network's; or a label is beyond its outputs.
    """
    if not isinstance(data, ClassificationDataset):
        return data
    own, count = card_of(model).classes, scores(model, of_pixels=False).classes
    if own is not None and len(own) == count:
        known = own.names
    elif data.told == "names" and len(data.classes) == count:
        return data
    else:
        known = numbered_classes(count)
    if data.told == "labels" and len(data.classes) > count:
        raise ValueError(
            f"{data.name} has labels up to {len(data.classes) - 1}, and the network scores "
            f"{count} classes; a new head for more is made where they are named, or their number "
            f"is said: {either('`classes` of the data', '--labels or --classes')}. "
            f"Received: {model.name!r}"
        )
    same = {
        "names": set(data.classes) == set(known),
        "count": len(data.classes) == count,
        "labels": True,
    }
    if may_differ and not same[data.told]:
        return data
    return data.with_classes(known)
