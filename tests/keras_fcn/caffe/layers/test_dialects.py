"""Types that forks define differently: how they are told apart, and how that is reported."""

from __future__ import annotations

import numpy as np
import pytest

import convert
from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.layers import DIALECTS, LAYER_TYPES, caffe_layer
from keras_fcn.caffe.layers.base import LayerParams
from keras_fcn.caffe.layers.bn import PSPNetBN, SegNetBN
from keras_fcn.caffe.layers.upsample import NearestUpsample, SegNetUpsample
from keras_fcn.caffe.net.assembly import load_network, network_of
from keras_fcn.caffe.net.fitting import stored_shapes
from keras_fcn.caffe.net.network import Network, Reading
from keras_fcn.caffe.text.prototxt import parse_net
from tests.keras_fcn.caffe import writer

INPUT = """layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 } } }
"""
BN = 'layer {{ name: "{name}" type: "BN" bottom: "{bottom}" top: "{name}" {fields} }}\n'


def bn(fields: str = "", name: str = "bn", bottom: str = "data") -> str:
    return BN.format(name=name, bottom=bottom, fields=fields)


def network(layers: str, **arguments):
    return Network.of(parse_net(INPUT + layers).definition, Reading(**arguments))


def write(tmp_path, layers: str):
    path = tmp_path / "net.prototxt"
    path.write_text(INPUT + layers)
    return path


def caffemodel(tmp_path, counts: dict[str, int]):
    """A weights file with so many blobs in each BN layer."""
    layers = [
        writer.layer(
            f'name: "{name}" type: "BN" bottom: "data" top: "{name}"',
            [writer.blob(np.full((1, 3, 1, 1), i)) for i in range(n)],
        )
        for name, n in counts.items()
    ]
    path = tmp_path / "weights.caffemodel"
    path.write_bytes(writer.net(INPUT, layers))
    return path


@pytest.mark.parametrize("dialect", ["segnet", "pspnet"])
def test_forced(dialect, tmp_path):
    # Nothing else tells.
    net = load_network(write(tmp_path, bn()), dialect=dialect)
    assert type(net.layer("bn").params) is DIALECTS["BN"][dialect]
    assert net.dialect == dialect


def test_forced_against_what_the_fields_say():
    with pytest.raises(convert.CaffeError, match=r"'bn' .BN.: field 'bn_mode' has no meaning"):
        network(bn("bn_param { bn_mode: LEARN }"), dialect="pspnet")


def test_a_dialect_counts_for_its_own_types_only():
    up = 'layer { name: "up" type: "Upsample" bottom: "bn" top: "up" upsample_param { scale: 2 } }'
    net = network(bn() + up, dialect="pspnet")
    assert type(net.layer("bn").params) is PSPNetBN
    assert type(net.layer("up").params) is NearestUpsample


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ("bn_param { bn_mode: INFERENCE }", SegNetBN),
        ("bn_param { bn_mode: LEARN scale_filler { value: 1 } }", SegNetBN),
        ('top: "mean" top: "variance"', SegNetBN),
        ("bn_param { slope_filler { value: 1 } }", PSPNetBN),
        ("bn_param { frozen: true momentum: 0.95 }", PSPNetBN),
        ("bn_param { scale_filler { value: 1 } moving_average: true decay: 0.05 }", PSPNetBN),
        ("param { lr_mult: 1 } param { } param { lr_mult: 0 } param { lr_mult: 0 }", PSPNetBN),
    ],
)
def test_by_parameters(fields, kind):
    net = network(bn(fields))
    assert type(net.layer("bn").params) is kind
    fork = "segnet" if kind is SegNetBN else "pspnet"
    assert net.notes == (f"layer 'bn' (BN): read as {fork}'s, by its parameters or blobs",)


def test_by_bottoms():
    mask = 'layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" top: "mask" '
    mask += "pooling_param { kernel_size: 2 stride: 2 } }"
    up = 'layer {{ name: "{}" type: "Upsample" {} top: "{}" }}\n'
    both = up.format("up", 'bottom: "pool" bottom: "mask"', "up") + up.format(
        "near", 'bottom: "up"', "near"
    )
    net = network(mask + both)
    assert type(net.layer("up").params) is SegNetUpsample
    assert type(net.layer("near").params) is NearestUpsample
    assert [note.partition(": ")[0] for note in net.notes] == [
        "layer 'up' (Upsample)",
        "layer 'near' (Upsample)",
    ]


BY_BLOBS = pytest.mark.parametrize(("count", "kind"), [(2, SegNetBN), (4, PSPNetBN)])


