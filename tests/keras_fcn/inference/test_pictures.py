"""Pictures in every form: which are meant, in which order, with which pixels."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import keras_fcn
from keras_fcn.inference.pictures import is_one, pictures

RNG = np.random.default_rng(0)
PIXELS = [RNG.integers(0, 256, (4, 5, 3), np.uint8) for _ in range(3)]


@pytest.fixture
def folder(tmp_path):
    """Three pictures by name, and files that are none."""
    for name, pixels in zip(("a.png", "b.PNG", "c.png"), PIXELS, strict=True):
        Image.fromarray(pixels).save(tmp_path / name, format="PNG")
    (tmp_path / "notes.md").write_text("no picture")
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / "list.txt").write_text("c.png\n\n  a.png\n")
    return tmp_path


def frames():
    """Frames in one memory, as a camera may give them."""
    memory = np.empty_like(PIXELS[0])
    for pixels in PIXELS:
        memory[:] = pixels
        yield memory


def animation(path):
    first, *others = map(Image.fromarray, PIXELS)
    first.save(path, save_all=True, append_images=others, format="TIFF")
    with Image.open(path) as image:
        for index in range(3):
            image.seek(index)
            yield image


FORMS = {
    "folder": (lambda folder: folder, (0, 1, 2)),
    "text": (lambda folder: str(folder / "b.PNG"), (1,)),
    "pattern": (lambda folder: f"{folder}/[bc].*", (1, 2)),
    "list file": (lambda folder: folder / "list.txt", (2, 0)),
    "paths": (lambda folder: [folder / "c.png", folder / "a.png"], (2, 0)),
    "mixed": (lambda folder: [PIXELS[2], folder, Image.fromarray(PIXELS[1])], (2, 0, 1, 2, 1)),
    "array": (lambda _: PIXELS[1], (1,)),
    "batch": (lambda _: np.stack(PIXELS), (0, 1, 2)),
    "batches": (lambda _: (np.stack(x) for x in (PIXELS[:2], PIXELS[2:])), (0, 1, 2)),
    "frames": (lambda _: frames(), (0, 1, 2)),
    "animation": (lambda folder: animation(folder / "x.tif"), (0, 1, 2)),
    "nothing": (lambda _: [], ()),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(folder, form):
    make, wanted = FORMS[form]
    found = list(pictures(make(folder)))  # all before one is read, as threads that lag would
    assert len(found) == len(wanted)
    for picture, index in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(picture.read(3), PIXELS[index])


def test_one_or_several(folder):
    one = [folder / "a.png", "absent.jpg", PIXELS[0], PIXELS[0][..., 0], Image.new("L", (2, 2))]
    several = [folder, f"{folder}/*", folder / "list.txt", PIXELS[0][None], PIXELS, iter(())]
    assert all(map(is_one, one))
    assert not any(map(is_one, several))


def test_names_are_files_or_numbers(folder):
    names = [x.name for x in pictures([PIXELS[0], folder / "a.png", PIXELS[1]])]
    assert names == ["picture 0", str(folder / "a.png"), "picture 2"]
    assert [x.name for x in pictures(PIXELS[0])] == [""]


@pytest.mark.parametrize(
    ("mode", "channels", "shape"),
    [("L", 3, 3), ("RGB", 1, 1), ("RGBA", 3, 3), ("P", 3, 3), ("I;16", 1, 1), ("RGBA", 4, 4)],
)
def test_pillow_images_are_read_as_their_files(tmp_path, mode, channels, shape):
    image = Image.fromarray(PIXELS[0][..., 0]).convert(mode) if mode != "I;16" else None
    image = image or Image.fromarray(PIXELS[0][..., 0].astype(np.uint16) * 200)
    image.save(tmp_path / "x.png")
    (given,) = pictures(image)
    (read,) = pictures(tmp_path / "x.png")
    assert given.read(channels).shape == (4, 5, shape)
    np.testing.assert_array_equal(given.read(channels), read.read(channels))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (7, "Received: int"),
        ({"a": 1}, "Received: dict"),
        (b"abc", "Received: bytes"),
        ([None], "Received: NoneType"),
        (np.zeros((1, 2, 3, 4, 5)), r"shape \(1, 2, 3, 4, 5\)"),
        (np.zeros(3), r"shape \(3,\)"),
        ("https://example.org/a.jpg", "download it first"),
        ("nothing/*.jpg", "no file is of this pattern"),
    ],
)
def test_other_forms(images, message):
    with pytest.raises(ValueError, match=message):
        list(pictures(images))


def test_folders_and_lists_without_pictures(tmp_path):
    with pytest.raises(ValueError, match="no pictures"):
        list(pictures(tmp_path))
    (tmp_path / "cats").mkdir()
    with pytest.raises(ValueError, match="of folders within it give"):
        list(pictures(tmp_path))
    (tmp_path / "list.txt").write_text("\n")
    with pytest.raises(ValueError, match="it is empty"):
        list(pictures(tmp_path / "list.txt"))


@pytest.mark.parametrize("form", [str, Path, Image.open, lambda path: np.asarray(Image.open(path))])
def test_predict_takes_one_picture_in_any_form(form, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (5, 6, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = keras.Input((None, None, 3))
    plain = keras_fcn.Preprocessing(mean=None, channel_order="rgb")
    same = keras.layers.Conv2D(3, 1, use_bias=False)
    model = keras_fcn.with_card(keras.Model(image, same(image)), preprocessing=plain)
    same.set_weights([np.eye(3)[np.newaxis, np.newaxis]])
    scores = keras_fcn.predict(model, form(tmp_path / "a.png"))
    np.testing.assert_allclose(scores, pixels, atol=1e-4)


@pytest.mark.parametrize("several", [["a.png"], ".", "*.png"])
def test_predict_refuses_several(several):
    image = keras.Input((4, 4, 3))
    model = keras_fcn.with_card(
        keras.Model(image, keras.layers.Flatten()(image)),
        preprocessing=keras_fcn.Preprocessing(mean=None),
    )
    with pytest.raises(ValueError, match="predict takes one picture"):
        keras_fcn.predict(model, several)
