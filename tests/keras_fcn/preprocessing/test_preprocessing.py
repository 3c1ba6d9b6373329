"""Preprocessing against its definition, one pixel at a time."""

import io
import json
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_fcn.preprocessing import (
    ILSVRC_2012_MEAN_PIXEL,
    Preprocessing,
    deprocess,
    load_image,
    oversample,
    preprocess_input,
)
from keras_fcn.preprocessing.images import as_uint8
from keras_fcn.preprocessing.resampling import center_crop, resize
from keras_fcn.published.data import ilsvrc_2012_mean, imagenet_classes

CAT = Path(__file__).parents[2] / "data" / "images" / "cat.jpg"


def random_image(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def interpolated(image, row, column):
    """The bilinear value of (H, W) at a place inside the image, in double precision."""
    row = min(max(row, 0.0), image.shape[0] - 1.0)
    column = min(max(column, 0.0), image.shape[1] - 1.0)
    top, left = math.floor(row), math.floor(column)
    bottom, right = min(top + 1, image.shape[0] - 1), min(left + 1, image.shape[1] - 1)
    y, x = row - top, column - left
    upper = (1 - x) * float(image[top, left]) + x * float(image[top, right])
    lower = (1 - x) * float(image[bottom, left]) + x * float(image[bottom, right])
    return (1 - y) * upper + y * lower


# Values


def test_default_is_bgr_less_the_mean_pixel():
    image = random_image(4, 5, 3)
    result = preprocess_input(image)
    assert result.dtype == np.float32
    for channel, mean in enumerate((104.00698793, 116.66876762, 122.67891434)):
        expected = image[..., 2 - channel].astype(np.float64) - mean
        np.testing.assert_allclose(result[..., channel], expected, atol=1e-5)


def test_a_float_image_is_worth_its_8_bit_twin():
    image = random_image(6, 7, 3)
    np.testing.assert_allclose(
        preprocess_input((image / 255.0).astype(np.float32)), preprocess_input(image), atol=2e-5
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint16])
def test_any_integers_hold_0_to_255(dtype):
    image = random_image(3, 3, 3)
    np.testing.assert_array_equal(preprocess_input(image.astype(dtype)), preprocess_input(image))


def test_order_of_scales_and_mean():
    image = np.array([[[0.25, 0.5, 1.0]]])
    result = preprocess_input(image, raw_scale=8.0, mean=(1.0, 2.0, 3.0), input_scale=0.5)
    np.testing.assert_allclose(result, [[[(8 - 1) / 2, (4 - 2) / 2, (2 - 3) / 2]]])


def test_raw_scale_scales_integers_from_255():
    result = preprocess_input(np.full((1, 1, 3), 51, np.uint8), raw_scale=1.0, mean=None)
    np.testing.assert_allclose(result, np.full((1, 1, 3), 0.2), rtol=1e-6)


def test_rgb_nets_keep_the_order_and_get_the_mean_reversed():
    image = random_image(2, 2, 3)
    bgr = preprocess_input(image)
    np.testing.assert_array_equal(preprocess_input(image, channel_order="rgb"), bgr[..., ::-1])
    crop = random_image(20, 30, 3)
    bgr = preprocess_input(crop, mean="ilsvrc_2012")
    rgb = preprocess_input(crop, mean="ilsvrc_2012", channel_order="rgb")
    np.testing.assert_array_equal(rgb, bgr[..., ::-1])


def test_given_means_are_in_the_order_of_the_net():
    image = np.array([[[10, 20, 30]]], np.uint8)
    rgb = preprocess_input(image, channel_order="rgb", mean=(1, 2, 3))
    np.testing.assert_array_equal(rgb, [[[9, 18, 27]]])
    bgr = preprocess_input(image, mean=(1, 2, 3))
    np.testing.assert_array_equal(bgr, [[[29, 18, 7]]])


def test_one_mean_serves_all_channels():
    image = random_image(2, 2, 3)
    np.testing.assert_array_equal(
        preprocess_input(image, mean=100), image[..., ::-1].astype(np.float32) - 100
    )


@pytest.mark.parametrize("leading", [(), (1,), (4,), (2, 3)])
def test_leading_axes_are_a_batch(leading):
    images = random_image(*leading, 9, 8, 3)
    options = {"size": (6, 7), "crop": (5, 4)}
    result = preprocess_input(images, **options)
    assert result.shape == (*leading, 5, 4, 3)
    for index in np.ndindex(*leading):
        np.testing.assert_array_equal(result[index], preprocess_input(images[index], **options))


def test_the_image_is_left_alone():
    image = np.random.default_rng(0).random((3, 3, 1), np.float32)
    before = image.copy()
    result = preprocess_input(image, channels=1, raw_scale=1, mean=None)
    result += 1
    np.testing.assert_array_equal(image, before)


