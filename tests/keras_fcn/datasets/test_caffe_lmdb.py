from __future__ import annotations

import io
import os
import sys

import numpy as np
import pytest
from PIL import Image

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.io.wire import header
from keras_fcn.caffe.proto import schema
from keras_fcn.datasets import load_lmdb
from keras_fcn.datasets.caffe_lmdb import decode_datum, paired_keys
from keras_fcn.datasets.open_lmdb import keys_of
from tests.keras_fcn.datasets import pictures
from tests.keras_fcn.datasets.pictures import LABELS


def datum(values, encoded=False, **changes):
    """As Caffe's `array_to_datum` and `convert_imageset --encoded` make it."""
    message = schema.new("Datum")
    if encoded:
        file = io.BytesIO()
        Image.fromarray(values).save(file, format="PNG")
        message.encoded, message.data = True, file.getvalue()
    else:
        message.channels, message.height, message.width = values.shape
        if values.dtype == np.uint8:
            message.data = values.tobytes()
        else:
            message.float_data.extend(values.ravel().tolist())
    for name, value in changes.items():
        setattr(message, name, value)
    return message.SerializeToString()


def bgr(image):
    return np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1))


IMAGE, MASK = pictures.image(0), pictures.mask(0)


@pytest.mark.parametrize(
    "content",
    [datum(bgr(IMAGE)), datum(IMAGE, encoded=True)],
    ids=["raw", "encoded"],
)
def test_images(content):
    image = decode_datum(content, False, "db:0")
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, IMAGE)


def test_images_of_floats_and_of_five_channels():
    values = np.random.default_rng(0).uniform(0, 255, (5, 6, 8)).astype(np.float32)
    image = decode_datum(datum(values), False, "db:0")
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, values.transpose(1, 2, 0) / 255, rtol=1e-6)


@pytest.mark.parametrize(
    "content",
    [datum(MASK[np.newaxis]), datum(MASK[np.newaxis].astype(int)), datum(MASK, encoded=True)],
    ids=["bytes", "floats", "encoded"],
)
def test_masks(content):
    np.testing.assert_array_equal(LABELS(decode_datum(content, True, "db:0"), "db:0"), MASK)


@pytest.mark.parametrize(
    ("content", "is_mask", "message"),
    [
        (b"\xff\xff\xff", False, "db:0: not a Datum message"),
        (b"", False, "0 values for 0 x 0 x 0"),
        (datum(bgr(IMAGE), height=7), False, "144 values for 3 x 7 x 8"),
        (datum(bgr(IMAGE), width=2**31 - 1), False, "144 values for 3 x 6 x 2147483647"),
        (datum(bgr(IMAGE), height=-6, width=-8), False, "for 3 x -6 x -8"),
        (datum(np.full((1, 2, 2), np.nan)), False, "NaN or infinite"),
        (datum(bgr(IMAGE)), True, r"one channel. Received: uint8 \(3, 6, 8\)"),
        (datum(np.full((1, 2, 2), 0.5)), True, "whole numbers"),
    ],
)
def test_bad_datums(content, is_mask, message):
    with pytest.raises(CaffeError, match=message):
        decode_datum(content, is_mask, "db:0")


@pytest.mark.parametrize("is_mask", [False, True])
def test_bad_encoded_datums(is_mask):
    whole = datum(pictures.image(0, (40, 40)), encoded=True)
    for content in (datum(IMAGE, encoded=True, data=b"no picture"), _cut(whole)):
        with pytest.raises(ValueError, match="db:0"):
            decode_datum(content, is_mask, "db:0")


def _cut(content):
    message = schema.new("Datum")
    message.ParseFromString(content)
    message.data = message.data[:-400]
    return message.SerializeToString()


def write_lmdb(path, contents):
    lmdb = pytest.importorskip("lmdb", reason="LMDB databases need the package lmdb")
    with (
        lmdb.open(str(path), map_size=1 << 20) as environment,
        environment.begin(write=True) as txn,
    ):
        for key, content in contents.items():
            txn.put(key.encode(), content)
    return path


def test_databases(tmp_path):
    images = write_lmdb(
        tmp_path / "images",
        {f"{i:08}": datum(bgr(pictures.image(i))) for i in range(12)},
    )
    masks = write_lmdb(
        tmp_path / "masks",
        {f"{i:08}": datum(pictures.mask(i)[np.newaxis]) for i in range(11)},
    )
    dataset = load_lmdb(images, masks, LABELS)
    assert [pair.name for pair in dataset.pairs] == [f"{i:08}" for i in range(12)]
    for number in (0, 10):
        image, mask = dataset[number]
        np.testing.assert_array_equal(image, pictures.image(number))
        np.testing.assert_array_equal(mask, pictures.mask(number))
    with pytest.raises(CaffeError, match=r"masks: no such key. Received: b'00000011'"):
        dataset.read(11)


