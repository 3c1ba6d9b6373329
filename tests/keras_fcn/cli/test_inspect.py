from __future__ import annotations

import re

import pytest

import convert
from keras_fcn.cli.inspect import numbers
from tests.golden import layer_case, layer_case_names
from tests.keras_fcn.cli.conftest import SHAPES

CASES = [
    name
    for pattern in ("conv_*", "graph_*", "ip_*", "legacy_input*", "pool_*", "rules_*", "softmax_*")
    for name in layer_case_names(pattern)
]


def _rows(text: str, head: str) -> dict[str, list[str]]:
    """The table that starts with ``head``: first cell -> the other cells."""
    lines = text.partition(f"\n\n{head} ")[2].split("\n\n")[0].splitlines()[1:]
    cells = (re.split(r"\s{2,}", line) for line in lines)
    return {first: rest for first, *rest in cells}


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", CASES)
def test_blobs_and_params_are_those_of_caffe(name, run):
    case = layer_case(name)
    options = ["--phase", case.case["phase"].lower(), "--level", case.case.get("level") or 0]
    for stage in case.case.get("stages") or ():
        options += ["--stage", stage]
    outcome = run("inspect", case.prototxt, *filter(None, [case.weights]), *options)
    assert outcome.status == 0
    shown = _rows(outcome.out, "blob")
    for blob, array in {**case.inputs, **case.outputs}.items():
        # Types that are not known yet have no shape; golden tests of each type end that.
        assert shown[blob][0] in (str(array.shape), "?")
    if case.weights is not None:
        stored = convert.load_weights(case.weights)
        params = _rows(outcome.out, "params")
        for layer, blobs in stored.items():
            shapes = [str(blob.shape) for blob in blobs]
            assert params[layer][1 : 1 + len(shapes)] == shapes
            assert params[layer][-1] == f"{sum(blob.size for blob in blobs):,}"


def test_everything_of_a_small_net(run, net):
    outcome = run("inspect", net.prototxt, net.caffemodel)
    assert outcome.err == ""
    facts, blobs, params = outcome.out.split("\n\n")
    assert facts.splitlines() == [
        f"prototxt  {net.prototxt}",
        f"weights   {net.caffemodel}",
        "network   Small",
        "phase     TEST",
        "inputs    data (1, 1, 28, 28)",
        "outputs   prob (1, 12)",
        "layers    9: 2 Convolution, 2 Pooling, 2 InnerProduct, 1 Input, 1 ReLU, 1 Softmax",
    ]
    assert blobs.splitlines()[:3] == [
        "blob   shape            made by              bytes",
        "data   (1, 1, 28, 28)   Input                3,136",
        "conv1  (1, 20, 24, 24)  Convolution         46,080",
    ]
    assert blobs.splitlines()[6] == "ip1    (1, 500)         InnerProduct, ReLU   2,000"
    assert blobs.splitlines()[-1].split() == ["total", "78,832"]
    assert params.splitlines()[1] == ("conv1   Convolution   (20, 1, 5, 5)   (20,)          520")
    assert params.splitlines()[-1].split() == ["total", "432,082"]


def test_the_same_net_from_its_prototxt_and_its_weights(run, net):
    whole = run("inspect", net.prototxt, net.caffemodel).out.split("\n\n")
    assert run("inspect", net.prototxt).out.split("\n\n")[1:] == whole[1:]
    assert run("inspect", net.caffemodel).out.split("\n\n")[1:] == whole[1:]


def test_hdf5_shows_what_keras_loads_and_where_it_came_from(run, net):
    outcome = run("inspect", net.h5_with_mean)
    assert outcome.status == 0
    assert "source     net.caffemodel" in outcome.out
    assert "mean       (28, 28, 1)" in outcome.out
    params = _rows(outcome.out, "params")
    assert params["conv2"] == ["Convolution", "(5, 5, 20, 50)", "(50,)", "25,050"]
    assert params["ip1"] == ["InnerProduct", "(800, 500)", "(500,)", "400,500"]
    assert _rows(outcome.out, "blob")["ip2"][0] == "(1, 12)"