# Grey


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (2, 4, 5, 1)])
def test_grey_is_repeated_for_colour_nets(shape):
    image = random_image(*shape)
    colour = np.stack([image.reshape(*shape[:-1], -1) if len(shape) > 2 else image] * 3, axis=-1)
    colour = colour.reshape(*(shape if len(shape) == 2 else shape[:-1]), 3)
    np.testing.assert_array_equal(preprocess_input(image), preprocess_input(colour))


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1)])
def test_grey_nets_keep_one_channel(shape):
    image = random_image(*shape)
    result = preprocess_input(image, channels=1, mean=None, input_scale=1 / 256)
    np.testing.assert_allclose(result, image.reshape(4, 5, 1) / 256)


def test_more_channels_keep_their_order():
    image = random_image(2, 2, 6)
    result = preprocess_input(image, channels=6, mean=range(6))
    np.testing.assert_array_equal(result, image - np.arange(6, dtype=np.float32))


# Mean image


def test_mean_image_is_cropped_in_the_centre():
    image = random_image(7, 4, 3)
    mean = np.random.default_rng(1).random((10, 9, 3)) * 255
    result = preprocess_input(image, mean=mean)
    for row, column, channel in np.ndindex(7, 4, 3):
        # (10 - 7) // 2 = 1 and (9 - 4) // 2 = 2
        expected = float(image[row, column, 2 - channel]) - mean[row + 1, column + 2, channel]
        assert result[row, column, channel] == pytest.approx(expected, abs=1e-4)


def test_cropping_equals_subtracting_the_whole_mean_first():
    image = random_image(256, 256, 3)
    whole = preprocess_input(image, mean="ilsvrc_2012")
    cropped = preprocess_input(image, crop=(227, 227), mean="ilsvrc_2012")
    np.testing.assert_array_equal(cropped, whole[14:241, 14:241])


@pytest.mark.parametrize(
    "mean", [np.nan, (104.0, np.inf, 122.0), np.full((4, 4, 3), np.nan), np.zeros((3, 0, 0))]
)
def test_a_mean_without_finite_numbers_is_refused(mean):
    with pytest.raises(ValueError, match="`mean` must be one or more finite numbers"):
        Preprocessing(mean=mean)


def test_grey_mean_image():
    image, mean = random_image(3, 4), np.arange(12.0).reshape(3, 4)
    result = preprocess_input(image, channels=1, mean=mean)
    np.testing.assert_array_equal(result[..., 0], image - mean)


@pytest.mark.parametrize("shape", [(257, 256, 3), (256, 300, 3)])
def test_an_image_larger_than_the_mean_is_an_error(shape):
    with pytest.raises(ValueError, match="mean pixel") as error:
        preprocess_input(random_image(*shape), mean="ilsvrc_2012")
    assert "(256, 256)" in str(error.value)
    assert str(shape[:2]) in str(error.value)


# Resize


@pytest.mark.parametrize("sizes", [((5, 7), (3, 4)), ((5, 7), (11, 9)), ((6, 6), (6, 2))])
def test_bilinear_reads_at_half_pixels(sizes):
    (height, width), (rows, columns) = sizes
    image = random_image(height, width, 3)
    result = resize(image, (rows, columns))
    assert result.dtype == np.float32
    for row, column, channel in np.ndindex(rows, columns, 3):
        y, x = (row + 0.5) * height / rows - 0.5, (column + 0.5) * width / columns - 0.5
        expected = interpolated(image[..., channel], y, x)
        assert result[row, column, channel] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("sizes", [((5, 7), (3, 4)), ((5, 7), (11, 9))])
def test_bilinear_corners_keeps_the_corners(sizes):
    (height, width), (rows, columns) = sizes
    image = random_image(height, width, 2)
    result = resize(image, (rows, columns), "bilinear_corners")
    for row, column, channel in np.ndindex(rows, columns, 2):
        y, x = row * (height - 1) / (rows - 1), column * (width - 1) / (columns - 1)
        expected = interpolated(image[..., channel], y, x)
        assert result[row, column, channel] == pytest.approx(expected, abs=1e-3)
    np.testing.assert_array_equal(result[:: rows - 1, :: columns - 1], image[::4, ::6])


def test_bilinear_corners_to_one_pixel_takes_the_first():
    image = random_image(5, 7, 3)
    np.testing.assert_array_equal(resize(image, (1, 1), "bilinear_corners")[0, 0], image[0, 0])


def test_shrinking_does_not_blur():
    stripes = np.tile([0, 255, 0], (9, 3)).astype(np.uint8)[..., np.newaxis]
    np.testing.assert_array_equal(resize(stripes, (3, 3)), np.full((3, 3, 1), 255))


