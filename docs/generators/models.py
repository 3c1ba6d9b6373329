"""A page of the ready-made networks, made from their functions and the registry of weights."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from keras_fcn import models
from keras_fcn.published import published
from keras_fcn.published.entries import PublishedModel, RemoteFile

_INTRODUCTION = """\
# Models

Each is a function that follows `keras.applications`: `weights=` takes a `.caffemodel`, a `.h5`, or
the name of published weights from the tables below, which are fetched, checked and converted once.
The weights belong to their authors, under the licence that stands beside them; where none is known
to be stated, ask them before you distribute anything made from them."""


def page() -> str:
    """Every network with its weights: size, hash, licence, preparation, published figures."""
    lines = _INTRODUCTION.splitlines()
    entries = list(published().values())
    for name in models.__all__:
        function = getattr(models, name)
        summary = (inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " ")
        lines += ["", f"## {name}", "", summary, ""]
        lines += [f"[`keras_fcn.{name}`](keras_fcn.models.md#keras_fcn.models.{name})", ""]
        for entry in entries:
            if entry.constructor == name:
                lines += [*_entry(entry), ""]
    others = [entry for entry in entries if not entry.constructor]
    if others:
        lines += ["", "## Weights without a function", ""]
        lines += ["`keras-fcn identify` and `keras-fcn fetch` know them.", ""]
        for entry in others:
            lines += [*_entry(entry), ""]
    return "\n".join(lines)


def _entry(entry: PublishedModel) -> Iterator[str]:
    yield f"**`{entry.name}`**: {entry.title}"
    yield ""
    yield "| | |"
    yield "| --- | --- |"
    for label, value in _rows(entry):
        yield f"| {label} | {value} |"


def _rows(entry: PublishedModel) -> Iterator[tuple[str, str]]:
    if entry.constructor:
        yield "use", f"`keras_fcn.{entry.constructor}(weights={entry.name!r})`"
    yield "licence", entry.licence or "not known"
    if entry.weights.size:
        yield "size", f"{entry.weights.size / 1e6:,.1f} MB"
    if entry.weights.proof:
        yield "hash", _hash(entry.weights)
    if entry.dataset:
        yield "classes", f"those of {entry.dataset}"
    if entry.input:
        yield "input", "{} x {}".format(*entry.input)
    if entry.mean is not None:
        order = entry.channel_order.upper()
        scale = "" if entry.scale == 1 else f", times {entry.scale:g}"
        yield "preparation", f"{order}, mean {_mean(entry.mean)}{scale}"
    for figure in entry.published:
        yield "published", str(figure)


def _hash(file: RemoteFile) -> str:
    kind = file.proof or ""
    return f"{kind} `{file.hashes[kind]}`"


def _mean(mean: tuple[float, ...] | str) -> str:
    return mean if isinstance(mean, str) else ", ".join(f"{value:g}" for value in mean)