@BY_BLOBS
def test_by_blobs_of_a_caffemodel(count, kind, tmp_path):
    shapes = stored_shapes(caffemodel(tmp_path, {"bn": count}))
    net = load_network(write(tmp_path, bn("bn_param { scale_filler { value: 1 } }")), shapes=shapes)
    assert type(net.layer("bn").params) is kind
    assert "by its parameters or blobs" in net.notes[0]


@BY_BLOBS
def test_by_blobs_of_the_net_in_a_caffemodel(count, kind, tmp_path):
    net = network_of(convert.load_weights(caffemodel(tmp_path, {"bn": count})))
    assert type(net.layer("bn").params) is kind


@BY_BLOBS
def test_by_blobs_of_the_converters_file(count, kind, tmp_path):
    weights = caffemodel(tmp_path, {"bn": count})
    convert.convert(write(tmp_path, bn()), weights, tmp_path / "net.h5")
    assert stored_shapes(tmp_path / "net.h5") == {"bn": [(1, 3, 1, 1)] * count}
    net = load_network(write(tmp_path, bn()), shapes=stored_shapes(tmp_path / "net.h5"))
    assert type(net.layer("bn").params) is kind


def test_parameters_count_before_blobs(tmp_path):
    shapes = stored_shapes(caffemodel(tmp_path, {"bn": 4}))
    net = load_network(write(tmp_path, bn("bn_param { bn_mode: LEARN }")), shapes=shapes)
    assert type(net.layer("bn").params) is SegNetBN


def test_ambiguous_ones_are_the_first_forks_and_say_so():
    net = network(bn() + bn(name="second", bottom="bn"))
    assert type(net.layer("bn").params) is SegNetBN
    assert net.notes == ("layer 'bn' and 1 more (BN): taken for segnet's; dialect='pspnet' if not",)


def test_a_layer_without_blobs_in_the_file_is_ambiguous(tmp_path):
    shapes = stored_shapes(caffemodel(tmp_path, {"other": 4}))
    net = load_network(write(tmp_path, bn()), shapes=shapes)
    assert "taken for segnet's" in net.notes[0]


def test_blobs_of_neither_fork_leave_it_open_until_they_are_loaded(tmp_path):
    weights = caffemodel(tmp_path, {"bn": 3})
    net = load_network(write(tmp_path, bn()), shapes=stored_shapes(weights))
    assert "taken for segnet's" in net.notes[0]
    with pytest.raises(WeightsError, match="holds 3 blobs, the network needs 2"):
        convert.convert(write(tmp_path, bn()), weights, tmp_path / "net.h5")


def test_two_forks_in_one_net():
    layers = bn("bn_param { bn_mode: LEARN }") + bn("bn_param { eps: 0.1 }", "other", "bn")
    net = network(layers + bn("bn_param { bn_mode: LEARN }", "last", "other"))
    assert [type(net.layer(n).params) for n in ("bn", "other")] == [SegNetBN, PSPNetBN]
    assert net.notes == (
        "layer 'bn' and 1 more (BN): read as segnet's, by its parameters or blobs",
        "layer 'other' (BN): read as pspnet's, by its parameters or blobs",
    )


def test_types_of_one_kind_are_not_worth_a_note():
    assert network('layer { name: "r" type: "ReLU" bottom: "data" top: "r" }').notes == ()


@pytest.mark.parametrize("dialect", ["caffe", "SegNet", ""])
def test_unknown_dialect(dialect, tmp_path):
    with pytest.raises(ValueError, match=f"'segnet'.*Received: dialect={dialect!r}"):
        load_network(write(tmp_path, bn()), dialect=dialect)
    with pytest.raises(ValueError, match="Received"):
        network_of(convert.load_weights(caffemodel(tmp_path, {"bn": 2})), dialect=dialect)


@pytest.fixture
def registries():
    """What a test registers is forgotten after it."""
    before = dict(LAYER_TYPES), {name: dict(known) for name, known in DIALECTS.items()}
    yield
    for registry, kept in zip((LAYER_TYPES, DIALECTS), before, strict=True):
        registry.clear()
        registry.update(kept)


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize(
    ("kind", "dialect"), [("BN", "segnet"), ("BN", None), ("ReLU", "mine"), ("ReLU", None)]
)
def test_a_name_has_one_class_or_one_a_fork(kind, dialect):
    with pytest.raises(ValueError, match=f"{kind!r} is registered twice"):
        caffe_layer(kind, dialect=dialect)(LayerParams)


@pytest.mark.usefixtures("registries")
def test_a_fork_of_ones_own():
    class Mine(LayerParams):
        pass

    caffe_layer("BN", dialect="mine")(Mine)
    assert type(network(bn(), dialect="mine").layer("bn").params) is Mine
    assert "dialect='pspnet' or 'mine' if not" in network(bn()).notes[0]