def test_bilinear_is_what_opencv_does():
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    image = load_image(CAT).astype(np.float32)
    for height, width in [(227, 227), (256, 341), (500, 613)]:
        expected = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        np.testing.assert_allclose(resize(image, (height, width)), expected, atol=2e-3)


def test_preprocessing_resizes_before_it_crops():
    image = random_image(8, 8, 3)
    direct = preprocess_input(image, size=(6, 5), crop=(4, 2), interpolation="bilinear_corners")
    resized = resize(image, (6, 5), "bilinear_corners")[1:5, 1:3]
    np.testing.assert_allclose(direct, resized[..., ::-1] - ILSVRC_2012_MEAN_PIXEL, atol=1e-4)


# Crops


@pytest.mark.parametrize(
    ("have", "want", "start"), [(5, 2, 1), (5, 5, 0), (6, 3, 1), (256, 227, 14)]
)
def test_center_crop_starts_at_the_floor(have, want, start):
    rows = np.arange(have)[:, np.newaxis, np.newaxis]
    np.testing.assert_array_equal(center_crop(rows, (want, 1))[:, 0, 0], range(start, start + want))


def test_oversample_order():
    images = random_image(2, 7, 6, 3)
    crops = oversample(images, (4, 3))
    assert crops.shape == (20, 4, 3, 3)
    assert crops.dtype == np.uint8
    starts = [(0, 0), (0, 3), (3, 0), (3, 3), (1, 1)]
    for number, image in enumerate(images):
        for place, (top, left) in enumerate(starts):
            window = image[top : top + 4, left : left + 3]
            np.testing.assert_array_equal(crops[10 * number + place], window)
            np.testing.assert_array_equal(crops[10 * number + 5 + place], window[:, ::-1])


def test_oversample_takes_one_image():
    image = np.random.default_rng(0).random((5, 5, 1))
    np.testing.assert_array_equal(oversample(image, (2, 2)), oversample(image[np.newaxis], (2, 2)))


@pytest.mark.parametrize(("shape", "crop"), [((4, 4, 3), (5, 4)), ((4, 4), (2, 2))])
def test_oversample_refuses(shape, crop):
    with pytest.raises(ValueError, match=r"Received: .*4, 4"):
        oversample(np.zeros(shape), crop)


# Back, and stored

OPTIONS = [
    {},
    {"mean": None, "raw_scale": 1.0},
    {"mean": "ilsvrc_2012"},
    {"mean": (1.0, 2.0, 3.0), "input_scale": 0.017, "channel_order": "rgb"},
    {"mean": np.random.default_rng(5).random((9, 9, 3)) * 255},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_deprocess_gives_the_image_back(options):
    image = random_image(2, 8, 7, 3)
    back = deprocess(preprocess_input(image, **options), **options)
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, image / 255.0, atol=1e-6)
    np.testing.assert_array_equal(as_uint8(back), image)


@pytest.mark.parametrize("options", [*OPTIONS, {"size": (9, 8), "crop": (np.int64(5), 5)}])
def test_config_goes_through_json(options):
    before = Preprocessing(**options)
    after = Preprocessing.from_config(json.loads(json.dumps(before.to_config())))
    assert after == before
    image = random_image(9, 8, 3)
    np.testing.assert_array_equal(after(image), before(image))


def test_a_difference_in_one_option_shows():
    mean = np.zeros((4, 4, 3))
    assert Preprocessing(mean=mean) == Preprocessing(mean=mean.copy())
    assert Preprocessing(mean=mean) != Preprocessing(mean=mean + 1)
    assert Preprocessing() != Preprocessing(input_scale=2.0)
    assert Preprocessing() != "Preprocessing"


def test_a_mean_image_cannot_change_afterwards():
    mean = np.zeros((4, 4, 3), np.float32)
    preprocessing = Preprocessing(mean=mean)
    mean += 1
    assert not preprocessing.mean.any()
    with pytest.raises(ValueError, match="read-only"):
        preprocessing.mean[0] = 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (0, 5)}, r"`size`.*Received: \(0, 5\)"),
        ({"size": 227}, "`size`.*Received: 227"),
        ({"crop": (1, 2, 3)}, "`crop`"),
        ({"interpolation": "cubic"}, "bilinear_corners.*Received: 'cubic'"),
        ({"channel_order": "RGB"}, "`channel_order`.*Received: 'RGB'"),
        ({"channels": 0}, "`channels`"),
        ({"raw_scale": 0}, "`raw_scale`"),
        ({"input_scale": float("nan")}, "`input_scale`"),
        ({"mean": "imagenet"}, "ilsvrc_2012.*Received: 'imagenet'"),
        ({"mean": (1, 2)}, "one value, or one a channel"),
        ({"mean": np.zeros((3, 256, 256))}, "channels last"),
        ({"mean": np.zeros((1, 3, 9, 9))}, r"Received: shape \(1, 3, 9, 9\)"),
        ({"channels": 1}, "mean=None"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        Preprocessing(**options)


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (np.full((2, 2, 3), 200.0), {}, "raw_scale=1"),
        (np.full((2, 2, 3), 256), {}, "0..255"),
        (np.full((2, 2, 3), -1), {}, "0..255"),
        (np.zeros((2, 2, 3), bool), {}, "dtype bool"),
        (np.zeros((2, 2, 4), np.uint8), {}, r"3 channel.*\(2, 2, 4\)"),
        (np.zeros((2, 2, 3), np.uint8), {"channels": 1, "mean": None}, "1 channel"),
        (np.zeros(3, np.uint8), {}, r"\(3,\)"),
        (np.zeros((0, 4, 3), np.uint8), {"size": (2, 2)}, "at least 1"),
        (np.zeros((4, 4, 3), np.uint8), {"crop": (5, 4)}, r"crop \(5, 4\), image \(4, 4\)"),
    ],
)
def test_bad_images(image, options, message):
    with pytest.raises(ValueError, match=message):
        preprocess_input(image, **options)


