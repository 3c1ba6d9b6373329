"""Arguments in messages: Python's names, or options while a command runs."""

from __future__ import annotations

import pytest

from keras_fcn.caffe import words
from keras_fcn.cli.flags import flag


def told():
    return words.argument("crop_size"), words.quoted("exports"), words.either("a=1", "--a 1")


def test_options_are_called_so_until_the_command_ends():
    python = ("crop_size", "`exports`", "a=1")
    assert told() == python
    with words.options_as(flag):
        assert told() == ("--crop-size", "--export", "--a 1")
    with pytest.raises(ValueError, match="wrong"), words.options_as(flag):
        raise ValueError("wrong")
    assert told() == python
