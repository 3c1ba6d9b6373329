"""The table of layer types in the README, made from the registries.

`python -m keras_fcn.supported README.md` writes it between its two markers.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from keras_fcn.builder import BUILDERS
from keras_fcn.caffe.io.files import atomic_write
from keras_fcn.caffe.layers import DIALECTS, LAYER_TYPES, LayerParams
from keras_fcn.caffe.layers.data import DataLayer, Input

_ROLE = re.compile(r":\w+:`([^`]*)`")
BEGIN, END = "<!-- layers: begin -->", "<!-- layers: end -->"


def layer_table() -> str:
    """A Markdown table: Caffe type, and how it is built in Keras."""
    rows = ["| Caffe type | in Keras |", "| --- | --- |"]
    types = list(LAYER_TYPES.items())
    for name, known in DIALECTS.items():
        types += [(f"{name} ({dialect})", params) for dialect, params in known.items()]
    for name, params in sorted(types, key=lambda item: item[0].lower()):
        rows.append(f"| {name} | {how_built(params)} |")
    return "\n".join(rows)


def how_built(params: type[LayerParams]) -> str:
    """What a type becomes in Keras, as the function that builds it says in its first line."""
    if params is Input:
        return "an input"
    if issubclass(params, DataLayer):
        return "an input; its parameters can be read"
    build = BUILDERS.get(params)
    if build is None:
        return "not built yet; can be read"
    text = (build.__doc__ or "").strip().splitlines()[0].rstrip(".")
    return _ROLE.sub(r"`\1`", text)


def updated(readme: str) -> str:
    """A README's text with the table between its markers.

    Raises:
        ValueError: a marker is missing.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the text needs the markers {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{layer_table()}\n{END}{after}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    text = updated(path.read_text(encoding="utf-8"))
    with atomic_write(path) as file:
        file.write(text.encode("utf-8"))
