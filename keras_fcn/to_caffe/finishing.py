"""Last steps once all layers of a net are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import keras

from keras_fcn.core.card import Card, card_of
from keras_fcn.to_caffe.draft import Blob, Draft


def name_outputs(
    draft: Draft, inputs: Sequence[str], ends: list[str], names: Sequence[str]
) -> None:
    """Name the outputs as Keras does; nobody may read them, and nothing else be left over.

    Args:
        draft: the net.
        inputs: names of the inputs.
        ends: the blobs that are the outputs.
        names: what these are to be called.
    """
    read = Counter(name for entry in draft.layers for name in entry.bottoms)
    read.update(ends)
    read.update(inputs)
    made = [top for entry in draft.layers for top in entry.tops if top in ends]
    ordered = made == ends  # else the tops of a layer of several cannot be moved
    ends = [
        draft.one("Power", f"{name}_output", Blob(old, ())).name
        if read[old] > 1 or (not ordered and len(draft.maker(old).tops) > 1)
        else old
        for old, name in zip(ends, names, strict=True)
    ]
    for index, name in enumerate(names):
        changes = draft.name_top(ends[index], name)
        ends = [changes.get(end, end) for end in ends]
    draft.move_last(ends)
    consumed = {name for entry in draft.layers for name in entry.bottoms}
    tops = [name for entry in draft.layers for name in entry.tops]
    left = [name for name in tops if name not in consumed | set(ends)]
    if left:
        draft.append("Silence", f"{draft.name}_silence", left, 0, {})


def freeze_weights(draft: Draft, model: keras.Model) -> None:
    """Single weights that were frozen in the Caffe network that the model came from."""
    for name, index in card_of(model).frozen:
        if index < len(draft.blobs.get(name, ())):
            draft.freeze(name, index)


def name_as_in_caffe(draft: Draft, card: Card) -> None:
    """Give layers the names that they had in Caffe, where Keras had to change these."""
    draft.rename({**card.names, **card.inputs})
