"""Damage to bytes, text and protobuf messages, drawn from a seeded generator."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

Mutation = Callable[[Random, bytes, bytes], bytes]
"""(generator, file, another file of the kind) -> the damaged file."""

MAX_BYTES = 1 << 16  # a mutation that multiplies does not grow beyond this

INTEGERS = (
    *(0, 1, 2, 3, 7, 31, 32, 33, 64, 127, 128, 255, 256, 1000, 65535, 65536, 1 << 20),
    *((1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 53) + 1, (1 << 63) - 1, 1 << 63),
    *((1 << 64) - 1, 10**30, -1, -2, -3, -128, -(1 << 31), -(1 << 31) - 1, -(1 << 63)),
)
FLOATS = (0.0, -0.0, 1e-45, 1e-6, 0.5, -1.0, 3.4e38, 1e39, 1e308, float("inf"), float("nan"))
_TOKEN = re.compile(rb'"(?:\\.|[^"\\\n])*"|[A-Za-z0-9_.+-]+|\s+|.', re.DOTALL)
_BLOCK = re.compile(rb"[A-Za-z_]+\s*:?\s*\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}")
_ODD_TOKENS = (
    *(b"{", b"}", b"<", b">", b"[", b"]", b":", b",", b";", b"#", b'"', b"'", b"\\", b"\0"),
    *(b"\xff", b"\xef\xbb\xbf", b"-", b"nan", b"inf", b"-inf", b"1e999", b"0x", b"0x10", b"07"),
    *(b"true", b"MAX", b'""', b'"\\xff"', b'"\\0"', b"'a/b'", b"1.5f", b"layer {", b"input: "),
    *(b"9" * 5000, b'"' + b"x" * 5000 + b'"', b"layer { type: 'ReLU' bottom: 'data' top: 'data' }"),
)


def _span(rng: Random, size: int, longest: int = 64) -> tuple[int, int]:
    start = rng.randrange(size + 1)
    return start, min(size, start + rng.randint(1, longest))


def _flip(rng: Random, data: bytearray, other: bytes) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _set_byte(rng: Random, data: bytearray, other: bytes) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def _set_number(rng: Random, data: bytearray, other: bytes) -> None:
    width = rng.choice((2, 4, 8))
    number = rng.choice(INTEGERS) & ((1 << 8 * width) - 1)
    start = rng.randrange(len(data) + 1)
    data[start : start + width] = number.to_bytes(width, rng.choice(("little", "big")))


def _delete(rng: Random, data: bytearray, other: bytes) -> None:
    start, stop = _span(rng, len(data))
    del data[start:stop]


def _repeat(rng: Random, data: bytearray, other: bytes) -> None:
    start, stop = _span(rng, len(data), 256)
    times = min(rng.choice((1, 2, 10, 1000)), MAX_BYTES // (stop - start or 1))
    data[stop:stop] = bytes(data[start:stop]) * times


def _insert(rng: Random, data: bytearray, other: bytes) -> None:
    start = rng.randrange(len(data) + 1)
    data[start:start] = rng.randbytes(rng.randint(1, 16))


def _truncate(rng: Random, data: bytearray, other: bytes) -> None:
    del data[rng.randrange(len(data) + 1) :]


def _splice(rng: Random, data: bytearray, other: bytes) -> None:
    start, stop = _span(rng, len(other), 512)
    at, end = _span(rng, len(data), rng.choice((1, 512)))
    data[at:end] = other[start:stop]


_BYTE_STEPS = (
    *(_flip, _flip, _set_byte, _set_byte, _set_number, _set_number),
    *(_delete, _repeat, _insert, _truncate, _splice),
)


def mutate_bytes(rng: Random, data: bytes, other: bytes) -> bytes:
    """A few bytes flipped, set, removed, repeated, inserted, or taken from another file."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        rng.choice(_BYTE_STEPS)(rng, result, other)
    return bytes(result)


