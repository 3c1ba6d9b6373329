"""Class names and colours: read, looked up."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import ImageColor

from keras_fcn.caffe.text.label_map import is_label_map, label_map_names
from keras_fcn.preprocessing.data_sets import data_set, data_sets

Option = Callable[[str], str]

_WORDNET_ID = re.compile(r"n\d{8}\s+")


def read_labels(path: str) -> tuple[str, ...]:
    """Class names of a file, or of a data set in `keras_fcn.preprocessing.data_sets`.

    A file has a class name on each line; a WordNet id before it, as in Caffe's synset_words.txt,
    is dropped. Or it is SSD's label map, see `keras_fcn.caffe.text.label_map`.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not text, or holds no names.
        PrototxtError: it is a label map with a mistake.
    """
    if not Path(path).exists() and path in data_sets():
        return tuple(data_set(path).classes)
    try:
        text = Path(path).read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"labels are lines of UTF-8 text. Received: {path}: {error}") from error
    if is_label_map(text):
        return label_map_names(text, path)
    lines = text.splitlines()
    names = tuple(_WORDNET_ID.sub("", line.strip(), count=1) for line in lines if line.strip())
    if not names:
        raise ValueError(f"labels are one class name a line. Received: {path}, which is empty")
    return names


def told_names(
    names: Sequence[str] | str | os.PathLike[str] | None,
) -> Sequence[str] | None:
    """Names that are given as they are, or where `read_labels` finds them."""
    return read_labels(os.fspath(names)) if isinstance(names, str | os.PathLike) else names


def read_palette(source: str) -> np.ndarray:
    """Colours of classes, uint8 RGB (classes, 3).

    Args:
        source: a file of one colour a line, three numbers as `128,64,128` or a colour as
            `#804080`; or the name of a data set in `keras_fcn.preprocessing.data_sets`.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not text, or a line is no colour; or the data set has no colours.
    """
    if not Path(source).exists() and source in data_sets():
        palette = data_set(source).palette
        if palette is None:
            raise ValueError(f"this data set has no colours. Received: {source}")
        return palette
    try:
        lines = Path(source).read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"a palette is lines of text. Received: {source}: {error}") from error
    colours = [
        _colour(line.strip(), f"{source}:{number}") for number, line in enumerate(lines, 1) if line
    ]
    if not colours:
        raise ValueError(f"a palette is one colour a line. Received: {source}, which is empty")
    return np.array(colours, np.uint8)


def _colour(text: str, place: str) -> tuple[int, ...]:
    numbers = text.replace(",", " ").split()
    if len(numbers) == 3 and all(x.isdecimal() and int(x) <= 255 for x in numbers):
        return tuple(map(int, numbers))
    try:
        return ImageColor.getrgb(text)[:3]
    except ValueError:
        raise ValueError(
            f"{place}: a colour is three numbers 0..255, such as 128,64,128, or #804080. "
            f"Received: {text!r}"
        ) from None


def class_names(
    labels: Sequence[str] | None, classes: int, *, option: Option = str
) -> tuple[str, ...]:
    """A name for each class: the labels, else numbers.

    Raises:
        ValueError: another number of labels than classes.
    """
    if labels is not None:
        if len(labels) != classes:
            raise ValueError(
                f"{option('labels')} must name each of the network's {classes} classes. "
                f"Received: {len(labels)} names"
            )
        return tuple(labels)
    return numbered_classes(classes)


def numbered_classes(count: int) -> tuple[str, ...]:
    """Names of classes that have none: `class 0`, `class 1` and so on."""
    return tuple(f"class {index}" for index in range(count))


def find_class(wanted: str, names: Sequence[str], *, option: Option = str) -> int:
    """The index of a class given by index, by its whole name or by one of its synonyms.

    Raises:
        ValueError: there is no such class, or more than one.
    """
    if wanted.isdecimal() and wanted not in names:
        if int(wanted) < len(names):
            return int(wanted)
        raise ValueError(f"{option('class')} must be below {len(names)}. Received: {wanted}")
    key = wanted.casefold()
    found = [
        index
        for index, name in enumerate(names)
        if key in (name.casefold(), *(part.strip() for part in name.casefold().split(",")))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"{option('class')}: give one of the indices {found}. Received: {wanted}")
    near = [name for name in names if key in name.casefold()][:5]
    hint = f"such as {'; '.join(near)}" if near else f"see {option('labels')}"
    raise ValueError(
        f"{option('class')} must be an index or the name of a class, {hint}. Received: {wanted}"
    )
