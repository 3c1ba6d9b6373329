from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from keras_fcn.caffe.blobs.binaryproto import read_binaryproto
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.proto import schema
from keras_fcn.preprocessing.fixed_point import resize_8bit
from tests.keras_fcn.datasets.data_layers.nets import batches, same, source

TEXT = """type: "WindowData" top: "data" top: "label" transform_param { crop_size: 10 %s }
    window_data_param { source: "windows.txt" batch_size: 4 %s }"""
PIXELS = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
BGR = PIXELS[..., ::-1]


def write(folder, *boxes):
    (folder / "in").mkdir(exist_ok=True)
    Image.fromarray(PIXELS).save(folder / "in" / "a.png")
    listed = "\n".join(" ".join(map(str, box)) for box in boxes)
    (folder / "windows.txt").write_text(f"# 0\nin/a.png\n3\n30\n40\n{len(boxes)}\n{listed}\n")
    return folder


def resized(rows, columns, size):
    return resize_8bit(BGR[rows, columns], size).transpose(2, 0, 1).astype(np.float32)


def only(folder, box, transform="", own="", phase="TEST"):
    """The crop of a net that takes nothing but one window."""
    write(folder, box)
    own = own if "fg_fraction" in own else f"fg_fraction: 1 {own}"
    with source(folder, TEXT % (transform, own), phase) as opened:
        assert opened.shapes == {"data": (4, 3, 10, 10), "label": (4,)}
        return opened.next()


OBJECT = (5, 0.9, 10, 11, 15, 16)  # label, overlap, x1, y1, x2, y2


def test_a_window_is_resized_to_the_crop(tmp_path):
    batch = only(tmp_path, OBJECT, "mean_value: 3", "scale: 0.5")
    expected = (resized(slice(11, 17), slice(10, 16), (10, 10)) - 3) * np.float32(0.5)
    np.testing.assert_array_equal(batch["data"], [expected] * 4)
    assert batch["label"].tolist() == [5] * 4


def test_context_around_a_window(tmp_path):
    """6 pixels and 2 of 10 on each side: 13 - 5 to 13 + 5 across, 14 - 5 to 14 + 5 down."""
    batch = only(tmp_path, OBJECT, own="context_pad: 2")
    expected = resized(slice(9, 20), slice(8, 19), (10, 10))
    np.testing.assert_array_equal(batch["data"][0], expected)


def test_context_beyond_the_image_is_zero(tmp_path):
    """-2 to 8 across: 9 of 11 columns, 8.2 in the crop, behind 1.8 that are not there."""
    box = (5, 0.9, 0, 11, 5, 16)
    batch = only(tmp_path, box, "mean_value: 200", "context_pad: 2")
    expected = resized(slice(9, 20), slice(0, 9), (10, 8)) - 200
    np.testing.assert_array_equal(batch["data"][0][:, :, 2:], expected)
    assert (batch["data"][0][:, :, :2] == 0).all()


def test_what_is_mirrored_lies_on_the_other_side(tmp_path):
    box = (5, 0.9, 0, 11, 5, 16)
    write(tmp_path, box)
    text = TEXT % ("mirror: true", "fg_fraction: 1 context_pad: 2")
    with source(tmp_path, text) as opened:
        crops = np.concatenate([batch["data"] for batch in batches(opened, 10)])
    part = resized(slice(9, 20), slice(0, 9), (10, 8))
    plain = np.pad(part, [(0, 0), (0, 0), (2, 0)])
    mirrored = np.pad(part[:, :, ::-1], [(0, 0), (0, 0), (0, 2)])
    kinds = [np.array_equal(crop, mirrored) for crop in crops]
    assert 10 < sum(kinds) < 30
    for crop, is_mirrored in zip(crops, kinds, strict=True):
        np.testing.assert_array_equal(crop, mirrored if is_mirrored else plain)


def test_square_windows(tmp_path):
    """A window of 4 x 8 becomes 8 x 8 around its centre."""
    batch = only(tmp_path, (5, 0.9, 12, 10, 15, 17), own='crop_mode: "square"')
    expected = resized(slice(10, 19), slice(10, 19), (10, 10))  # 14 - 4 to 14 + 4, both included
    np.testing.assert_array_equal(batch["data"][0], expected)


