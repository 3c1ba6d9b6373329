"""A network -> its prototxt -> the same network; and by its typed parameters alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from keras_fcn.caffe.net import editing
from keras_fcn.caffe.net.assembly import load_network
from keras_fcn.caffe.net.network import Network, Reading
from keras_fcn.caffe.text.prototxt import parse_net
from tests.golden import REPOSITORY, layer_case, layer_case_names, net_folder


def again(net: Network) -> Network:
    """The network of the text that is written for one."""
    state = dataclasses.replace(net.state, stages=())  # those of the file stand in the text
    stages = tuple(x for x in net.state.stages if x not in net.definition.stages)
    state = dataclasses.replace(state, stages=stages)
    parsed = parse_net(net.text, keeps=state.keeps)
    assert parsed.notes == ()
    return Network.of(parsed.definition, Reading(state, net.dialect))


def rewritten(net: Network) -> Network:
    """The network whose layers say what their typed parameters write, and nothing else."""
    own = {id(layer.definition): layer for layer in net.layers}
    layers = tuple(
        editing.changed(x, own[id(x)].params, own[id(x)].params) if id(x) in own else x
        for x in net.definition.layers
    )
    return net.edited(dataclasses.replace(net.definition, layers=layers))


def check(path: Path, phase: str, level: int = 0, stages: tuple[str, ...] = ()) -> None:
    net = load_network(path, phase, level, stages)
    new = again(net)
    assert new == net
    assert new.definition == net.definition
    assert rewritten(net) == net
    assert again(rewritten(net)) == net


@pytest.mark.sweep(5)
@pytest.mark.parametrize("name", layer_case_names("*"))
def test_layer_cases(name):
    case = layer_case(name)
    about = case.case
    check(case.prototxt, about["phase"], about.get("level", 0), tuple(about.get("stages", ())))


_DATA = REPOSITORY / "tests" / "data" / "golden"
_NETS = sorted(
    path for room in ("forks", "training") for path in _DATA.glob(f"{room}/*/net.prototxt")
)


@pytest.mark.parametrize("phase", ["TEST", "TRAIN"])
@pytest.mark.parametrize("path", _NETS, ids=lambda path: path.parent.name)
def test_forks_and_training(path, phase):
    check(path, phase)


_PUBLISHED = """
bvlc_alexnet bvlc_caffenet_full_conv bvlc_googlenet bvlc_reference_caffenet dilation8_pascal_voc
fcn8s lenet lenet_full_conv mobilenet_ssd segnet_basic
"""


@pytest.mark.parametrize("name", _PUBLISHED.split())
def test_published(name):
    check(net_folder(name) / "net.prototxt", "TEST")
