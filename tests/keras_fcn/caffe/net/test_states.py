"""Messages on blobs that another phase, stage or level makes."""

from __future__ import annotations

import pytest

import convert
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.words import options_as
from keras_fcn.cli.flags import flag

NET = """layer {{ name: "d" type: "Input" top: "data" {rules} }}
layer {{ name: "r" type: "ReLU" bottom: "data" top: "r" }}
"""


def error(tmp_path, rules, **options):
    (tmp_path / "net.prototxt").write_text(NET.format(rules=rules))
    with pytest.raises(NetworkError) as found:
        convert.load_network(tmp_path / "net.prototxt", **options)
    return str(found.value)


@pytest.mark.parametrize(
    ("rules", "options", "made", "asked", "typed"),
    [
        ("include { phase: TRAIN }", {}, "phase TRAIN", 'phase="TRAIN"', "--phase TRAIN"),
        (
            "exclude { phase: TRAIN }",
            {"phase": "TRAIN"},
            "phase TEST",
            'phase="TEST"',
            "--phase TEST",
        ),
        (
            'include { stage: "deploy" }',
            {},
            "stage 'deploy'",
            'stages=("deploy",)',
            "--stage deploy",
        ),
        (
            'include { phase: TRAIN stage: "a" stage: "b" }',
            {"stages": ("c",)},
            "phase TRAIN, stage 'a' and 'b'",
            'phase="TRAIN", stages=("c", "a", "b")',
            "--phase TRAIN --stage c --stage a --stage b",
        ),
        (
            'exclude { stage: "deploy" }',
            {"stages": ("deploy",)},
            "a state without stage 'deploy'",
            "stages=()",
            "no --stage",
        ),
        ("include { min_level: 2 }", {}, "level 2", "level=2", "--level 2"),
    ],
)
def test_hints(tmp_path, rules, options, made, asked, typed):
    message = error(tmp_path, rules, **options)
    assert (
        "net.prototxt:2: layer 'r' (ReLU): bottom 'data' is made by no layer before it" in message
    )
    hint = f"line 1 makes it for {made}: ask for it with"
    assert message.endswith(f"{hint} {asked}")
    with options_as(flag):
        assert error(tmp_path, rules, **options).endswith(f"{hint} {typed}")


def test_no_hint_where_no_state_makes_it(tmp_path):
    (tmp_path / "net.prototxt").write_text('layer { name: "r" type: "ReLU" bottom: "x" top: "r" }')
    with pytest.raises(NetworkError, match=r"before it, and is no input .*; blobs so far: none$"):
        convert.load_network(tmp_path / "net.prototxt")


def test_no_layers_at_all(tmp_path):
    (tmp_path / "net.prototxt").write_text(
        'layer { name: "d" type: "Input" top: "data" include { phase: TRAIN } }'
    )
    with pytest.raises(NetworkError, match=r"no layers for phase TEST.*phase=\"TRAIN\"$"):
        convert.load_network(tmp_path / "net.prototxt")
