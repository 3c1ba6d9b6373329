"""What `LayerParams.write` says is read as the same parameters, as data and as text."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_fcn.caffe.definition import Fields, LayerDefinition, NetDefinition, Word
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import DIALECTS, LAYER_TYPES, Filler, LayerParams, dialects
from keras_fcn.caffe.layers.normalization import ScaledBatchNorm
from keras_fcn.caffe.layers.scale import ScaleByBottom
from keras_fcn.caffe.layers.ssd import NonMaximumSuppression
from keras_fcn.caffe.layers.values import LAYER
from keras_fcn.caffe.proto import schema
from keras_fcn.caffe.proto.definitions import net_definition, to_text
from keras_fcn.caffe.proto.upgrade import upgrade
from keras_fcn.caffe.text.prototxt import parse_net
from tests.golden import LAYERS, golden_folder

KINDS: dict[str, tuple[str, type[LayerParams]]] = {
    **{name: (name, cls) for name, cls in LAYER_TYPES.items()},
    **{
        f"{name}, {fork}": (name, cls)
        for name, forks in DIALECTS.items()
        for fork, cls in forks.items()
    },
    "Scale by a bottom": ("Scale", ScaleByBottom),
    "BatchNorm that scales": ("BatchNorm", ScaledBatchNorm),
}
# What else a field's value needs.
TOGETHER: dict[tuple[str, str], dict[str, Any]] = {
    ("Interp", "height"): {"width": 3},
    ("Interp", "width"): {"height": 3},
    ("Insanity", "ub"): {"lb": 0.125},
    ("MultiBoxLoss", "share_location"): {"mining_type": "NONE"},
    ("Pooling", "global_pooling"): {"kernel_size": None},
    ("Pooling3D", "pad"): {"pool": "AVE"},
    ("PriorBox", "max_size"): {"min_size": (0.25,)},
    **{
        (cls, f"{name}_{side}"): {f"{name}_{other}": 5}
        for cls in ("PriorBox", "PriorBoxClustered")
        for name in ("img", "step")
        for side, other in ("hw", "wh")
    },
}
# Fields that no message holds, and why.
DERIVED = {
    ("LSTM", "static_input"): "whether there is a third bottom",
    ("RNN", "static_input"): "whether there is a third bottom",
    ("SoftmaxWithLossOHEM", "class_weighting"): "SegNet's Caffe has it for SoftmaxWithLoss only",
}
# Fields that another fork is told by: who has them in spite of that says which fork it is.
FORCED = {("StepsAndStreams", "batch_size")}
# Fields of which one value only is built.
SINGLE = {
    ("AnchorEvalDetection", "num_object"),
    ("DetectionOutputExtended", "num_classes"),
    ("DetectionOutputExtended", "share_location"),
    ("DetectionOutputExtended", "background_label_id"),
    ("FlatRegion", "coords"),
    ("RegionLoss", "coords"),
    ("RegionLoss", "softmax_tree"),
    ("YoloDetectionOutput", "coords"),
}
# Fields in whose place others stand.
INSTEAD = {("Pooling", "global_pooling"), ("SegNetUpsample", "size")}
FILLER = Filler("gaussian", 0.5, -1.0, 2.0, 0.25, 4.0, 3, "AVERAGE")
VALUES: dict[Any, tuple[Any, ...]] = {
    int: (3, 4, 2, 1, 5, -1),
    float: (0.25, 0.5, 2.0, 3.0, float(np.float32(0.1))),
    bool: (True, False),
    Filler: (FILLER,),
    NonMaximumSuppression: (NonMaximumSuppression(nms_threshold=0.25, top_k=4, eta=0.5),),
    tuple[int, ...]: ((3,), (2, 4), (1, 2), (3, 2, 1), (0, 2, 1, 3)),
    tuple[float, ...]: ((0.5,), (0.5, 2.0), (0.25,) * 4, (2.0,) * 10),
    tuple[int, int]: ((3, 3), (4, 2), (2, 3), (1, 1)),
    tuple[bool, bool]: ((True, False), (False, True), (True, True)),
    tuple[str, int, int]: (("FIT_SMALL_SIZE", 3, 4),),
    tuple[tuple[int, ...], ...]: (((2, 3),), ((1, 2), (3,)), ((),)),
    tuple[Filler, ...]: ((FILLER,), (Filler(), FILLER)),
}


def definition(kind: str, params: LayerParams, fields: Fields) -> LayerDefinition:
    """A layer of a type with as many bottoms and tops as it needs."""
    bottoms = max(params.bottom_count[0], isinstance(params, ScaleByBottom) + 1)
    if getattr(params, "static_input", False):
        bottoms += 1
    if kind == "InfogainLoss":
        bottoms = 3
    if kind in ("L1Loss", "Upsample"):
        bottoms = 2 if type(params).__name__ != "NearestUpsample" else 1
    exposed = getattr(params, "states", 0) * getattr(params, "expose_hidden", False)
    tops = max(params.top_count[0], getattr(params, "num_classes", 1) if kind in PER_CLASS else 1)
    return LayerDefinition(
        "x",
        kind,
        tuple(f"b{i}" for i in range(bottoms + exposed)),
        tuple(f"t{i}" for i in range(tops + exposed)),
        fields=fields,
    )


PER_CLASS = {"ClusterDetections"}


def assert_comes_back(kind: str, params: LayerParams, forced: bool = False) -> None:
    written = definition(kind, params, params.write())
    assert type(params).read(written) == params
    line = net_definition(parse_net(to_text(NetDefinition("n", (written,)))).message).layers[0]
    assert line == written
    assert type(params).read(line) == params
    if kind in DIALECTS and not forced and type(params).recognizes(written, None) is not None:
        assert dialects.choose(written, None, None).params is type(params)


def candidates(cls: type[LayerParams], name: str, hint: Any) -> tuple[Any, ...]:
    """Values to try for a field: labels of its enum, else by the field's type."""
    field = described(cls).get(name)
    if field is not None and field.enum_type is not None:
        return tuple(value.name for value in field.enum_type.values)
    types = [x for x in typing.get_args(hint) if x is not type(None)]
    plain = types[0] if types and type(None) in typing.get_args(hint) else hint
    if plain is str:
        if name == "phase":
            return ("TEST", "TRAIN")
        return ("L1", "a 'b' \"c\" \\ \N{GREEK SMALL LETTER ALPHA}\n")
    if typing.get_origin(plain) is Mapping or plain is Fields:
        return (Fields(data_param={"batch_size": 3, "backend": Word("LMDB")}),)
    unsigned = name == "num_classes" or (field is not None and field.type == field.TYPE_UINT32)
    return tuple(value for value in VALUES[plain] if not unsigned or value != -1)


