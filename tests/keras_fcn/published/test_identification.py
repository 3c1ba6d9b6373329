"""Files are known by their hash."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil

import pytest

import convert
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.published import identify, published
from keras_fcn.published.entries import RemoteFile


def test_weights_under_any_name(small, tmp_path):
    shutil.copy(small.caffemodel, tmp_path / "net")
    identity = identify(tmp_path / "net")
    assert (identity.entry.name, identity.part, identity.converted) == (
        small.name,
        "weights",
        False,
    )
    assert str(identity) == "small_lenet (LeNet with random weights), weights"


def test_prototxt(small):
    identity = identify(small.prototxt)
    assert (identity.entry.name, identity.part) == (small.name, "prototxt")


def test_converted_weights_tell_their_source(small, tmp_path):
    convert.convert(small.prototxt, small.caffemodel, tmp_path / "net.h5")
    identity = identify(tmp_path / "net.h5")
    assert (identity.entry.name, identity.converted) == (small.name, True)


@pytest.mark.parametrize("kind", ["sha1", "md5", "sha256"])
def test_any_kind_of_hash_will_do(kind, small, monkeypatch):
    entry = published()[small.name]
    digest = hashlib.new(kind, small.caffemodel.read_bytes()).hexdigest()
    changed = dataclasses.replace(entry, weights=RemoteFile((), None, {kind: digest}))
    monkeypatch.setitem(published(), small.name, changed)
    assert identify(small.caffemodel).entry.name == small.name


def test_other_files_are_not_known(small, tmp_path):
    body = bytearray(small.caffemodel.read_bytes())
    body[-1] ^= 1
    (tmp_path / "same size").write_bytes(body)
    assert identify(tmp_path / "same size") is None
    (tmp_path / "empty").touch()
    assert identify(tmp_path / "empty") is None


def test_a_file_that_is_not_there():
    with pytest.raises(CaffeError, match="cannot read absent"):
        identify("absent")
