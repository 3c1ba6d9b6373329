from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.preprocessing.fixed_point import resize_8bit
from tests.keras_fcn.datasets.data_layers.nets import batches, same, source

TEXT = """type: "ImageData" top: "data" top: "label" transform_param { %s }
    image_data_param { source: "list.txt" batch_size: 3 %s }"""
NAMES = ("a.png", "b c.png", "sub/d.png", "e.png", "f.png")


def pixels(number, size=(6, 8)):
    return np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)


def bgr(number):
    return pixels(number)[..., ::-1].transpose(2, 0, 1)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pictures" / "sub").mkdir(parents=True)
    for number, name in enumerate(NAMES):
        Image.fromarray(pixels(number)).save(tmp_path / "pictures" / name)
    lines = [f"{name} {number}" for number, name in enumerate(NAMES)]
    (tmp_path / "list.txt").write_text("\n".join(lines) + "\n\n")
    return tmp_path


ROOT = 'root_folder: "pictures/"'


def labels(opened, count):
    return np.concatenate([batch["label"] for batch in batches(opened, count)]).tolist()


def test_images_in_the_order_of_the_list(folder):
    with source(folder, TEXT % ("", ROOT)) as opened:
        assert opened.shapes == {"data": (3, 3, 6, 8), "label": (3,)}
        found = batches(opened, 3)
    assert [batch["label"].tolist() for batch in found] == [[0, 1, 2], [3, 4, 0], [1, 2, 3]]
    for batch in found:
        for image, label in zip(batch["data"], batch["label"], strict=True):
            np.testing.assert_array_equal(image, bgr(int(label)))


def test_resized_grey_and_transformed(folder):
    fields = f"{ROOT} new_height: 5 new_width: 4 is_color: false"
    with source(
        folder, TEXT % ("mean_value: 10 scale: 0.5 crop_size: 3", fields), "TEST"
    ) as opened:
        image = opened.next()["data"][0]
    red, green, blue = np.moveaxis(pixels(0).astype(int), -1, 0)
    grey = (9797 * red + 19234 * green + 3737 * blue >> 15).astype(np.uint8)
    resized = resize_8bit(grey[..., np.newaxis], (5, 4))[1:4, 0:3, 0]
    np.testing.assert_array_equal(image, [(resized.astype(np.float32) - 10) * np.float32(0.5)])


def test_shuffled_anew_in_each_epoch_and_states(folder):
    text = TEXT % ("mirror: true", f"{ROOT} shuffle: true rand_skip: 2")
    with source(folder, text.replace("rand_skip: 2", "")) as opened:
        found = labels(opened, 25)
    epochs = [tuple(found[start : start + 5]) for start in range(0, 75, 5)]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs)
    assert len(set(epochs)) > 10
    with source(folder, text) as opened, source(folder, text, seed=9) as other:
        batches(opened, 4)
        state = opened.state()
        expected = batches(opened, 6)
        other.restore(state)
        assert same(batches(other, 6), expected)


def test_missing_and_damaged_images(folder):
    (folder / "pictures" / "e.png").unlink()
    (folder / "pictures" / "f.png").write_bytes(b"no image")
    with source(folder, TEXT % ("", ROOT)) as opened:
        opened.next()
        with pytest.raises(
            CaffeError, match=r"list.txt names 'e.png', and .*pictures/e.png cannot"
        ):
            opened.next()
    with source(folder, TEXT % ("", ROOT), skip_bad=True) as opened:
        assert labels(opened, 2) == [0, 1, 2, 0, 1, 2]
        assert opened.skipped == 2
    (folder / "pictures" / "e.png").write_bytes((folder / "pictures" / "a.png").read_bytes()[:50])
    with source(folder, TEXT % ("", ROOT)) as opened:
        opened.next()
        with pytest.raises(CaffeError, match=r"pictures/e.png: not an image that is whole"):
            opened.next()


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ("", r"there is nothing in .*list.txt"),
        ("a.png\n", r"an image and its label, a whole number. Received: 'a.png'"),
        ("a.png 0.5\n", r"Received: 'a.png 0.5'"),
        ("a.png cat\n", r"Received: 'a.png cat'"),
        ("gone.png 1\n", r"names 'gone.png', and .*No such file"),
    ],
)
def test_bad_lists(folder, listed, message):
    (folder / "list.txt").write_text(listed)
    with pytest.raises(CaffeError, match=message):
        source(folder, TEXT % ("", ROOT))


def test_a_list_that_is_no_text(folder):
    (folder / "list.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CaffeError, match=r"net.prototxt:1: .*not a list in UTF-8 text"):
        source(folder, TEXT % ("", ROOT))


def test_one_size_is_not_given_without_the_other(folder):
    with pytest.raises(CaffeError, match="new_height and new_width are given together"):
        source(folder, TEXT % ("", "new_height: 4"))
