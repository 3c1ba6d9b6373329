"""Expected values are OpenCV 4.14's of the same files."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from keras_fcn.preprocessing.opencv_decoding import decode_bgr

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)


def encoded(image, form="PNG", **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def picture(mode="RGB"):
    return Image.fromarray(PIXELS).convert(mode)


def opencv(content, color):
    cv2 = pytest.importorskip("cv2")
    flag = {True: cv2.IMREAD_COLOR, False: cv2.IMREAD_GRAYSCALE, None: cv2.IMREAD_UNCHANGED}
    image = cv2.imdecode(np.frombuffer(content, np.uint8), flag[color])
    return image[..., np.newaxis] if image.ndim == 2 else image


def test_colours_are_blue_green_red():
    np.testing.assert_array_equal(decode_bgr(encoded(picture())), PIXELS[..., ::-1])


def test_grey_of_a_png_is_cut_and_of_others_rounded():
    pixels = Image.fromarray(np.array([[[10, 20, 30], [255, 0, 0], [9, 200, 77]]], np.uint8))
    assert decode_bgr(encoded(pixels), False).ravel().tolist() == [18, 76, 128]
    assert decode_bgr(encoded(pixels, "BMP"), False).ravel().tolist() == [18, 76, 129]


def rgba():
    image = picture("RGBA")
    image.putalpha(Image.fromarray(PIXELS[..., 0]))
    return image


IMAGES = {
    "png": lambda: encoded(picture()),
    "grey png": lambda: encoded(picture("L")),
    "alpha": lambda: encoded(rgba()),
    "grey and alpha": lambda: encoded(picture("LA")),
    "palette": lambda: encoded(picture().quantize(7)),
    "clear palette": lambda: encoded(picture().quantize(7), transparency=3),
    "one bit": lambda: encoded(picture("1")),
    "bmp": lambda: encoded(picture(), "BMP"),
    "tiff": lambda: encoded(picture(), "TIFF"),
    "jpeg": lambda: encoded(picture(), "JPEG", quality=80),
    "jpeg 4:4:4": lambda: encoded(picture(), "JPEG", quality=95, subsampling=0),
    "grey jpeg": lambda: encoded(picture("L"), "JPEG"),
    "turned jpeg": lambda: encoded(picture(), "JPEG", exif=turned()),
}


def turned():
    exif = Image.Exif()
    exif[274] = 6
    return exif


@pytest.mark.parametrize("color", [True, False, None])
@pytest.mark.parametrize("name", IMAGES)
def test_every_kind_of_file_is_as_opencv_reads_it(name, color):
    content = IMAGES[name]()
    np.testing.assert_array_equal(decode_bgr(content, color), opencv(content, color))


def test_sixteen_bits_are_cut_to_eight():
    values = np.array([[0, 255, 256, 65535]], np.uint16)
    content = encoded(Image.fromarray(values))
    assert decode_bgr(content, False).ravel().tolist() == [0, 0, 1, 255]
    with pytest.raises(ValueError, match="more than 8 bits"):
        decode_bgr(content, None)


def test_sixteen_bits_of_colours():
    cv2 = pytest.importorskip("cv2")
    values = np.random.default_rng(0).integers(0, 65536, (4, 5, 3), np.uint16)
    content = cv2.imencode(".png", values)[1].tobytes()
    np.testing.assert_array_equal(decode_bgr(content), values >> 8)
    with pytest.raises(ValueError, match="more than 8 bits"):
        decode_bgr(content, None)


@pytest.mark.parametrize("color", [True, False, None])
def test_what_is_no_whole_image(tmp_path, color):
    whole = encoded(picture(), "JPEG")
    for content in (b"", b"no image", whole[: len(whole) // 2], encoded(picture())[:-30]):
        with pytest.raises(ValueError, match="not an image that is whole"):
            decode_bgr(content, color)
    (tmp_path / "a.png").write_bytes(encoded(picture()))
    assert decode_bgr(tmp_path / "a.png", color).shape == (4, 5, 1 if color is False else 3)
    with pytest.raises(FileNotFoundError):
        decode_bgr(tmp_path / "b.png", color)
