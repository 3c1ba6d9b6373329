"""The walls between the rooms: who may import whom, and who no heavy package at all."""

from __future__ import annotations

import pytest

from tests import import_graph
from tests.import_graph import Import, against_order, arrows, circles, imports, module_graph

PROTOBUF_ROOMS = {"keras_fcn.caffe.proto", "keras_fcn.caffe.text", "keras_fcn.caffe.blobs"}


@pytest.fixture(scope="module")
def every() -> list[Import]:
    return imports(import_graph.modules())


def _told(found) -> list[str]:
    return [str(each) for each in found]


def test_every_room_has_its_line_in_the_order(every):
    level = import_graph.levels()
    assert {import_graph.room(module) for module in import_graph.modules()} - level.keys() == set()
    assert len(every) > 3000
    assert {each.how for each in every} == {"module", "function", "type", "name"}


def test_nothing_is_imported_against_the_order(every):
    assert _told(against_order(every)) == []


def test_no_circles_between_rooms(every):
    assert circles(arrows(every)) == []


def test_no_circles_between_modules(every):
    assert circles(module_graph(every)) == []


def test_the_package_does_without_the_script(every):
    found = [each for each in every if each.source.startswith("keras_fcn")]
    assert _told(each for each in found if each.target.split(".")[0] == "convert") == []


def test_what_reads_caffe_files_does_without_keras_and_the_other_rooms(every):
    outside = {"keras", "tensorflow", "keras_fcn"}
    low = ("keras_fcn.lazy", "keras_fcn.text_tables", "keras_fcn.version")
    allowed = ("keras_fcn.caffe", *low)
    found = [each for each in every if each.source.startswith("keras_fcn.caffe")]
    heavy = [each for each in found if each.target.split(".")[0] in outside]
    assert len(heavy) > 300
    assert _told(each for each in heavy if not each.target.startswith(allowed)) == []


def test_messages_stay_in_their_rooms(every):
    found = [each for each in every if each.target == "google"]
    assert found
    outside = [each for each in found if import_graph.room(each.source) not in PROTOBUF_ROOMS]
    assert _told(outside) == []


def _written(folder, **texts):
    for name, text in texts.items():
        path = folder / "pack" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (folder / "pack" / "stub.py").rename(folder / "pack" / "__init__.pyi")
    return import_graph.modules(folder, ["pack"])


def test_imports_of_every_kind_are_read(tmp_path):
    known = _written(
        tmp_path,
        __init__="NAMES = {'lazy': ('x',)}",
        stub="from pack.low import name as name",
        lazy="",
        high="""
from typing import TYPE_CHECKING
import numpy.linalg
from . import low
from pack.low import name
if TYPE_CHECKING:
    from pack import lazy
    def only(): import keras
else:
    import h5py
async def late():
    import pack.low, pack
class Inner:
    import math
""",
        low="",
    )
    assert imports(known) == [
        Import("pack", "pack.lazy", 1, "name"),
        Import("pack", "pack.low", 1, "name"),
        Import("pack.high", "typing", 2, "module"),
        Import("pack.high", "numpy", 3, "module"),
        Import("pack.high", "pack.low", 4, "module"),
        Import("pack.high", "pack.low", 5, "module"),
        Import("pack.high", "pack.lazy", 7, "type"),
        Import("pack.high", "keras", 8, "type"),
        Import("pack.high", "h5py", 10, "module"),
        Import("pack.high", "pack.low", 12, "function"),
        Import("pack.high", "pack", 12, "function"),
        Import("pack.high", "math", 14, "module"),
    ]


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        ({"a": ["b"], "b": ["c"], "c": []}, []),
        ({"a": ["b"], "b": ["a"], "c": ["a"]}, [["a", "b"]]),
        ({"a": ["a"]}, [["a"]]),
        (
            {"a": ["b"], "b": ["c"], "c": ["a", "d"], "d": ["e"], "e": ["d"]},
            [["a", "b", "c"], ["d", "e"]],
        ),
        ({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}, []),
    ],
)
def test_circles(graph, expected):
    assert circles(graph) == expected


def test_an_arrow_that_runs_up_is_found():
    up = Import("keras_fcn.layers.x", "keras_fcn.core.y", 1, "function")
    down = Import("keras_fcn.core.y", "keras_fcn.layers.x", 1, "module")
    unknown = Import("keras_fcn.cellar", "keras_fcn.lazy", 1, "module")
    assert against_order([up, down, unknown]) == [up, unknown]
    assert circles(arrows([up, down])) == [["keras_fcn.core", "keras_fcn.layers"]]
