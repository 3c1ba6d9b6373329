"""The little YAML of Python layers."""

from __future__ import annotations

import pytest

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.param_str import parse
from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.text.prototxt import parse_net


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("{}", {}),
        ("'feat_stride': 16", {"feat_stride": 16}),
        ("{'phase': 'TRAIN', \"p\": '0.1'}", {"phase": "TRAIN", "p": "0.1"}),
        (
            "'feat_stride': 16 \n'scales': !!python/tuple [4, 8, 16, 32]",
            {"feat_stride": 16, "scales": (4, 8, 16, 32)},
        ),
        ("a: !!python/list (1, 2)", {"a": (1, 2)}),
        ("a: !!python/tuple\n- 4\n- -8.5\nb: 1", {"a": (4, -8.5), "b": 1}),
        ("a:\n  - x\n  - 'y z'\n", {"a": ("x", "y z")}),
        (
            "{a: [[1, 2], [], (3,)], b: {c: 1e-3, d: {}}}",
            {"a": ((1, 2), (), (3,)), "b": {"c": 1e-3, "d": {}}},
        ),
        (
            "a: None, b: null, c: ~, d: True, e: false",
            {"a": None, "b": None, "c": None, "d": True, "e": False},
        ),
        ("a: -.5 # as a comment: 1\nb: +3", {"a": -0.5, "b": 3}),
        ("a: 'it''s' b: \"say \\\"x\\\"\\n\"", {"a": "it's", "b": 'say "x"\n'}),
        ("a: !!str 16, b: !!python/unicode 'x', c: !!float 2", {"a": "16", "b": "x", "c": 2.0}),
        ("a: /some/path.txt\nb: split-1", {"a": "/some/path.txt", "b": "split-1"}),
        ("a: !!python/tuple [!!python/tuple [1], 2]", {"a": ((1,), 2)}),
    ],
)
def test_read(text, found):
    values = parse(text)
    assert values == found
    assert [type(value) for value in values.values()] == [type(value) for value in found.values()]


@pytest.mark.parametrize(
    "text",
    [
        "5",
        "a",
        "a:",
        "a: [1, 2",
        "a: {b: 1",
        "{a: 1",
        "a: 1}",
        "a: ]",
        "a: (1]",
        "a: 'x",
        "a b",
        "a: !!python/tuple",
        "a: !!python/tuple 5",
        "a: !!int x",
        "a: !!str !!str x",
        "!!python/tuple: 1",
        "a:\n  b: 1",
        "a: " + "[" * 30 + "]" * 30,
        "a: " + "{b: " * 5000,
    ],
)
def test_not_read(text):
    with pytest.raises(NetworkError, match=r"param_str: .* cannot be read"):
        parse(text)


@pytest.mark.parametrize(
    "tag",
    ["!!python/object/apply:os.system", "!!python/name:os.system", "!!python/module:os", "!x"],
)
def test_tags_that_would_run_code(tag, tmp_path):
    touched = tmp_path / "made"
    with pytest.raises(NetworkError, match="param_str"):
        parse(f"a: {tag} ['touch {touched}']")
    assert not touched.exists()


def test_a_name_twice():
    with pytest.raises(NetworkError, match="'a' is given twice"):
        parse("a: 1, 'a': 2")


def test_a_tuple_of_scales():
    text = """layer { name: "in" type: "Input" top: "scores" top: "boxes" top: "info" input_param {
      shape { dim: 1 dim: 24 dim: 4 dim: 4 } shape { dim: 1 dim: 48 dim: 4 dim: 4 }
      shape { dim: 1 dim: 3 } } }
    layer { name: "l" type: "Python" bottom: "scores" bottom: "boxes" bottom: "info" top: "rois"
      python_param { module: "rpn.proposal_layer" layer: "ProposalLayer"
        param_str: "'feat_stride': 16 \\n'scales': !!python/tuple [4, 8, 16, 32]" } }"""
    params = Network.of(parse_net(text).definition).layers[-1].params
    assert (params.feat_stride, params.scales) == (16, (4, 8, 16, 32))
