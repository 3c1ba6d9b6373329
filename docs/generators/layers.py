"""A page of the layer types, made from the registries."""

from __future__ import annotations

import re

from keras_fcn import layers as keras_layers
from keras_fcn.caffe.layers import DIALECTS, LAYER_TYPES, LayerParams
from keras_fcn.caffe.layers.data import DataLayer, Input
from keras_fcn.caffe.layers.origins import ORIGINS
from keras_fcn.caffe.onnx.registry import REFUSED
from keras_fcn.supported import how_built

_CODE = re.compile(r"`(\w+)`")
_BVLC = "BVLC"
_INTRODUCTION = """\
The types of Caffe that `from_caffe` builds. Those of BVLC Caffe 1.0, SegNet and SSD are compared
with what these programs computed, blobs and gradients; those of other forks with their published
definition. A name with a fork behind it is a type that forks define differently; `dialect=`
chooses. Types that are not in the table are built by a function of yours, see
[`register`](keras_fcn.md#keras_fcn.register)."""


def page() -> str:
    """Each type with its origin, its form in Keras and what it can be exported to."""
    lines = [
        *("---", "hide: [toc]", "---", ""),
        "# Layers",
        "",
        *_INTRODUCTION.splitlines(),
        "",
        "| Caffe type | From | In Keras | Any H x W | ONNX |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, params in _types():
        onnx = "" if _is_input(params) else "no" if params in REFUSED else "yes"
        origin = ORIGINS.get(params, _BVLC)
        cells = (name, origin, _linked(how_built(params)), _any_size(params), onnx)
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "## Not written as ONNX", ""]
    named = {params: name for name, params in _types()}
    lines += [f"- **{named[params]}**: {why}." for params, why in REFUSED.items()]
    return "\n".join(lines)


def _types() -> list[tuple[str, type[LayerParams]]]:
    types = list(LAYER_TYPES.items())
    for name, known in DIALECTS.items():
        types += [(f"{name} ({dialect})", params) for dialect, params in known.items()]
    return sorted(types, key=lambda item: item[0].lower())


def _is_input(params: type[LayerParams]) -> bool:
    return params is Input or issubclass(params, DataLayer)


def _any_size(params: type[LayerParams]) -> str:
    if _is_input(params):
        return ""
    told = params.places is not None or params.spatial is not LayerParams.spatial
    return "yes" if told else "by its fields"


def _linked(text: str) -> str:
    """Names of layers of ours in code type become links to them."""

    def link(found: re.Match[str]) -> str:
        name = found[1]
        if name not in keras_layers.__all__:
            return found[0]
        return f"[`{name}`](keras_fcn.layers.md#keras_fcn.layers.{name})"

    return _CODE.sub(link, text)
