"""The card: a model's knowledge of its job."""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from keras_fcn.caffe.net.fields import Positions
from keras_fcn.cards.card_text import card_facts
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.classes import Classes
from keras_fcn.preprocessing.tiles import Tiles
from keras_fcn.text_tables import html_table

__all__ = ["SAVED_MODEL_CARD", "TASKS", "Card", "Source", "card_of", "update_card"]

SAVED_MODEL_CARD = "assets.extra/keras_fcn_card.json"
"""Path of the card in a SavedModel folder; TensorFlow leaves that folder to others."""

TASKS = ("classes", "map", "detections", "boxes", "keypoints", "other")
"""What a network may be for; see `keras_fcn.inference.tasks.Task`."""

Place = tuple[str, int]
"""A Keras layer's name, and the index of one of its outputs or weights."""


@dataclass(frozen=True)
class Source:
    """The Caffe weights that a model was loaded from.

    Attributes:
        file: the file's name, without its folder.
        sha256: of the `.caffemodel`, which a converted file names; `""` where not known.
        published: the published model's name, see `keras_fcn.published`; `""` for
            another file.
    """

    file: str
    sha256: str = ""
    published: str = ""


@dataclass(frozen=True)
class Card:
    """A model's knowledge of its job; saved with it, and empty where nothing is known.

    What is derived from a model gets a card of what still holds: see the methods `for_...`.

    Attributes:
        network: the Caffe network's name.
        preprocessing: how images are prepared.
        classes: what the outputs stand for.
        tiles: how large images are cut up.
        size: (height, width) that the prototxt declares for images, where the model takes
            other sizes too.
        task: what the network is for, one of `TASKS`; `""` where its layers are to tell.
        blobs: Caffe blob name -> (Keras layer name, index of its output).
        inputs: Keras input name -> Caffe blob name.
        contents: Caffe blob name -> like `blobs`, where the blob's last content is that
            of another one in the same memory: its elements, in Caffe's order.
        phase: `"TEST"` or `"TRAIN"`: what the network was loaded for.
        frozen: (Keras layer name, index of its weight) of single frozen weights.
        names: Keras layer name -> Caffe layer name, where Keras refuses the latter.
        source: the weights file.
        positions: where those of the (first) output's map lie on the image, in files of other
            programs, whose layers do not tell; None where they share it evenly.
        definition: what it takes to read the network again; see `keras_fcn.to_caffe`.
    """

    network: str = ""
    blobs: Mapping[str, Place] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    contents: Mapping[str, Place] = field(default_factory=dict)
    phase: str = "TEST"
    frozen: tuple[Place, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    definition: Mapping[str, Any] | None = None
    preprocessing: Preprocessing | None = None
    classes: Classes | None = None
    tiles: Tiles | None = None
    size: tuple[int, int] | None = None
    source: Source | None = None
    task: str = ""
    positions: Positions | None = None

    def __post_init__(self) -> None:
        for name, kind in _KINDS.items():
            value = getattr(self, name)
            if not isinstance(value, kind | None):
                raise TypeError(f"`{name}` must be {kind.__name__} or None. Received: {value!r}")
        for name, (form, read) in _FORMS.items():
            value = getattr(self, name)
            try:
                object.__setattr__(self, name, read(value))
            except (AttributeError, TypeError, ValueError):
                raise TypeError(f"`{name}` must be {form}. Received: {value!r}") from None

    def __repr__(self) -> str:
        return f"<Card {', '.join(f'{name} {text}' for name, text in card_facts(self)) or 'empty'}>"

    def _repr_html_(self) -> str:
        return html_table(card_facts(self))

    def for_cast(self, places: Mapping[str, Any]) -> Card:
        """The card of a classifier's cast to maps of any image.

        Sizes of images hold no more, be they the crop, the declared size or those of tiles, nor
        do the task and the definition. The classes, the phase and the weights' source stay.

        Args:
            places: `blobs`, `contents`, `inputs` and `frozen` in the new model, see
                `keras_fcn.core.blob_names.carried`.
        """
        own = self.preprocessing
        return dataclasses.replace(
            self,
            preprocessing=None if own is None else own.for_any_size(),
            tiles=None,
            size=None,
            task="",
            definition=None,
            **places,
        )

    def for_output_stride(
        self, places: Mapping[str, Any], cells: tuple[int, int] | None = None
    ) -> Card:
        """The card of a model with denser maps of the same images.

        All stays but the definition, and tiles whose maps do not lie side by side any more.

        Args:
            places: as for `for_cast`.
            cells: (rows, columns) of the new map of one tile; None where they are not known.
        """
        fit = None if self.tiles is None or cells is None else self.tiles.with_cells(*cells)
        return dataclasses.replace(self, tiles=fit, definition=None, **places)

    def for_new_head(self, places: Mapping[str, Any], classes: Classes | None = None) -> Card:
        """The card of a model with new scores on the same body.

        Images are prepared, and cut into tiles, as before. The classes are the new ones; the
        source's weights are not those of the head.

        Args:
            places: as for `for_cast`.
            classes: what the new outputs stand for.
        """
        return dataclasses.replace(self, classes=classes, source=None, definition=None, **places)

    def for_export(self) -> Card:
        """The card of the model run without its layers, as from a SavedModel.

        That is how it is used; not what its layers are called.
        """
        return Card(
            network=self.network,
            preprocessing=self.preprocessing,
            classes=self.classes,
            tiles=self.tiles,
            size=self.size,
            source=self.source,
            task=self.task,
            positions=self.positions,
        )

    def to_config(self) -> dict[str, Any]:
        """The fields that are not empty, as values that JSON knows; see `from_config`."""
        filled = {
            x.name: value for x in dataclasses.fields(self) if (value := getattr(self, x.name))
        }
        return {name: _plain(value) for name, value in filled.items()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Card:
        """The card that `to_config` describes; also of files of the first form.

        These had the name of the data set in place of the classes, and lists for mean images.
        """
        names = (x.name for x in dataclasses.fields(cls))
        stored = {name: config[name] for name in names if config.get(name) is not None}
        if config.get("dataset") and "classes" not in stored:
            stored["classes"] = Classes.of(config["dataset"]).to_config()
        return cls(**{name: _READ.get(name, _as_it_is)(value) for name, value in stored.items()})


def card_of(model: Any) -> Card:
    """The card of a model; an empty one for a model of Keras."""
    card = getattr(model, "card", None)
    return card if isinstance(card, Card) else Card()


def update_card(model: Any, **changes: Any) -> None:
    """Let a model know more: its card gets other values for some fields of `Card`."""
    model.card = dataclasses.replace(card_of(model), **changes)


def _plain(value: Any) -> Any:
    if isinstance(value, Preprocessing | Classes):
        return value.to_config()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(part) for name, part in dataclasses.asdict(value).items()}
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def _as_it_is(value: Any) -> Any:
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _phase(value: Any) -> str:
    if value not in ("TEST", "TRAIN"):
        raise ValueError(value)
    return _text(value)


def _task(value: Any) -> str:
    if value not in ("", *TASKS):
        raise ValueError(value)
    return _text(value)


def _place(value: Any) -> Place:
    layer, index = value
    return _text(layer), operator.index(index)


def _places(value: Mapping[str, Any]) -> dict[str, Place]:
    return {_text(name): _place(place) for name, place in value.items()}


def _texts(value: Mapping[str, Any]) -> dict[str, str]:
    return {_text(name): _text(text) for name, text in value.items()}


def _size(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    height, width = map(operator.index, value)
    return height, width


def _positions(value: Any) -> Positions | None:
    if value is None:
        return None
    (top, left), (down, right) = value
    found = Positions((float(top), float(left)), (float(down), float(right)))
    if not all(map(math.isfinite, found.offset + found.stride)) or min(found.stride) <= 0:
        raise ValueError(value)
    return found


_PLACES = ("a mapping of names to (Keras layer name, index)", _places)
_TEXTS = ("a mapping of names to names", _texts)
_FORMS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "network": ("a str", _text),
    "blobs": _PLACES,
    "inputs": _TEXTS,
    "contents": _PLACES,
    "phase": ("'TEST' or 'TRAIN'", _phase),
    "frozen": (
        "pairs (Keras layer name, index of its weight)",
        lambda value: tuple(map(_place, value)),
    ),
    "names": _TEXTS,
    "size": ("(height, width) or None", _size),
    "positions": ("((row, column), (down, across)), pixels, or None", _positions),
    "task": (f"one of {', '.join(map(repr, TASKS))}, or ''", _task),
}
"""Field -> what it must be, and what makes it so of a value of another kind, such as lists."""
_KINDS = {
    "preprocessing": Preprocessing,
    "classes": Classes,
    "tiles": Tiles,
    "source": Source,
    "definition": Mapping,
}
_READ: Mapping[str, Callable[[Any], Any]] = {
    "preprocessing": Preprocessing.from_config,
    "classes": Classes.from_config,
    "tiles": lambda stored: Tiles(**stored),
    "source": lambda stored: Source(**stored),
}