def described(cls: type[LayerParams]) -> dict[str, Any]:
    """The fields of a type's messages."""
    found = {}
    for message in (cls.message, *getattr(cls, "messages", ())):
        kind = schema.kinds(LAYER).get(message or "")
        if kind is not None:
            found |= schema.new(kind).DESCRIPTOR.fields_by_name
    return found


def smallest(cls: type[LayerParams], hints: dict[str, Any]) -> LayerParams:
    """Parameters that hold as little as their type allows."""
    given = dict(REQUIRED.get(cls.__name__, {}))
    for field in dataclasses.fields(cls):
        missing = (field.default, field.default_factory) == (dataclasses.MISSING,) * 2
        if missing and field.name not in given:
            given[field.name] = candidates(cls, field.name, hints[field.name])[0]
    return cls(**given)


REQUIRED: dict[str, dict[str, Any]] = {
    "AnchorEvalDetection": {"biases": (0.5,) * 10, "num_object": 5},
    "ClusterDetections": {"image_size_x": 8, "image_size_y": 8, "stride": 2},
    "DetectionOutputExtended": {"num_classes": 2},
    "Interp": {"zoom_factor": 2},
    "MultiBoxLoss": {"num_classes": 2},
    "Pooling": {"kernel_size": (5, 6)},
    "Pooling3D": {"kernel_size": 5, "kernel_depth": 3},
    "PriorBoxClustered": {"width": (1.0,), "height": (2.0,)},
    "SpatialDropout": {"p": 0.1, "phase": "TRAIN"},
}


def edited(params: LayerParams, values: Mapping[str, Any]) -> LayerParams | None:
    """Parameters with other values; None where they contradict each other."""
    try:
        new = dataclasses.replace(params, **values)
        getattr(new, "_check", int)()
    except NetworkError:
        return None
    return new


def variants(cls: type[LayerParams]) -> Iterator[tuple[str, LayerParams]]:
    """Parameters with another value in one field, and with others in as many as may be."""
    hints = typing.get_type_hints(cls)
    usual = together = smallest(cls, hints)
    for field in dataclasses.fields(cls):
        if (cls.__name__, field.name) in DERIVED:
            continue
        for value in candidates(cls, field.name, hints[field.name]):
            if value == getattr(usual, field.name):
                continue
            others = TOGETHER.get((cls.__name__, field.name), {})
            alone = edited(usual, {field.name: value, **others})
            if alone is None:
                continue
            yield field.name, alone
            if (cls.__name__, field.name) not in INSTEAD:
                together = edited(together, {field.name: value, **others}) or together
    yield "", together


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", KINDS)
def test_every_field_is_written_and_read(name):
    kind, cls = KINDS[name]
    varied = set()
    for field, params in variants(cls):
        assert_comes_back(kind, params, (cls.__name__, field or "batch_size") in FORCED)
        varied.add(field)
    single = {field for owner, field in {*SINGLE, *DERIVED} if owner == cls.__name__}
    assert {field.name for field in dataclasses.fields(cls)} - varied == single


def written_layers(folder: Path) -> int:
    """Write every layer of the nets in a folder; gives their number."""
    count = 0
    for path in sorted(folder.glob("**/net.prototxt")):
        net = net_definition(upgrade(parse_net(path.read_text()).message))
        classes = [dialects.choose(x, None, None).params.variant(x) for x in net.layers]
        params = [cls.read(layer) for cls, layer in zip(classes, net.layers, strict=True)]
        layers = [
            dataclasses.replace(layer, fields=each.write())
            for layer, each in zip(net.layers, params, strict=True)
        ]
        net = dataclasses.replace(net, layers=tuple(layers))
        again = net_definition(parse_net(to_text(net)).message)
        assert again == net, path
        read = [dialects.choose(x, None, None).params.variant(x) for x in again.layers]
        assert read == classes, path
        both = zip(classes, again.layers, strict=True)
        assert [cls.read(layer) for cls, layer in both] == params, path
        count += len(layers)
    return count


@pytest.mark.slow
def test_layers_of_the_reference_cases():
    assert len(list(LAYERS.glob("*/net.prototxt"))) == 572
    assert written_layers(LAYERS) == 1549
    assert written_layers(LAYERS.parent / "training") == 37


def test_layers_of_published_nets():
    assert written_layers(golden_folder() / "nets") > 500
