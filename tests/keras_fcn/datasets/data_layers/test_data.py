from __future__ import annotations

import os
import shutil
from pathlib import Path

import lmdb
import numpy as np
import pytest

from keras_fcn.caffe.errors import CaffeError, CaffeWarning, UnsupportedLayerError
from keras_fcn.caffe.net.assembly import load_network
from keras_fcn.datasets.data_layers import open_source
from keras_fcn.datasets.open_lmdb import keys_of
from tests.keras_fcn.datasets.data_layers.nets import batches, same, source
from tests.keras_fcn.datasets.test_caffe_lmdb import datum

TEXT = """type: "Data" top: "data" top: "label" transform_param { %s }
    data_param { source: "db" batch_size: 4 backend: LMDB %s }"""
COUNT = 10


def image(number, size=(6, 7)):
    """Pixels that tell the image, and where they are in it."""
    pixels = np.arange(3 * size[0] * size[1]).reshape(3, *size) + 50 * number
    return (pixels % 251).astype(np.uint8)


def write(folder, contents, name="db"):
    with (
        lmdb.open(str(folder / name), map_size=1 << 24) as environment,
        environment.begin(write=True) as transaction,
    ):
        for number, content in enumerate(contents):
            transaction.put(b"%08d" % number, content)
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path, [datum(image(n), label=n) for n in range(COUNT)])


def test_records_in_the_order_of_keys_across_epochs(folder):
    with source(folder, TEXT % ("", "")) as opened:
        assert len(opened) == COUNT
        assert opened.shapes == {"data": (4, 3, 6, 7), "label": (4,)}
        found = batches(opened, 4)
    labels = [batch["label"].tolist() for batch in found]
    assert labels == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1], [2, 3, 4, 5]]
    for batch in found:
        for pixels, label in zip(batch["data"], batch["label"], strict=True):
            np.testing.assert_array_equal(pixels, image(int(label)))


def test_an_image_without_a_label_has_0_and_labels_may_be_left_out(folder):
    write(folder, [datum(image(0))], "other")
    text = (TEXT % ("", "")).replace('"db"', '"other"')
    with source(folder, text) as opened:
        assert opened.next()["label"].tolist() == [0] * 4
    with source(folder, text.replace('top: "label"', "")) as opened:
        assert list(opened.next()) == ["data"]


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_do_not_depend_on_the_threads(folder, workers):
    text = TEXT % ("crop_size: 3 mirror: true", "")
    with source(folder, text, workers=workers) as opened, source(folder, text) as other:
        assert same(batches(opened, 7), batches(other, 7))


OLD = {
    "V1": """layers { name: "data" type: DATA top: "data" top: "label"
        data_param { source: "db" batch_size: 4 scale: 0.5 crop_size: 3 backend: LMDB } }""",
    "V0": """layers { layer { name: "data" type: "data" source: "db" batchsize: 4 scale: 0.5
        cropsize: 3 } top: "data" top: "label" }""",
}


@pytest.mark.parametrize("form", OLD)
def test_old_forms(folder, form):
    path = folder / "net.prototxt"
    path.write_text(OLD[form])
    layer = load_network(path, "TEST").layers[0]
    with open_source(layer, "TEST", folder) as opened:
        batch = opened.next()
    np.testing.assert_array_equal(batch["data"][1], image(1)[:, 1:4, 2:5] * np.float32(0.5))
    assert batch["label"].tolist() == [0, 1, 2, 3]