def test_floats_up_to_255_pass_where_asked_for():
    image = random_image(2, 2, 3)
    np.testing.assert_array_equal(
        preprocess_input(image.astype(np.float64), raw_scale=1), preprocess_input(image)
    )


# Files


def png(*chunks):
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def saved(image, form="PNG", **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    file.seek(0)
    return file


def test_load_image_colour_and_grey():
    colour = load_image(CAT)
    assert (colour.shape, colour.dtype) == ((360, 480, 3), np.uint8)
    grey = load_image(str(CAT), color=False)
    assert (grey.shape, grey.dtype) == ((360, 480, 1), np.uint8)
    np.testing.assert_allclose(grey[..., 0], colour @ [0.299, 0.587, 0.114], atol=1)


def test_load_image_is_rgb():
    file = saved(Image.new("RGB", (2, 1), (10, 20, 30)))
    np.testing.assert_array_equal(load_image(file), [[[10, 20, 30]] * 2])


def test_load_grey_for_colour():
    pixels = random_image(3, 4)
    file = saved(Image.fromarray(pixels))
    np.testing.assert_array_equal(load_image(file), np.stack([pixels] * 3, axis=-1))


def test_load_drops_alpha():
    pixels = random_image(3, 4, 4)
    np.testing.assert_array_equal(load_image(saved(Image.fromarray(pixels))), pixels[..., :3])


@pytest.mark.parametrize(
    "transparency", [{}, {"transparency": 1}, {"transparency": b"\xff\x00\x80"}]
)
def test_load_palette(transparency):
    image = Image.new("P", (3, 1))
    image.putdata([0, 1, 2])
    image.putpalette([1, 2, 3, 40, 50, 60, 7, 8, 9])
    file = saved(image, **transparency)
    np.testing.assert_array_equal(load_image(file), [[[1, 2, 3], [40, 50, 60], [7, 8, 9]]])


def test_load_16_bit_grey():
    values = np.array([[0, 257, 128 * 257, 65535, 300]], np.uint16)
    file = saved(Image.fromarray(values))
    np.testing.assert_array_equal(load_image(file, color=False)[0, :, 0], [0, 1, 128, 255, 1])


def test_load_turns_by_exif():
    image = Image.fromarray(random_image(2, 3, 3))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = load_image(saved(image, exif=exif.tobytes()))
    np.testing.assert_array_equal(turned, np.rot90(np.asarray(image), -1))


def test_load_refuses_floats():
    file = saved(Image.fromarray(np.ones((2, 2), np.float32)), "TIFF")
    with pytest.raises(ValueError, match="8 or 16-bit"):
        load_image(file)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!doctype html>",
        CAT.read_bytes()[:5000],
        png((b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)), (b"IDAT", b"rubbish")),
    ],
    ids=["empty", "web page", "cut short", "damaged"],
)
def test_a_file_that_is_no_image_is_named(tmp_path, content):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"Received: .*photo\.jpg"):
        load_image(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.jpg"):
        load_image(tmp_path / "none.jpg")


# Shipped data


def test_mean_image_and_mean_pixel_agree():
    mean = ilsvrc_2012_mean()
    assert (mean.shape, mean.dtype) == ((256, 256, 3), np.float32)
    np.testing.assert_allclose(
        mean.mean(axis=(0, 1), dtype=np.float64), ILSVRC_2012_MEAN_PIXEL, atol=1e-6
    )
    assert not mean.flags.writeable


def test_class_names():
    names = imagenet_classes()
    assert len(names) == 1000
    assert names[0] == "tench, Tinca tinca"
    assert names[281] == "tabby, tabby cat"
    assert names[999].startswith("toilet tissue")
