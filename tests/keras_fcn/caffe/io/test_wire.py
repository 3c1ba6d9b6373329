"""The wire format, compared with protobuf's own encoder and decoder."""

from __future__ import annotations

import numpy as np
import pytest
from google.protobuf.internal import encoder
from hypothesis import given
from hypothesis import strategies as st

from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.io import wire


@given(st.integers(0, 2**64 - 1))
def test_varints(number):
    data = wire.write_varint(number)
    assert data == encoder._VarintBytes(number)
    assert wire.read_varint(memoryview(data), 0, len(data)) == (number, len(data))


def test_fields_of_every_wire_type():
    data = bytes([0x08, 0x96, 0x01]) + b"\x11" + bytes(8) + b"\x1a\x03abc" + b"\x25" + bytes(4)
    found = list(wire.fields(memoryview(data), 0, len(data)))
    kinds = [(field.number, field.wire_type) for field in found]
    assert kinds == [(1, wire.VARINT), (2, wire.FIXED64), (3, wire.BYTES), (4, wire.FIXED32)]
    assert found[0].value == 150
    assert data[found[2].start : found[2].stop] == b"abc"
    assert b"".join(data[field.begin : field.stop] for field in found) == data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80", "ends inside a number"),
        (b"\x08", "ends inside a number"),
        (b"\x08" + b"\xff" * 11, "longer than 10 bytes"),
        (b"\x0a\x05abc", "field 1 needs 5 bytes, 3 are left"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "field 1 needs .* bytes, 0 are left"),
        (b"\x0d\x00", "field 1 needs 4 bytes, 1 are left"),
        (b"\x09\x00\x00", "field 1 needs 8 bytes, 2 are left"),
        (b"\x0b", "wire type 3 is not used"),
        (b"\x0f", "wire type 7 is not used"),
        (b"\x02\x00", "field number 0"),
    ],
)
def test_damage_is_named_with_its_place(data, message):
    with pytest.raises(WeightsError, match=rf"^byte \d+: .*{message}"):
        list(wire.fields(memoryview(data), 0, len(data)))


@given(st.binary(max_size=60))
def test_any_bytes_are_fields_or_an_error(data):
    try:
        found = list(wire.fields(memoryview(data), 0, len(data)))
    except WeightsError:
        return
    assert b"".join(data[field.begin : field.stop] for field in found) == data


@pytest.mark.parametrize("count", [1, 2, 100])
def test_run_of_unpacked_numbers_ends_at_another_tag(count):
    values = np.arange(count, dtype="<f4")
    run = b"".join(b"\x2d" + value.tobytes() for value in values)
    for rest in (b"", b"\x08\x01", b"\x08\x2d", b"\x35" + bytes(4), b"\x2d\x00"):
        data = memoryview(run + rest)
        first = wire.read_field(data, 0, len(data))
        array, position = wire.unpacked_run(data, first, len(data), np.dtype("<f4"))
        np.testing.assert_array_equal(array, values)
        assert position == len(run)


def test_long_run_of_unpacked_numbers(monkeypatch):
    monkeypatch.setattr(wire, "_RUN", 7)
    values = np.arange(50, dtype="<f8")
    data = memoryview(b"".join(b"\x41" + value.tobytes() for value in values) + b"\x08\x01")
    first = wire.read_field(data, 0, len(data))
    array, position = wire.unpacked_run(data, first, len(data), np.dtype("<f8"))
    np.testing.assert_array_equal(array, values)
    assert position == len(data) - 2