def test_a_crop_is_random_in_train_and_central_in_test(folder):
    text = TEXT % ("crop_size: 3", "")
    with source(folder, text, "TEST") as opened:
        np.testing.assert_array_equal(opened.next()["data"][0], image(0)[:, 1:4, 2:5])
    corners = set()
    with source(folder, text) as opened:
        for batch in batches(opened, 60):
            for pixels, label in zip(batch["data"], batch["label"], strict=True):
                whole = image(int(label))
                ((top, left),) = np.argwhere(whole[0] == pixels[0, 0, 0])[:1]
                np.testing.assert_array_equal(pixels, whole[:, top : top + 3, left : left + 3])
                corners.add((int(top), int(left)))
    assert corners == {(top, left) for top in range(4) for left in range(5)}


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_half_of_the_images_are_mirrored_in_both_phases(folder, phase):
    with source(folder, TEXT % ("mirror: true", ""), phase) as opened:
        found = batches(opened, 50)
    mirrored = []
    for batch in found:
        for pixels, label in zip(batch["data"], batch["label"], strict=True):
            whole = image(int(label))
            mirrored.append(np.array_equal(pixels, whole[:, :, ::-1]))
            assert mirrored[-1] or np.array_equal(pixels, whole)
    assert 70 < sum(mirrored) < 130


def test_rand_skip_begins_within_the_first_epoch(folder):
    starts = set()
    for seed in range(12):
        with source(folder, TEXT % ("", "rand_skip: 3"), seed=seed) as opened:
            labels = np.concatenate([batch["label"] for batch in batches(opened, 4)])
        starts.add(int(labels[0]))
        assert (labels == (labels[0] + np.arange(16)) % COUNT).all()
    assert starts == {0, 1, 2}
    with pytest.raises(CaffeError, match=r"rand_skip 999999 is more than the 10 records of"):
        source(folder, TEXT % ("", "rand_skip: 999999"))


def test_states(folder):
    text = TEXT % ("crop_size: 3 mirror: true", "rand_skip: 4")
    with source(folder, text, seed=None) as opened, source(folder, text, seed=None) as other:
        batches(opened, 3)
        state = opened.state()
        expected = batches(opened, 5)
        other.restore(state)
        assert same(batches(other, 5), expected)
        assert opened.state() == other.state()
    with source(folder, text, seed=5) as opened, source(folder, text, seed=6) as other:
        assert not same(opened.next(), other.next())


def spoilt(folder, bad):
    contents = [datum(image(n), label=n) for n in range(COUNT)]
    for number, content in bad.items():
        contents[number] = content
    return write(folder, contents)