def test_the_mean_lies_centred_under_the_crop(tmp_path):
    blob = schema.new("BlobProto")
    mean = np.arange(3 * 14 * 14, dtype=np.float32).reshape(3, 14, 14)
    blob.channels, blob.height, blob.width, blob.num = 3, 14, 14, 1
    blob.data.extend(mean.ravel().tolist())
    (tmp_path / "mean").write_bytes(blob.SerializeToString())
    assert read_binaryproto(tmp_path / "mean").shape == (1, 3, 14, 14)
    batch = only(tmp_path, OBJECT, 'mean_file: "mean"')
    expected = resized(slice(11, 17), slice(10, 16), (10, 10)) - mean[:, 2:12, 2:12]
    np.testing.assert_array_equal(batch["data"][0], expected)
    with pytest.raises(CaffeError, match=r"is \(3, 14, 14\) .*not cover a crop of 16 x 16"):
        source(tmp_path, (TEXT % ('mean_file: "mean"', "fg_fraction: 1")).replace("10", "16"))


BOXES = [(n + 1, 0.5, n, 2, n + 9, 11) for n in range(5)] + [
    (n + 1, 0.2, n, 2, n + 9, 11) for n in range(10, 15)
]


def test_backgrounds_come_first_and_are_class_0(tmp_path):
    write(tmp_path, *BOXES, (77, 0.3, 0, 0, 9, 9))
    text = TEXT % ("", "fg_fraction: 0.5 fg_threshold: 0.5 bg_threshold: 0.25")
    with source(tmp_path, text) as opened:
        assert len(opened) == 10
        found = batches(opened, 20)
    labels = np.stack([batch["label"] for batch in found])
    assert (labels[:, :2] == 0).all()
    assert set(labels[:, 2:].ravel()) == {1, 2, 3, 4, 5}
    for batch in found:
        for crop, label in zip(batch["data"][2:], batch["label"][2:], strict=True):
            left = int(label) - 1
            np.testing.assert_array_equal(crop[:, 0, 0], BGR[2, left])


def test_states(tmp_path):
    write(tmp_path, *BOXES)
    text = TEXT % ("mirror: true", "")
    with source(tmp_path, text) as opened, source(tmp_path, text, seed=8) as other:
        batches(opened, 3)
        other.restore(opened.state())
        assert same(batches(other, 3), batches(opened, 3))


@pytest.mark.parametrize(
    ("box", "transform", "own", "message"),
    [
        ((1, 0.9, 30, 2, 40, 9), "", "", r"in/a.png: window 30 2 40 9 does not lie in its image"),
        ((1, 0.9, 9, 2, 5, 9), "", "", "does not lie in its image, which is 30 x 40"),
        ((1, 0.9, 80, 2, 90, 9), "", "context_pad: 1", "does not lie in its image"),
        ((0, 0.9, 0, 0, 5, 5), "", "", "whose label must be 1 or more"),
        ((1, 0.1, 0, 0, 5, 5), "", "", "has no window with an object, and a batch takes 4"),
        ((1, 0.9, 0, 0, 5, 5), "", "fg_fraction: 0", "has no window without an object"),
        ((1, 0.9, 0, 0, 5), "", "", "image 0 is not as it must be.*the file ends"),
        ((1, 0.9, 0, 0, 5, "x"), "", "", "image 0 is not as it must be.*'x'"),
        ((1, 0.9, 0, 0, 5, 5), "scale: 2", "", "give it in window_data_param"),
        ((1, 0.9, 0, 0, 5, 5), "", "context_pad: 5", "must be less than half the crop_size"),
    ],
)
def test_what_does_not_fit(tmp_path, box, transform, own, message):
    with pytest.raises(CaffeError, match=message):
        only(tmp_path, box, transform, own)


def test_files_of_another_form(tmp_path):
    write(tmp_path, OBJECT)
    path = tmp_path / "windows.txt"
    text = TEXT % ("", "fg_fraction: 1")
    for content, message in (
        (path.read_text().replace("# 0", "# 1"), "'# 0' is expected"),
        (path.read_text().replace("\n3\n", "\n1\n"), "in/a.png has 1 channels"),
        ("", "has no window with an object"),
        (path.read_text().replace("a.png", "b.png"), r"names 'in/b\.png', and .* cannot be read"),
    ):
        path.write_text(content)
        with pytest.raises(CaffeError, match=message):
            source(tmp_path, text)
        write(tmp_path, OBJECT)