def test_missing_and_damaged_databases(tmp_path):
    masks = write_lmdb(tmp_path / "masks", {"0": datum(MASK[np.newaxis])})
    with pytest.raises(FileNotFoundError):
        load_lmdb(tmp_path / "none", masks, LABELS)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "data.mdb").write_bytes(b"no database" * 2000)
    with pytest.raises(CaffeError, match="bad: not an LMDB database"):
        load_lmdb(tmp_path / "bad", masks, LABELS)
    empty = write_lmdb(tmp_path / "empty", {})
    with pytest.raises(CaffeError, match="are empty"):
        load_lmdb(empty, empty, LABELS)


def test_databases_cut_short(tmp_path):
    whole = write_lmdb(tmp_path / "whole", {str(i): datum(bgr(IMAGE)) for i in range(100)})
    (tmp_path / "cut").mkdir()
    content = (whole / "data.mdb").read_bytes()
    (tmp_path / "cut" / "data.mdb").write_bytes(content[: len(content) // 2])
    with pytest.raises(CaffeError, match=r"cut: cut short; it has \d+ of \d+ bytes"):
        load_lmdb(tmp_path / "cut", whole, LABELS)


def test_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(CaffeError, match=r"images is read with.*pip install 'keras-fcn\[lmdb\]'"):
        load_lmdb(tmp_path / "images", tmp_path / "masks", LABELS)


@pytest.mark.parametrize(
    ("images", "masks", "pairs"),
    [
        # convert_imageset: a number and the file's name.
        ("0_i/a.jpg 1_i/b.jpg", "0_m/a.png 1_m/b.png", "0_i/a.jpg:0_m/a.png 1_i/b.jpg:1_m/b.png"),
        ("00_b.jpg 01_a.png", "00_b.png 01_a.png", "00_b.jpg:00_b.png 01_a.png:01_a.png"),
        ("0_a 1_b 2_c", "0_x 2_z", "0_a:0_x 1_b:1_b 2_c:2_z"),
        # Numbers with and without zeros before them.
        ("0 1 10 2", "00 01 02 10", "0:00 1:01 10:10 2:02"),
        # Names of the files; a number in front need not be one of its own.
        ("7_1.jpg 7_2.jpg", "7_1.png 7_2.png", "7_1.jpg:7_1.png 7_2.jpg:7_2.png"),
        # Nothing in common: the order of Caffe's layers.
        ("a b", "x y", "a:x b:y"),
        # One key is missing in each: nothing is moved up.
        ("a b c", "b c d", "a:a b:b c:c d:d"),
    ],
)
def test_keys_that_differ(images, masks, pairs):
    keys = [[key.encode() for key in text.split()] for text in (images, masks)]
    wanted = [tuple(pair.encode().split(b":")) for pair in pairs.split()]
    assert paired_keys(*keys) == wanted


def test_databases_of_convert_imageset(tmp_path):
    images = write_lmdb(
        tmp_path / "images",
        {f"{i:08}_images/{i}.jpg": datum(bgr(pictures.image(i))) for i in range(2)},
    )
    masks = write_lmdb(
        tmp_path / "masks",
        {f"{i:08}_masks/{i}.png": datum(pictures.mask(i)[np.newaxis]) for i in range(2)},
    )
    dataset = load_lmdb(images, masks, LABELS)
    for number, (image, mask) in enumerate(dataset):
        np.testing.assert_array_equal(image, pictures.image(number))
        np.testing.assert_array_equal(mask, pictures.mask(number))
    few = write_lmdb(tmp_path / "few", {"x": datum(pictures.mask(0)[np.newaxis])})
    with pytest.raises(CaffeError, match=r"no key in common.*2 keys such as.*1 such as \[b'x'\]"):
        load_lmdb(images, few, LABELS)


@pytest.mark.parametrize("is_mask", [False, True])
def test_annotated_datums_hold_boxes(is_mask):
    """Field 1 of `AnnotatedDatum` of SSD is the datum, field 2 the type of annotation."""
    for inner in (datum(bgr(IMAGE)), datum(IMAGE, encoded=True)):
        content = header(1, len(inner)) + inner + b"\x10\x00"
        with pytest.raises(CaffeError, match=r"db:0: an AnnotatedDatum of SSD.* are boxes"):
            decode_datum(content, is_mask, "db:0")


def test_one_file_under_two_names(tmp_path):
    """LMDB goes by the file's number, which one that was deleted while open may have had too."""
    first = write_lmdb(tmp_path / "first", {"0": datum(bgr(IMAGE))})
    (tmp_path / "second").mkdir()
    os.link(first / "data.mdb", tmp_path / "second" / "data.mdb")
    for path in (first, tmp_path / "second", first):
        assert keys_of(path) == [b"0"]
