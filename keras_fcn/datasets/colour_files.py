"""Files that say which colour of a mask means which class."""

from __future__ import annotations

import re
from pathlib import Path

from keras_fcn.datasets.folders import read_lines
from keras_fcn.datasets.labels import Colour, LabelMap

__all__ = ["read_colours"]

_LINE = re.compile(r"(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\S.*)")
_VOID = "void"


def read_colours(path: str | Path, ignore_index: int = 255) -> LabelMap:
    """Classes and the colours that masks have for them, as CamVid's `label_colors.txt` lists them.

    Args:
        path: a text file of lines `R G B name`. Classes are counted in the order in which their
            names come first; colours of one name are one class, and those of `void` no class.
        ignore_index: the index of pixels of no class.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is none of these, a colour is in two lines, or there are no classes.
    """
    colours: dict[Colour, str] = {}
    for line in read_lines(Path(path)):
        found = _LINE.fullmatch(line)
        values = [int(value) for value in found.groups()[:3]] if found else [256]
        if found is None or max(values) > 255:
            raise ValueError(
                f"{path}: lines are R G B name, such as 128 64 128 road. Received: {line!r}"
            )
        red, green, blue = values
        if (red, green, blue) in colours:
            raise ValueError(f"{path}: a colour means one class. Received: two of {line!r}")
        colours[red, green, blue] = found[4]
    names = [name for name in dict.fromkeys(colours.values()) if name.casefold() != _VOID]
    if not names:
        raise ValueError(f"{path}: no classes")
    palette = {name: colour for colour, name in reversed(colours.items())}
    return LabelMap(
        classes=tuple(names),
        palette=[palette[name] for name in names],
        ignore_index=ignore_index,
        colours={
            colour: ignore_index if name.casefold() == _VOID else names.index(name)
            for colour, name in colours.items()
        },
    )
