"""A page of the layer types, made from the registries and the tests' nets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from generators.evidence import Evidence, evidence
from keras_fcn import layers as keras_layers
from keras_fcn.caffe.layers import DIALECTS, LAYER_TYPES, LayerParams
from keras_fcn.caffe.layers.data import DataLayer, Input
from keras_fcn.caffe.layers.origins import NOT_BUILT, ORIGINS
from keras_fcn.caffe.ncnn.registry import REFUSED as NOT_NCNN
from keras_fcn.caffe.onnx.registry import REFUSED as NOT_ONNX
from keras_fcn.caffe.proto import forks
from keras_fcn.datasets.data_layers.source import SOURCES
from keras_fcn.exporting.litert_kinds import REFUSED as NOT_LITERT
from keras_fcn.exporting.litert_kinds import WITH_TENSORFLOW
from keras_fcn.supported import how_built

_CODE = re.compile(r"`(\w+)`")
_KERAS = "https://www.tensorflow.org/api_docs/python/tf/keras/layers/"
_INTRODUCTION = """\
The types of Caffe's layers that `from_caffe` builds. What is not among them is
[further down](#types-that-are-not-built), or takes a function of yours, see
[`register`](keras_fcn.md#keras_fcn.register). What a layer reads are its bottoms, what it gives its
tops.

- **From**: BVLC Caffe 1.0, or the fork of it that defines the type. A name with a fork in brackets
  is a type that forks define differently; mostly a layer's fields and blobs tell which it is, else
  `dialect=` chooses.
- **Checked against**: `Caffe` is what that program, BVLC's or the fork's, computed for so many
  nets: every blob, or a training. `its source` is the published definition, written out again in
  NumPy.
- **Gradient**: whether a bottom or a weight gets one, the same as Caffe's.
- **Any H x W**: whether a network with the layer takes images of any size; `in some nets`: its
  fields, or what it reads, decide. An inner product is cast for that, see
  [Net surgery](../guides/surgery.md).
- **Exports**: all are SavedModel, ONNX, ncnn, LiteRT and back to Caffe. Flex is the part of LiteRT
  that has TensorFlow's operators."""
_COLUMNS = (
    *("Caffe type", "From", "In Keras", "Gradient", "Checked against", "Any H x W", "Exports"),
    "Restrictions",
)
_ANY_SIZE = {
    frozenset({True}): "yes",
    frozenset({False}): "no",
    frozenset({True, False}): "in some nets",
    frozenset(): "",
}
_NOT_BUILT = """\
## Types that are not built

A file with such a layer is read, inspected and edited all the same. To build the network, do what
the last column says; [`register`](keras_fcn.md#keras_fcn.register) takes any type."""
_FIELDS = """\
## Fields of forks that are not built

Forks add fields to the types above. Those that change no number are passed over with a note, and
most others are read. A file that sets one of these to another value is refused:"""


def page() -> str:
    """Each type with its origin, its form in Keras, what proves it, and where it can go."""
    found = evidence()
    lines = ["---", "hide: [toc]", "---", "", "# Layers", "", *_INTRODUCTION.splitlines(), ""]
    lines += [
        '<div class="layers" markdown>',
        "",
        *_table(_COLUMNS, _rows(found)),
        "",
        "</div>",
        "",
    ]
    known = (
        (f"`{name}`", each.origin, each.meaning, each.advice) for name, each in NOT_BUILT.items()
    )
    lines += [*_NOT_BUILT.splitlines(), ""]
    lines += _table(("Type", "From", "What it does", "What to do"), known)
    for form, refused in (("ONNX", NOT_ONNX), ("ncnn", NOT_NCNN)):
        lines += ["", f"## Not written as {form}", "", *_reasons(refused)]
    lines += [
        "",
        *_FIELDS.splitlines(),
        "",
        "<details markdown>",
        "<summary>The fields</summary>",
        "",
    ]
    lines += _table(("Message", "Field", "Allowed", "What it asks for"), _fork_fields())
    lines += ["", "</details>"]
    return "\n".join(lines)


def _rows(found: Mapping[type[LayerParams], Evidence]) -> Iterable[tuple[str, ...]]:
    for name, params in _types():
        source = _is_input(params)
        yield (
            name,
            ORIGINS.get(params, "BVLC"),
            _in_keras(params, found[params].classes),
            "yes" if params.has_gradient else "none",
            _checked(found[params]),
            "" if source else _ANY_SIZE[frozenset(found[params].any_size)],
            "" if source else _exports(params),
            _restriction(name, params),
        )


def _types() -> list[tuple[str, type[LayerParams]]]:
    types = list(LAYER_TYPES.items())
    for name, known in DIALECTS.items():
        types += [(f"{name} ({dialect})", params) for dialect, params in known.items()]
    return sorted(types, key=lambda item: item[0].lower())


def _is_input(params: type[LayerParams]) -> bool:
    return params is Input or issubclass(params, DataLayer)


def _in_keras(params: type[LayerParams], classes: Iterable[type]) -> str:
    text = _CODE.sub(lambda found: _own(found[1]) or found[0], how_built(params))
    missing = [link for cls in classes if (link := _link(cls)) not in text]
    return f"{', '.join(missing)}<br>{text}" if missing else text


def _link(cls: type) -> str:
    if cls.__module__.startswith("keras_fcn."):
        return _own(cls.__name__) or f"`{cls.__name__}`"
    return f"[`keras.layers.{cls.__name__}`]({_KERAS}{cls.__name__})"


def _own(name: str) -> str | None:
    """A link to a layer of ours; None: it is none."""
    if name not in keras_layers.__all__:
        return None
    return f"[`{name}`](keras_fcn.layers.md#keras_fcn.layers.{name})"


def _checked(found: Evidence) -> str:
    if not found.cases:
        return "its source"
    nets = f"Caffe, {found.cases} net{'s' * (found.cases > 1)}"
    return f"{nets}, {found.gradients} with gradients" if found.gradients else nets


def _exports(params: type[LayerParams]) -> str:
    lacking = {"ONNX": NOT_ONNX, "ncnn": NOT_NCNN, "LiteRT": NOT_LITERT}
    but = [form for form, kinds in lacking.items() if params in kinds]
    flex = "; LiteRT with Flex" if params in WITH_TENSORFLOW else ""
    return ("all but " + ", ".join(but) if but else "all") + flex


def _restriction(name: str, params: type[LayerParams]) -> str:
    if issubclass(params, DataLayer) and name not in SOURCES:
        return "a solver does not read its files"
    return params.restriction


def _reasons(refused: Mapping[type[LayerParams], str]) -> list[str]:
    """A line for each reason, with the types that it holds for."""
    types: dict[str, list[str]] = {}
    for name, params in _types():
        if params in refused:
            types.setdefault(refused[params], []).append(name)
    return [f"- **{', '.join(names)}**: {why}." for why, names in types.items()]


def _fork_fields() -> Iterable[tuple[str, ...]]:
    for (message, name), each in forks.fields().items():
        if each.verdict == "refused" or each.verdict.startswith("="):
            only = f"`{each.verdict[1:]}`" if each.verdict.startswith("=") else "none"
            yield f"`{message}`", f"`{name}`", only, each.meaning


def _folded(title: str, lines: Iterable[str]) -> list[str]:
    return ["<details markdown>", f"<summary>{title}</summary>", "", *lines, "", "</details>"]


def _table(head: Iterable[str], rows: Iterable[tuple[str, ...]]) -> list[str]:
    head = tuple(head)
    return [f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rows)]
