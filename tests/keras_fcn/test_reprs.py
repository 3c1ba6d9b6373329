"""What objects show of themselves: one short line, and a table in notebooks."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import keras
import numpy as np
import pytest

import convert
import keras_fcn
from convert import surgery
from keras_fcn.caffe.conversion.report import ConversionReport, LayerRow
from keras_fcn.core.card import Card, Source
from keras_fcn.core.weights import LoadReport
from keras_fcn.datasets import LabelMap, Pair, SegmentationDataset, check
from keras_fcn.datasets.sources import ImageFile, MaskFile
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.classes import Classes
from keras_fcn.text_tables import html_table
from keras_fcn.training import FineTuneResult, SegmentationResult
from tests.keras_fcn.cli.conftest import PROTOTXT

EVIL = "<script>alert('x')</script> & \"y\""


class Cells(HTMLParser):
    """The cells of a table, row by row; fails on tags that a table has not."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.open = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        assert tag in ("table", "caption", "tr", "td", "th")
        self.open.append(tag)
        if tag in ("tr", "caption"):
            self.rows.append([])
        if tag in ("td", "th", "caption"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.rows[-1][-1] += data


@pytest.fixture
def network(tmp_path):
    (tmp_path / "net.prototxt").write_text(PROTOTXT.replace("Small", "Small <b>"))
    return convert.load_network(tmp_path / "net.prototxt")


def dataset(count, name="data"):
    pair = Pair("a", ImageFile(Path("a.png")), MaskFile(Path("b.png")))
    return SegmentationDataset((pair,) * count, LabelMap(classes=(EVIL, "sky")), name)


def result(names=("road", "sky")):
    return SegmentationResult(names, np.array([[3, 1], [0, 4]]))


def card(**more):
    classes = Classes(tuple("abcdefghij"), np.zeros((10, 3), np.uint8))
    return Card(
        "lenet",
        {name: (name, 0) for name in "abc"},
        preprocessing=Preprocessing(channels=1, mean=np.ones((28, 28, 1)), input_scale=0.5),
        classes=classes,
        source=Source("net.caffemodel"),
        definition={"prototxt": "layer " * 5000},
        **more,
    )


def test_one_line_whatever_the_size(network):
    assert repr(network) == ("<Network 'Small <b>': 9 layers, inputs data 1x1x28x28, outputs prob>")
    assert repr(dataset(10_000)).startswith("<SegmentationDataset data: pairs 10000, classes 2 (")
    assert repr(result()) == (
        "<SegmentationResult of 2 classes: mean IoU 0.775, pixel accuracy 0.875>"
    )
    tuned = FineTuneResult(None, result(), [{}] * 7, 3, Path("runs/a"), True)
    assert repr(tuned) == (
        "<FineTuneResult runs/a: epoch 3 of 7 is the best, stopped early, mean IoU 0.7750>"
    )
    assert str(tuned).endswith(f"\n{result()}")
    report = LoadReport(("a",), ("b", "c"), (), (("d", (), ()),))
    assert repr(report) == "<LoadReport: 1 layer loaded, 2 missing, 1 mismatched>"
    assert repr(card()) == (
        "<Card network lenet, source net.caffemodel, preprocessing channels=1, mean=image 28x28x1, "
        "input_scale=0.5, classes 10 (a, b, c, d, e, f, ...), with colours, blobs 3, "
        "definition kept>"
    )
    assert repr(Card()) == "<Card empty>"


def test_a_net_with_weights_is_short_too(network, tmp_path):
    net = surgery.open_net(tmp_path / "net.prototxt")
    assert repr(net) == repr(network).replace("Network", "TrainedNet")
    assert net._repr_html_() == network._repr_html_()


def test_tables(network):
    rows = Cells(network._repr_html_()).rows
    assert rows[0] == ["'Small <b>': 9 layers, inputs data 1x1x28x28, outputs prob"]
    assert rows[1] == ["layer", "type", "bottoms", "tops", "parameters"]
    assert rows[3] == ["conv1", "Convolution", "data", "conv1 1x20x24x24", "20x1x5x5 20"]
    assert len(rows) == 2 + len(network.layers)
    assert Cells(result()._repr_html_()).rows == [
        ["class", "IoU", "accuracy", "pixels"],
        ["road", "0.750", "0.750", "4"],
        ["sky", "0.800", "1.000", "4"],
        ["mean", "0.775", "0.875", "8"],
        ["pixel accuracy", "", "0.875", ""],
    ]
    report = LoadReport(("a",), ("b",), ("c",), (("d", ((1,),), ((2,),)),), ("a note",))
    assert [row[0] for row in Cells(report._repr_html_()).rows[1:]] == ["a", "b", "c", "d", ""]
    assert ["source", "net.caffemodel"] in Cells(card()._repr_html_()).rows


def test_models_in_notebooks():
    model = keras_fcn.with_card(
        keras.Sequential(
            [keras.Input((None, 8, 3), name="input_layer"), keras.layers.Conv2D(2, 1, name="score")]
        ),
        classes=["wall", EVIL],
    )
    told = [["inputs", "input_layer (?, ?, 8, 3)"], ["outputs", "score (?, ?, 8, 2)"]]
    told += [["layers", "1"], ["parameters", "8"], ["classes", f"2 (wall, {EVIL})"]]
    (caption,), *rows = Cells(model._repr_html_()).rows
    assert caption == f"CaffeSequential {model.name!r}"
    assert rows == told
    whole = keras_fcn.with_card(keras.Model(model.inputs, model.outputs))
    assert Cells(whole._repr_html_()).rows[2:] == [told[1], ["layers", "2"], told[3]]


def test_classes_and_reports_are_short():
    names = Classes(tuple(f"class {index}" for index in range(1000)))
    assert len(repr(names)) < 100
    report = check(dataset(3))
    assert repr(report) == "<Report data: 3 pairs, 7 problems>"
    assert Cells(report._repr_html_()).rows[0] == ["data: 3 pairs, 7 problems"]
    row = LayerRow("fc", "fc", "InnerProduct", ((5, 36), (5,)), ((36, 5), (5,)))
    converted = ConversionReport("net.caffemodel", "net.h5", (row,) * 100)
    assert repr(converted) == "<ConversionReport net.caffemodel -> net.h5: 100 layers>"
    assert Cells(converted._repr_html_()).rows[-1] == ["total", "", "", "", "18,500"]
    assert Cells(converted._repr_html_()).rows[2][2] == "5x36 5"


@pytest.mark.parametrize(
    "shown",
    [
        dataset(3, EVIL),
        result((EVIL, "sky")),
        LoadReport((EVIL,), (), (), ()),
        Card(EVIL),
        FineTuneResult(None, result((EVIL, "x")), [], 1, Path(EVIL), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_names_are_text(shown):
    text = shown._repr_html_()
    assert "<script" not in text
    cells = [cell for row in Cells(text).rows for cell in row]
    assert any(EVIL in cell for cell in cells)


def test_html_of_nothing():
    assert Cells(html_table([], ("a", "b"))).rows == [["a", "b"]]
    assert not re.search("<t[dh]", html_table([]))
