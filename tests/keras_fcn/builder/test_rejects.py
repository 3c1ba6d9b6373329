"""What Caffe refuses is refused, by an error that says where."""

from __future__ import annotations

import re

import pytest

import convert
import keras_fcn
from tests.golden import REJECTS, TAKEN

NAMES = sorted({path.stem for path in REJECTS.glob("*.prototxt")} - TAKEN)


def reason(name):
    text = (REJECTS / f"{name}.reason.txt").read_text()
    return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)


def test_there_are_70():
    assert len(NAMES) == 70


@pytest.mark.parametrize("name", NAMES)
def test_refused(name):
    weights = REJECTS / f"{name}.caffemodel"
    with pytest.raises(convert.CaffeError) as caught:
        keras_fcn.from_caffe(REJECTS / f"{name}.prototxt", weights if weights.exists() else None)
    message = str(caught.value)
    assert f"{name}." in message, "names the file"
    if "type" not in name:
        assert "does not build this type" not in message
    read = "field 'type'" not in message
    if read and reason(name)["category"] in ("shape", "type", "graph", "param"):
        known = {*re.findall(r'name: "([^"]*)"', (REJECTS / f"{name}.prototxt").read_text()), ""}
        named = re.search(r"layer '([^']*)'", message)
        assert (named and named[1] in known) or "mixes" in message or "'input'" in message