def mutate_text(rng: Random, data: bytes, other: bytes) -> bytes:
    """Words, numbers, signs and whole blocks of a text exchanged, dropped and repeated."""
    tokens = _TOKEN.findall(data) or [b""]
    for _ in range(rng.choice((1, 1, 2, 4))):
        places = [i for i, token in enumerate(tokens) if not token.isspace()] or [0]
        place = rng.choice(places)
        kind = rng.randrange(8)
        if kind == 0:
            tokens[place] = rng.choice(_ODD_TOKENS)
        elif kind == 1:
            tokens[place] = rng.choice(_TOKEN.findall(other) or [b""])
        elif kind == 2:
            tokens[place] = b""
        elif kind == 3:
            tokens[place] = b" ".join([tokens[place]] * rng.choice((2, 3, 50)))
        elif kind == 4:
            numbers = [i for i in places if tokens[i][:1].isdigit()] or places
            number = rng.choice((*INTEGERS, *FLOATS))
            tokens[rng.choice(numbers)] = str(number).encode()
        elif kind == 5:
            swap = rng.choice(places)
            tokens[place], tokens[swap] = tokens[swap], tokens[place]
        elif kind == 6:
            blocks = _BLOCK.findall(rng.choice((data, other))) or [b""]
            block = rng.choice(blocks)
            times = min(rng.choice((1, 1, 2, 300)), MAX_BYTES // (len(block) or 1))
            tokens.insert(rng.choice((place, len(tokens))), (b" " + block + b" ") * times)
        else:
            depth = rng.choice((1, 10, 1000, 30_000))
            tokens.insert(place, rng.choice((b"{", b"[", b"<", b"layer {", b"a: {")) * depth)
    return b"".join(tokens)[:MAX_BYTES]


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


_Record = tuple[int, int | bytes]
"""A field: its tag, and the number or the payload."""


def _records(data: bytes) -> list[_Record] | None:
    """The fields of a message; None where the bytes are none."""
    records: list[_Record] = []
    at = 0
    try:
        while at < len(data):
            tag, at = _read_varint(data, at)
            value: int | bytes
            if tag & 7 == 0:
                value, at = _read_varint(data, at)
            elif tag & 7 in (1, 2, 5):
                size = {1: 8, 5: 4}.get(tag & 7)
                if size is None:
                    size, at = _read_varint(data, at)
                value, at = data[at : at + size], at + size
            else:
                return None
            records.append((tag, value))
    except IndexError:
        return None
    return records if at == len(data) and all(tag >> 3 for tag, _ in records) else None


def _encoded(record: _Record) -> bytes:
    tag, value = record
    if isinstance(value, int):
        return _varint(tag) + _varint(value)
    return _varint(tag) + (_varint(len(value)) if tag & 7 == 2 else b"") + value


def mutate_message(rng: Random, data: bytes, other: bytes) -> bytes:
    """Fields of a message, or of one inside it, changed; the lengths around them stay right.

    One kind of damage makes a wrong length on purpose.
    """
    records = _records(data)
    if not records:
        return mutate_bytes(rng, data, other)
    place = rng.randrange(len(records))
    tag, value = records[place]
    if isinstance(value, bytes) and len(value) > 1 and tag & 7 == 2 and rng.random() < 0.75:
        records[place] = tag, mutate_message(rng, value, other)
        return b"".join(map(_encoded, records))
    parts = list(map(_encoded, records))
    kind = rng.randrange(8)
    if kind == 0:
        parts[place] = b""
    elif kind == 1:
        parts[place] *= min(rng.choice((2, 3, 100, 3000)), 1 + MAX_BYTES // len(parts[place]))
    elif kind == 2:
        swap = rng.randrange(len(parts))
        parts[place], parts[swap] = parts[swap], parts[place]
    elif kind == 3:  # another number or another wire type
        parts[place] = _encoded((rng.choice((tag ^ rng.randrange(8), rng.randrange(1200))), value))
    elif kind == 4 and isinstance(value, bytes):  # a length that lies
        size = rng.choice((*INTEGERS, len(value) + 1, max(len(value) - 1, 0)))
        parts[place] = _varint(tag) + _varint(size) + value
    elif kind == 5 and isinstance(value, bytes):
        parts[place] = _encoded((tag, mutate_bytes(rng, value, other)))
    elif kind == 6 and isinstance(value, bytes):  # nested in itself
        for _ in range(rng.choice((1, 10, 200, 2000))):
            value = _encoded((tag, value))[:MAX_BYTES]
        parts[place] = value
    else:
        parts[place] = _varint(tag & ~7) + _varint(rng.choice(INTEGERS))
    return b"".join(parts)[:MAX_BYTES]


def mutate_fields(rng: Random, message: Any) -> None:
    """Fields that the schema knows, set to extremes, some levels deep; in place."""
    descriptor = message.DESCRIPTOR
    present = [field for field, _ in message.ListFields() if field.message_type is not None]
    if present and rng.random() < 0.8:
        field = rng.choice(present)
        value = getattr(message, field.name)
        mutate_fields(rng, rng.choice(value) if field.is_repeated else value)
        return
    field = rng.choice(descriptor.fields)
    if field.message_type is not None:
        owner = getattr(message, field.name)
        child = owner.add() if field.is_repeated else owner
        if not field.is_repeated:
            child.SetInParent()
        mutate_fields(rng, child)
        return
    if message.ListFields() and rng.random() < 0.1:
        message.ClearField(rng.choice(message.ListFields())[0].name)
        return
    values = [_value(rng, field) for _ in range(rng.choice((1, 1, 2, 4, 40)))]
    if field.is_repeated:
        target = getattr(message, field.name)
        if rng.random() < 0.5:
            del target[:]
        target.extend(values)
    else:
        setattr(message, field.name, values[0])


def _value(rng: Random, field: Any) -> Any:
    if field.enum_type is not None:
        return rng.choice(field.enum_type.values).number
    if field.cpp_type == field.CPPTYPE_STRING:
        return rng.choice(
            ("", "data", "a/b", "\0", "é", "..", "x" * 300, "/dev/zero", "/etc/passwd")
        )
    if field.cpp_type == field.CPPTYPE_BOOL:
        return rng.random() < 0.5
    if field.cpp_type in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
        number = rng.choice(FLOATS)
        return struct.unpack("<f", struct.pack("<f", number))[0] if abs(number) < 3e38 else number
    bits = 64 if field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64) else 32
    signed = field.cpp_type in (field.CPPTYPE_INT32, field.CPPTYPE_INT64)
    number = rng.choice(INTEGERS) & ((1 << bits) - 1)
    return number - (1 << bits) if signed and number >> (bits - 1) else number


def choose(rng: Random, mutations: Sequence[Mutation], data: bytes, other: bytes) -> bytes:
    """One of the mutations, sometimes two, one upon the other."""
    for _ in range(rng.choice((1, 1, 1, 2))):
        data = rng.choice(mutations)(rng, data, other)
    return data
