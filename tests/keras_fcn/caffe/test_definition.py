"""Fields: what a message sets, as plain data that can be compared."""

import copy
import math
import pickle

import numpy as np
import pytest

from keras_fcn.caffe.definition import NO_FIELDS, Fields, Word


def test_plain_data_becomes_fields_and_tuples():
    fields = Fields({"a": {"b": [1, [2, 3]], "none": ()}}, c=np.int64(4), d=np.float32(0.5))
    assert fields["a"] == Fields(b=(1, 2, 3))
    assert (type(fields["c"]), type(fields["d"])) == (int, float)
    assert "none" not in fields["a"]
    assert dict(fields.message("a")) == {"b": (1, 2, 3)}
    assert fields.message("there_is_none") == NO_FIELDS
    with pytest.raises(TypeError, match="field 'x' cannot hold None"):
        Fields(x=None)


def test_fields_are_equal_whatever_their_order_and_can_be_keys():
    one, other = Fields(a=1, b={"x": float("nan")}), Fields(b={"x": -math.nan}, a=1)
    assert one == other
    assert hash(one) == hash(other)
    assert {one: "found"}[other] == "found"
    assert one not in (Fields(a=1), {"a": 1, "b": {}}, Fields(a=2, b={"x": math.nan}))
    assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == one


def test_an_edit_gives_new_fields():
    fields = Fields(a=1, b={"x": 1, "y": (2,)}, c=Word("MAX"))
    assert fields.with_(a=2, b=Fields()).without("c", "d") == Fields(a=2, b={})
    assert fields.merged({"b": {"x": 3}, "d": 4})["b"] == Fields(x=3, y=(2,))
    assert fields == Fields(a=1, b={"x": 1, "y": (2,)}, c=Word("MAX"))
    with pytest.raises(TypeError):
        fields["a"] = 2