BAD = {
    "no message": b"\xff" * 9,
    "too few values": datum(image(0), width=6),
    "no image": datum(image(0)[0], encoded=True, data=b"no image"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_record_is_named_by_its_key_and_comes_again(tmp_path, name):
    spoilt(tmp_path, {5: BAD[name]})
    with source(tmp_path, TEXT % ("", "")) as opened:
        first = opened.next()
        for _ in range(2):
            with pytest.raises(CaffeError, match=r"layer 'data' \(Data\): .*db: key '00000005': "):
                opened.next()
        assert opened.state()["given"] == 4
    with source(tmp_path, TEXT % ("", ""), skip_bad=True) as opened:
        assert same(opened.next(), first)
        assert opened.skipped == 0
        state = opened.state()
        assert opened.next()["label"].tolist() == [4, 6, 7, 8]
        assert opened.next()["label"].tolist() == [9, 0, 1, 2]
        assert opened.next()["label"].tolist() == [3, 4, 6, 7]
        assert opened.skipped == 2
        opened.restore(state)
        assert opened.next()["label"].tolist() == [4, 6, 7, 8]
        assert opened.skipped == 1


def test_bad_records_at_the_beginning_and_nothing_else(tmp_path):
    bad = BAD["no message"]
    spoilt(tmp_path, {0: bad, 1: bad})
    with pytest.raises(CaffeError, match="key '00000000'"):
        source(tmp_path, TEXT % ("", ""))
    with source(tmp_path, TEXT % ("", ""), skip_bad=True) as opened:
        assert opened.next()["label"].tolist() == [2, 3, 4, 5]
    write(tmp_path, [bad] * 3, "all")
    with pytest.raises(CaffeError, match=r"key '00000002'.*so are all 3 records"):
        source(tmp_path, (TEXT % ("", "")).replace('"db"', '"all"'), skip_bad=True)


def test_sizes_that_differ_need_a_crop_or_batches_of_one(tmp_path):
    write(tmp_path, [datum(image(n, (6 + n, 8 - n)), label=n) for n in range(3)])
    with (
        source(tmp_path, TEXT % ("", "")) as opened,
        pytest.raises(
            CaffeError,
            match=r"sizes differ within a batch: 'data' is \(3, 6, 8\) of .*key '00000000' and "
            r"\(3, 7, 7\) of .*key '00000001'",
        ),
    ):
        opened.next()
    with source(tmp_path, TEXT % ("crop_size: 5", "")) as opened:
        assert opened.next()["data"].shape == (4, 3, 5, 5)
    text = (TEXT % ("", "")).replace("batch_size: 4", "batch_size: 1")
    with source(tmp_path, text) as opened:
        shapes = [batch["data"].shape for batch in batches(opened, 4)]
    assert shapes == [(1, 3, 6, 8), (1, 3, 7, 7), (1, 3, 8, 6), (1, 3, 6, 8)]


@pytest.mark.parametrize(
    ("transform", "own", "message"),
    [
        ("crop_size: 9", "", r"'00000000' is 6 x 7 \(height, width\), smaller than the crop"),
        ("mean_value: 1 mean_value: 2", "", "2 mean_value for 3 channels of .*give 1 or 3"),
        ('mean_value: 1 mean_file: "m"', "", "mean_file and mean_value exclude each other"),
        ('mean_file: "gone"', "", "no mean_file 'gone' or '"),
        ("force_color: true force_gray: true", "", "force_color and force_gray exclude"),
        ("", "batch_size: 0", "batch_size of 1 or more"),
    ],
)
def test_what_does_not_fit(folder, transform, own, message):
    text = (TEXT % (transform, own)).replace("batch_size: 4", "" if own else "batch_size: 4")
    with pytest.raises(CaffeError, match=message):
        source(folder, text)


def test_fields_that_are_not_read_are_refused(folder):
    """A fork may change the images by a field that no schema here has."""
    with (
        pytest.warns(CaffeWarning),
        pytest.raises(UnsupportedLayerError, match="transform_param has hue, which is a fork's"),
    ):
        source(folder, TEXT % ("hue: 3", ""))
    with (
        pytest.warns(CaffeWarning),
        pytest.raises(
            UnsupportedLayerError, match="data_param has cache: it is a fork's, and not read here"
        ),
    ):
        source(folder, TEXT % ("", "cache: true"))
    with pytest.raises(
        UnsupportedLayerError, match="data_param has crop_size: Caffe reads it in transform_param"
    ):
        source(folder, TEXT % ("", "crop_size: 3"))


def test_a_fork_s_transform_is_refused(folder):
    with pytest.raises(UnsupportedLayerError, match="transform_param has resize_param, which"):
        source(folder, TEXT % ("resize_param { height: 3 width: 3 }", ""))


def test_missing_and_other_databases(folder):
    with pytest.raises(CaffeError, match=r"no database 'gone' or '.*gone'; it is looked for in"):
        source(folder, (TEXT % ("", "")).replace('"db"', '"gone"'))
    (folder / "empty").mkdir()
    with pytest.raises(CaffeError, match="empty"):
        source(folder, (TEXT % ("", "")).replace('"db"', '"empty"'))
    write(folder, [], "none")
    with pytest.raises(CaffeError, match=r"there is nothing in .*none"):
        source(folder, (TEXT % ("", "")).replace('"db"', '"none"'))
    with pytest.raises(CaffeError, match="no database is given"):
        source(folder, (TEXT % ("", "")).replace('source: "db"', ""))


def test_the_working_folder_comes_first(folder, monkeypatch, tmp_path_factory):
    here = write(tmp_path_factory.mktemp("here"), [datum(image(3), label=77)])
    with source(folder, TEXT % ("", "")) as opened:
        assert opened.next()["label"].tolist() == [0, 1, 2, 3]
    monkeypatch.chdir(here)
    with source(folder, TEXT % ("", "")) as opened:
        assert opened.next()["label"].tolist() == [77] * 4


def test_leveldb(tmp_path):
    plyvel = pytest.importorskip("plyvel")
    database = plyvel.DB(str(tmp_path / "db"), create_if_missing=True)
    for number in range(COUNT):
        database.put(b"%08d" % number, datum(image(number), label=number))
    database.close()
    with source(tmp_path, (TEXT % ("", "")).replace("LMDB", "LEVELDB")) as opened:
        labels = [batch["label"].tolist() for batch in batches(opened, 3)]
    assert labels == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]


def test_a_leveldb_needs_its_package(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "plyvel", None)
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "CURRENT").write_text("MANIFEST-000002\n")
    with pytest.raises(CaffeError, match=r"read with the package plyvel: pip install 'keras-fcn\["):
        source(tmp_path, TEXT % ("", ""))