def test_weights_of_a_training_net(run, net, tmp_path):
    """As Caffe's solver stores them: with data layers that are there in one phase only."""
    text = net.prototxt.read_text()
    start = text.index("layer {")
    end = text.index("layer {", start + 1)
    data = 'layer { name: "data" type: "Data" top: "data" include { phase: TRAIN } }\n'
    prototxt = tmp_path / "train.prototxt"
    prototxt.write_text(text[:start] + data + text[end:])
    caffemodel = tmp_path / "train.caffemodel"
    convert.write_caffemodel(caffemodel, prototxt, convert.load_weights(net.caffemodel))
    outcome = run("inspect", caffemodel)
    assert outcome.status == 0
    assert _rows(outcome.out, "blob")["conv1"][0] == "(None, 20, None, None)"
    assert _rows(outcome.out, "blob")["total"] == ["?"]
    assert _rows(outcome.out, "params")["total"] == ["432,082"]

    in_test = run("inspect", caffemodel, "--phase", "TEST")
    assert in_test.status == 0
    assert in_test.err.startswith("note: no blobs, try another --phase: ")
    assert _rows(in_test.out, "params")["conv1"] == ["(20, 1, 5, 5)", "(20,)", "520"]


def test_layers_that_only_one_of_the_files_has_are_noted(run, net, tmp_path):
    weights = dict(convert.load_weights(net.caffemodel))
    del weights["ip2"]
    part = tmp_path / "part.caffemodel"
    convert.write_caffemodel(part, net.prototxt, weights)
    assert run("inspect", net.prototxt, part).err == f"note: layer 'ip2' has no weights in {part}\n"

    text = net.prototxt.read_text()
    short = tmp_path / "short.prototxt"
    short.write_text(text[: text.index('layer { name: "ip2"')])
    outcome = run("inspect", short, net.caffemodel)
    assert outcome.err == f"note: layer 'ip2' of {net.caffemodel} is not in {short}\n"


def test_weights_of_another_network_are_one_line(run, net, tmp_path):
    other = tmp_path / "other.prototxt"
    other.write_text(net.prototxt.read_text().replace("num_output: 500", "num_output: 400"))
    outcome = run("inspect", other, net.caffemodel)
    assert "layer 'ip1'" in outcome.error
    assert "(500, 800)" in outcome.error
    assert "(400, 800)" in outcome.error


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.prototxt", None, "No such file"),
        ("empty.prototxt", "", "is empty"),
        ("page.prototxt", "<!DOCTYPE html><html></html>", "is a web page"),
        ("text.prototxt", "Dear reader,", "text.prototxt:1: "),
        ("text.caffemodel", "Dear reader,", "not a caffemodel"),
        ("text.h5", "Dear reader,", "is text, not a caffemodel"),
    ],
)
def test_bad_files_are_one_line(name, content, message, run, tmp_path):
    if content is not None:
        (tmp_path / name).write_text(content)
    outcome = run("inspect", tmp_path / name)
    assert message in outcome.error
    assert name in outcome.error


def test_two_weights_files_are_refused(run, net):
    assert "inspected alone" in run("inspect", net.h5, net.caffemodel).error


@pytest.mark.parametrize(
    ("shapes", "text"),
    [
        ([(2, 3), (1000,)], "1,006"),
        ([()], "1"),
        ([], "0"),
        ([(2, 3), None], "over 6"),
        ([(None, 3), (4,)], "over 4"),
        ([(None, 3)], "?"),
    ],
)
def test_numbers(shapes, text):
    assert numbers(shapes) == text


def test_numbers_of_bytes():
    assert numbers([(2, 3), (1,)], 4) == "28"


def test_shapes_of_the_fixture_are_those_listed(run, net):
    params = _rows(run("inspect", net.prototxt).out, "params")
    assert {name: tuple(row[1:3]) for name, row in params.items() if name != "total"} == {
        name: tuple(map(str, shapes)) for name, shapes in SHAPES.items()
    }
