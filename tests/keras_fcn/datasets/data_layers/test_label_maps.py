from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from keras_fcn.caffe.errors import CaffeError
from tests.keras_fcn.datasets.data_layers.nets import batches, same, source

DENSE = """type: "DenseImageData" top: "data" top: "label" transform_param { %s }
    dense_image_data_param { source: "list.txt" batch_size: 2 %s }"""
SEG = """type: "ImageSegData" top: "data" top: "label" top: "sizes" transform_param { %s }
    image_data_param { source: "list.txt" batch_size: 2 root_folder: "%s" %s }"""
SIZE = (6, 8)
COUNT = 3


def labels(number, size=SIZE):
    """Each label tells the image and its place."""
    return (np.arange(size[0] * size[1]).reshape(size) + 60 * number).astype(np.uint8)


def pixels(number, size=SIZE):
    """Channels that tell the label of a place."""
    value = labels(number, size).astype(int)
    return np.stack([value, 255 - value, value // 2], -1).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "x y").mkdir()
    lines = []
    for number in range(COUNT):
        Image.fromarray(pixels(number)).save(tmp_path / "x y" / f"i{number}.png")
        Image.fromarray(labels(number)).save(tmp_path / "x y" / f"l{number}.png")
        lines.append(f"x y/i{number}.png x y/l{number}.png")
    (tmp_path / "list.txt").write_text("\n".join(lines))
    return tmp_path


def agree(batch, scale=1, mean=0):
    """Whether images and labels still belong together, pixel by pixel; red is the label."""
    red = batch["data"][:, 2] / scale + mean
    return np.array_equal(red, batch["label"][:, 0])


def test_pairs_in_order(folder):
    with source(folder, DENSE % ("", "")) as opened:
        assert opened.shapes == {"data": (2, 3, 6, 8), "label": (2, 1, 6, 8)}
        found = batches(opened, 3)
    order = [int(corner) // 60 for batch in found for corner in batch["label"][:, 0, 0, 0]]
    assert order == [0, 1, 2, 0, 1, 2]
    assert all(agree(batch) for batch in found)


@pytest.mark.parametrize(
    "text",
    [
        DENSE % ("scale: 0.5 mean_value: 3 crop_size: 4 mirror: true", "shuffle: true"),
        DENSE % ("scale: 0.5 mean_value: 3", "mirror: true crop_height: 4 crop_width: 4"),
        SEG % ("scale: 0.5 mean_value: 3 crop_size: 4 mirror: true", "", "shuffle: true"),
        SEG % ("scale: 0.5 mean_value: 3 crop_h: 4 crop_w: 4 mirror: true", "", ""),
        SEG % ("scale: 0.5 mean_value: 3 crop_height: 4 crop_width: 4 mirror: true", "", ""),
    ],
    ids=["dense", "ENet", "seg", "PSPNet", "v2"],
)
def test_crop_and_mirror_are_the_same_for_both(folder, text):
    with source(folder, text) as opened, source(folder, text, seed=1) as other:
        found = batches(opened, 20)
        assert all(agree(batch, 0.5, 3) for batch in found)
        corners = {batch["label"][0, 0, 0, 0] for batch in found}
        assert len(corners) > 10
        steps = {float(np.diff(batch["label"][0, 0, 0, :2])[0]) for batch in found}
        assert steps == {1.0, -1.0}
        state = opened.state()
        other.restore(state)
        assert same(batches(other, 3), batches(opened, 3))


def test_dense_labels_are_resized_without_mixing(folder):
    fields = "new_height: 3 new_width: 4 label_divide_factor: 1"
    with source(folder, DENSE % ("", fields)) as opened:
        batch = opened.next()
    assert batch["data"].shape == (2, 3, 3, 4)
    np.testing.assert_array_equal(batch["label"][0, 0], labels(0)[::2, ::2])
    fields = "new_height: 6 new_width: 8 label_divide_factor: 2"
    with source(folder, DENSE % ("", fields)) as opened:
        batch = opened.next()
    assert batch["data"].shape == (2, 3, 6, 8)
    np.testing.assert_array_equal(batch["label"][1, 0], labels(1)[::2, ::2])


def test_what_is_smaller_than_the_crop_is_padded_with_the_mean(folder):
    with source(folder, SEG % ("mean_value: 3 crop_size: 9", "", "ignore_label: 200")) as opened:
        batch = opened.next()
    assert batch["sizes"].tolist() == [[[[6, 8]]]] * 2
    assert (batch["label"][:, :, 6:] == 200).all()
    assert (batch["label"][:, :, :, 8:] == 200).all()
    assert (batch["data"][:, :, 6:] == 0).all()
    np.testing.assert_array_equal(batch["label"][0, 0, :6, :8], labels(0))
    np.testing.assert_array_equal(batch["data"][0, 2, :6, :8], labels(0).astype(int) - 3)
    with source(folder, SEG % ("mean_value: 3 crop_h: 9 crop_w: 9", "", "")) as opened:
        batch = opened.next()
    np.testing.assert_array_equal(batch["label"][0, 0, 1:7, :8], labels(0))
    assert (batch["label"][0, 0, [0, 7, 8]] == 255).all()
    with source(folder, SEG % ("crop_size: 4", "", "")) as opened:
        assert opened.next()["sizes"].tolist() == [[[[4, 4]]]] * 2


def test_kinds_of_labels(folder):
    (folder / "list.txt").write_text("i0.png 7\ni1.png 8\n")
    root = f"{folder}/x y/"
    with source(folder, SEG % ("", root, "label_type: IMAGE")) as opened:
        batch = opened.next()
    assert (batch["label"][0] == 7).all()
    assert (batch["label"][1] == 8).all()
    assert batch["label"].shape == (2, 1, 6, 8)
    with source(folder, SEG % ("", root, "label_type: NONE ignore_label: 9")) as opened:
        assert (opened.next()["label"] == 9).all()


def save_labels(folder, values, palette=None):
    image = Image.fromarray(values)
    if palette is not None:
        image.putpalette(palette)
    image.save(folder / "x y" / "l0.png")


@pytest.mark.parametrize("text", [DENSE % ("", ""), SEG % ("", "", "")], ids=["dense", "seg"])
def test_label_maps_in_colours_and_of_other_sizes_are_refused(folder, text):
    save_labels(folder, labels(0), bytes(range(0, 255, 1)) * 3)
    with pytest.raises(CaffeError, match=r"l0.png is a label map in colours, of which Caffe makes"):
        source(folder, text)
    save_labels(folder, labels(0, (6, 7)))
    with pytest.raises(CaffeError, match=r"image of \(6, 8\) with a label map of \(6, 7\)"):
        source(folder, text)
    save_labels(folder, np.stack([labels(0)] * 3, -1))  # grey in three channels
    with source(folder, text) as opened:
        assert agree(opened.next())
    (folder / "list.txt").write_text("x.png\n")
    with pytest.raises(CaffeError, match=r"an image and its label map. Received: 'x.png'"):
        source(folder, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (DENSE % ("", "label_divide_factor: 2"), "label_divide_factor divides new_height"),
        (DENSE % ("", "crop_height: 2"), "crop_height and crop_width are given together"),
        (DENSE % ("", "crop_height: 7 crop_width: 2"), "smaller than the crop of 7 x 2"),
        (
            DENSE % ("", "multi_scale: true"),
            "dense_image_data_param has multi_scale: it is a fork's",
        ),
        (SEG % ("crop_h: 7", "", ""), "give crop_size, or height and width of the crop"),
        (SEG % ("crop_size: 3 crop_h: 2 crop_w: 2", "", ""), "give crop_size, or height"),
        (SEG % ("", "", "new_height: 3 new_width: 3"), "would mix the labels"),
        (SEG % ("", "", "label_type: IMAGE"), "an image and its class, a whole number"),
    ],
)
def test_what_the_layers_may_not_say(folder, text, message):
    with pytest.raises(CaffeError, match=message):
        source(folder, text)