def test_closing_does_not_wait_for_records_that_nobody_asked_for(folder):
    opened = source(folder, TEXT % ("", ""))
    opened.next()
    opened.close()
    opened.close()
    assert opened.next()["label"].tolist() == [4, 5, 6, 7]
    opened.close()


def replaced(folder, numbers):
    """The database anew, with other images under the same keys."""
    shutil.rmtree(folder / "db")
    return write(folder, [datum(image(n), label=n) for n in numbers])


def test_a_database_that_was_replaced_is_opened_anew(folder):
    text = TEXT % ("", "")
    with source(folder, text) as opened:
        assert opened.next()["label"].tolist() == [0, 1, 2, 3]
    for first in (10, 20):
        replaced(folder, range(first, first + 4))
        with source(folder, text) as opened:
            assert len(opened) == 4
            batch = opened.next()
            assert batch["label"].tolist() == [first + n for n in range(4)]
            np.testing.assert_array_equal(batch["data"][0], image(first))


def test_a_database_that_is_written_over_is_opened_anew(folder, tmp_path):
    (tmp_path / "new").mkdir()
    write(tmp_path / "new", [datum(image(n), label=n) for n in range(30, 34)])
    with source(folder, TEXT % ("", "")) as opened:
        opened.next()
    shutil.copyfile(tmp_path / "new" / "db" / "data.mdb", folder / "db" / "data.mdb")
    with source(folder, TEXT % ("", "")) as opened:
        assert opened.next()["label"].tolist() == [30, 31, 32, 33]


def test_a_database_that_is_replaced_while_it_is_read_is_told(folder):
    with source(folder, TEXT % ("", "")) as opened:
        opened.next()
        replaced(folder, range(10, 10 + COUNT))
        opened.close()  # what was read ahead
        with pytest.raises(CaffeError, match=r"db was replaced while it was read; open what reads"):
            opened.next()


def test_a_database_that_is_deleted_is_read_on(folder):
    with source(folder, TEXT % ("", "")) as opened:
        opened.next()
        opened.close()
        shutil.rmtree(folder / "db")
        assert opened.next()["label"].tolist() == [4, 5, 6, 7]


def test_databases_do_not_stay_open_without_end(tmp_path):
    names = [f"db{n}" for n in range(40)]
    for name in names:
        write(tmp_path, [datum(image(0))], name)
        assert keys_of(tmp_path / name) == [b"00000000"]
    held = {os.readlink(x) for x in Path("/proc/self/fd").iterdir() if x.is_symlink()}
    assert sum(x.startswith(str(tmp_path)) for x in held) <= 16


def test_a_leveldb_that_was_replaced_is_opened_anew(tmp_path):
    plyvel = pytest.importorskip("plyvel")

    def made(label):
        database = plyvel.DB(str(tmp_path / "new"), create_if_missing=True)
        for number in range(4):
            database.put(b"%08d" % number, datum(image(number), label=label))
        database.close()
        shutil.rmtree(tmp_path / "db", ignore_errors=True)
        (tmp_path / "new").rename(tmp_path / "db")

    made(1)
    with source(tmp_path, TEXT % ("", "")) as first:
        assert first.next()["label"].tolist() == [1] * 4
        first.close()
        made(2)
        with source(tmp_path, TEXT % ("", "")) as opened:
            assert opened.next()["label"].tolist() == [2] * 4
        with pytest.raises(CaffeError, match=r"db was replaced while it was read"):
            first.next()
