"""Pictures: what stands where, in which colour."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.visualize import (
    activations,
    class_map_picture,
    comparison_picture,
    filters,
    heat_map,
    label_map,
    label_overlay,
    legend,
    overlay,
    save_labels,
    save_png,
    segmentation_picture,
    tile,
    voc_palette,
)

CAT = Path(__file__).parents[1] / "data" / "images" / "cat.jpg"
COLDEST, HOTTEST = (13, 8, 135), (240, 249, 33)


def lightness(colours):
    """CIE L* of sRGB colours (IEC 61966-2-1, D65)."""
    share = colours / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    return 116 * np.cbrt(luminance) - 16


# Heat maps


def test_heat_runs_from_the_lowest_to_the_highest_colour():
    heat = heat_map([[-3.0, 5.0], [1.0, 9.0]])
    assert heat.dtype == np.uint8
    assert tuple(heat[0, 0]) == COLDEST
    assert tuple(heat[1, 1]) == HOTTEST


def test_heat_gets_lighter_evenly():
    steps = np.diff(lightness(heat_map(np.linspace(0, 1, 33)[np.newaxis])[0].astype(float)))
    assert (steps > 0).all()
    assert steps.max() < 2 * steps.mean()


def test_heat_between_control_points_is_linear():
    heat = heat_map([[0.0, 1 / 16, 1.0]])
    # Half way between the first two of nine control points.
    np.testing.assert_allclose(heat[0, 1], np.mean([COLDEST, (76, 2, 161)], axis=0), atol=0.5)


def test_limits_clip():
    heat = heat_map([[0.0, 0.5, 1.0]], limits=(0.4, 0.6))
    assert tuple(heat[0, 0]) == COLDEST
    assert tuple(heat[0, 2]) == HOTTEST
    np.testing.assert_array_equal(heat[0, 1], heat_map([[0.0, 0.5, 1.0]])[0, 1])


def test_a_flat_map_is_cold():
    np.testing.assert_array_equal(heat_map(np.full((2, 2), 7.0)), np.full((2, 2, 3), COLDEST))


def test_heat_is_enlarged_before_it_is_coloured():
    # Half pixels: outputs 0..3 of 4 from 2 read at -0.25 (clamped), 0.25, 0.75, 1.25 (clamped).
    heat = heat_map([[0.0, 1.0]], size=(1, 4))
    np.testing.assert_array_equal(heat, heat_map([[0.0, 0.25, 0.75, 1.0]]))


@pytest.mark.parametrize(
    ("scores", "limits"),
    [
        (np.zeros((2, 2, 3)), None),
        (np.array([[np.nan, 1.0]]), None),
        (np.zeros((0, 2)), None),
        (np.zeros((2, 2)), (1.0, 0.0)),
    ],
)
def test_heat_refuses(scores, limits):
    with pytest.raises(ValueError, match="Received"):
        heat_map(scores, limits=limits)


# Overlays


def test_overlay_blends():
    image = np.full((2, 2, 3), 100, np.uint8)
    picture = overlay(image, [[0.0, 0.0], [0.0, 1.0]], alpha=0.25)
    for place, colour in [((0, 0), COLDEST), ((1, 1), HOTTEST)]:
        np.testing.assert_allclose(picture[place], 75 + 0.25 * np.array(colour), atol=0.5)


def test_overlay_ends():
    image = np.random.default_rng(0).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    scores = np.random.default_rng(1).random((4, 3))
    np.testing.assert_array_equal(overlay(image, scores, 0), image)
    limits = (scores.min(), scores.max())
    np.testing.assert_array_equal(
        overlay(image, scores, 1), heat_map(scores, (8, 6), limits=limits)
    )


def hottest(picture):
    """Where a picture of heat alone is lightest: the middle of the area."""
    light = lightness(picture.astype(float))
    return tuple(places.mean() for places in np.nonzero(light > light.max() - 1e-9))


@pytest.mark.parametrize(("row", "column"), [(0, 0), (3, 5), (7, 2)])
def test_cells_land_on_the_centres_of_their_receptive_fields(row, column):
    scores = np.zeros((8, 8))
    scores[row, column] = 1
    picture = overlay(np.zeros((451, 451)), scores, 1, stride=32, offset=113)
    lit = np.argwhere((picture == HOTTEST).all(axis=-1))
    centre = (113 + 32 * row, 113 + 32 * column)
    assert centre in map(tuple, lit)
    if 0 < row < 7 and 0 < column < 7:
        np.testing.assert_array_equal(lit, [centre])
    # Half way to the next cell the score is half.
    half = heat_map([[0.0, 0.5, 1.0]])[0, 1]
    inward = 16 if row < 7 else -16
    np.testing.assert_array_equal(picture[centre[0] + inward, centre[1]], half)


def test_stride_and_offset_may_differ_by_axis():
    scores = np.zeros((3, 4))
    scores[1, 2] = 1
    picture = overlay(np.zeros((30, 60)), scores, 1, stride=(8, 12), offset=(3, 5))
    assert hottest(picture) == (11, 29)


def test_without_stride_the_cells_share_the_image():
    scores = np.zeros((2, 5))
    scores[0, 2] = 1
    picture = overlay(np.zeros((21, 35)), scores, 1)
    row, column = hottest(picture)
    assert row < 21 / 4
    assert column == 17


def test_overlay_size_resizes_the_image():
    picture = overlay(np.full((10, 10), 50, np.uint8), np.zeros((2, 2)), 0, size=(4, 6))
    np.testing.assert_array_equal(picture, np.full((4, 6, 3), 50))


@pytest.mark.parametrize(
    ("image", "options"),
    [
        (np.zeros((4, 4)), {"alpha": 1.5}),
        (np.zeros((4, 4)), {"stride": 0}),
        (np.zeros((2, 4, 4, 3)), {}),
        (np.zeros((4, 4, 2)), {}),
        (np.full((4, 4), np.nan), {}),
    ],
)
def test_overlay_refuses(image, options):
    with pytest.raises(ValueError, match="Received"):
        overlay(image, np.zeros((2, 2)), **options)


# Labels


def test_voc_palette():
    published = [
        (0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128),
        (0, 128, 128), (128, 128, 128), (64, 0, 0), (192, 0, 0), (64, 128, 0), (192, 128, 0),
        (64, 0, 128), (192, 0, 128), (64, 128, 128), (192, 128, 128), (0, 64, 0), (128, 64, 0),
        (0, 192, 0), (128, 192, 0), (0, 64, 128),
    ]  # fmt: skip
    palette = voc_palette()
    np.testing.assert_array_equal(palette[:21], published)
    assert tuple(palette[255]) == (224, 224, 192)
    assert len(np.unique(palette, axis=0)) == 256


def test_label_map():
    palette = [[1, 2, 3], [4, 5, 6]]
    picture = label_map(np.array([[0, 1], [255, 0]]), palette)
    np.testing.assert_array_equal(
        picture, [[palette[0], palette[1]], [[224, 224, 192], palette[0]]]
    )
    np.testing.assert_array_equal(label_map([[1]], palette, ignore=1), [[[224, 224, 192]]])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([[0, 2]], "palette has 2. Received: label 2"),
        ([[-1, 0]], "Received: label -1"),
        ([[0.0]], "argmax"),
        ([0, 1], r"\(2,\)"),
    ],
)
def test_label_map_refuses(labels, message):
    with pytest.raises(ValueError, match=message):
        label_map(np.array(labels), [[0, 0, 0], [9, 9, 9]])


def test_legend_shows_each_colour_in_order():
    palette = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]])
    picture = legend(["one", "a longer name", "two"], palette)
    rows = [np.nonzero((picture == colour).all(axis=-1))[0] for colour in palette]
    assert all(len(places) > 100 for places in rows)
    assert rows[0].max() < rows[1].min()
    assert rows[1].max() < rows[2].min()
    assert legend(["one"], palette).shape[1] < picture.shape[1]
    assert (picture[:, -4:] == 255).all(), "the longest name is cut"


@pytest.mark.parametrize("names", [[], ["a", "b", "c"]])
def test_legend_refuses(names):
    with pytest.raises(ValueError, match=f"{len(names)} names, 2 colours"):
        legend(names, [[0, 0, 0], [9, 9, 9]])


# Mosaics


def test_tile_places_images_row_by_row():
    images = np.arange(5, dtype=np.uint8)[:, np.newaxis, np.newaxis] + np.zeros((5, 2, 3), np.uint8)
    mosaic = tile(images, columns=3, gap=1, background=200)
    expected = np.full((5, 11), 200)
    for index, (top, left) in enumerate([(0, 0), (0, 4), (0, 8), (3, 0), (3, 4)]):
        expected[top : top + 2, left : left + 3] = index
    np.testing.assert_array_equal(mosaic, np.stack([expected] * 3, axis=-1))


def test_tile_is_square_by_default():
    assert tile(np.zeros((10, 4, 4, 3), np.uint8), gap=0).shape == (12, 16, 3)


def test_tile_zooms():
    mosaic = tile(np.array([[[7, 9]]], np.uint8), zoom=2)
    np.testing.assert_array_equal(mosaic[..., 0], [[7, 7, 9, 9], [7, 7, 9, 9]])


@pytest.mark.parametrize(
    ("each", "expected"), [(False, [0, 51, 102, 255]), (True, [0, 255, 0, 255])]
)
def test_tile_stretches_floats(each, expected):
    images = np.array([-1.0, 0.0, 1.0, 4.0]).reshape(2, 1, 2)
    np.testing.assert_array_equal(tile(images, 2, gap=0, each=each)[0, :, 0], expected)


def test_tile_of_equal_floats_is_black():
    assert not tile(np.ones((1, 2, 2))).any()


@pytest.mark.parametrize(
    ("images", "options"),
    [
        (np.zeros((2, 2)), {}),
        (np.zeros((2, 2, 2, 5)), {}),
        (np.zeros((0, 2, 2)), {}),
        (np.zeros((2, 2, 2)), {"columns": 0}),
        (np.zeros((2, 2, 2)), {"zoom": 0}),
        (np.zeros((2, 2, 2)), {"gap": -1}),
    ],
)
def test_tile_refuses(images, options):
    with pytest.raises(ValueError, match="Received"):
        tile(images, **options)


# Captioned pictures


def test_class_map_picture_shows_the_best_class():
    image = np.asarray(Image.open(CAT))
    scores = np.zeros((4, 5, 3))
    scores[..., 0] = 0.3
    scores[1, 3, 2] = 0.9
    picture = class_map_picture(image, scores, classes=["ant", "bee", "cat"])
    height, width = image.shape[:2]
    np.testing.assert_array_equal(picture[:height, :width], image)
    right = picture[:height, -width:]
    np.testing.assert_array_equal(right, overlay(image, scores[..., 2]))
    assert picture.shape[0] > height
    caption = picture[height:, :width]
    assert (caption < 128).any(), "no text"
    # Beside the scale's numbers its bar, cold to hot.
    scale = picture[height:, -width:].reshape(-1, 3)
    assert {COLDEST, HOTTEST} <= set(map(tuple, scale.tolist()))


def test_captions_differ_by_name_and_score():
    image, scores = np.zeros((200, 300, 3), np.uint8), np.zeros((2, 2, 1))
    scores[0, 0] = 0.5

    def caption(name, factor):
        return class_map_picture(image, factor * scores, classes=[name])[200:, :300]

    assert (caption("ant", 1) != caption("bee", 1)).any()
    assert (caption("ant", 1) != caption("ant", 0.5)).any()


def test_a_long_name_stays_inside_its_half():
    image = np.zeros((100, 200, 3), np.uint8)
    limits = {"limits": (0.0, 1.0)}
    long = class_map_picture(image, np.ones((2, 2, 1)), classes=["very " * 50], **limits)
    short = class_map_picture(image, np.ones((2, 2, 1)), classes=["x"], **limits)
    assert long.shape == short.shape
    np.testing.assert_array_equal(long[:, 207:], short[:, 207:])


def test_class_map_picture_refuses_a_plain_map():
    with pytest.raises(ValueError, match=r"Received: shape \(4, 5\)"):
        class_map_picture(np.zeros((9, 9, 3)), np.zeros((4, 5)))


# Files


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 3), (3, 4, 4)])
def test_save_png_round_trip(tmp_path, shape):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    path = tmp_path / "picture"
    save_png(path, np.zeros((1, 1), np.uint8))
    save_png(path, array)
    with Image.open(path) as image:
        assert image.format == "PNG"
        np.testing.assert_array_equal(np.asarray(image), array)
    assert [file.name for file in tmp_path.iterdir()] == ["picture"]


def test_save_png_rounds_floats(tmp_path):
    path = tmp_path / "picture.png"
    save_png(path, np.array([[-0.5, 0.0, 0.499, 0.5, 2.0]]))
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image), [[0, 0, 127, 128, 255]])


@pytest.mark.parametrize("array", [np.zeros(3), np.zeros((2, 2, 2)), np.zeros((0, 4)), [["a"]]])
def test_save_png_refuses_and_leaves_nothing(tmp_path, array):
    with pytest.raises(ValueError, match="Received"):
        save_png(tmp_path / "picture.png", array)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "picture.png"
    save_png(path, np.zeros((2, 2), np.uint8))
    before = path.read_bytes()

    def fail(image, file, **options):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(CaffeError, match=r"picture\.png.*No space left"):
        save_png(path, np.ones((2, 2), np.uint8))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["picture.png"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(CaffeError, match=r"none/picture\.png"):
        save_png(tmp_path / "none" / "picture.png", np.zeros((2, 2), np.uint8))


# Segmentations

LABELS = np.array([[0, 1, 1], [2, 255, 0]])
THREE = np.array([[10, 20, 30], [200, 100, 0], [0, 250, 50]], np.uint8)


def test_labels_over_an_image():
    image = np.full((2, 3, 3), 100, np.uint8)
    picture = label_overlay(image, LABELS, THREE, 0.25)
    np.testing.assert_allclose(picture[0, 1], 75 + 0.25 * THREE[1], atol=0.5)
    np.testing.assert_array_equal(picture[1, 1], [100, 100, 100])


@pytest.mark.parametrize(
    ("image", "alpha"), [(np.zeros((3, 2, 3), np.uint8), 0.5), (np.zeros((2, 3)), 1.5)]
)
def test_labels_over_an_image_refuse(image, alpha):
    with pytest.raises(ValueError, match="Received"):
        label_overlay(image, LABELS, THREE, alpha)


def test_saved_labels_are_indices_with_colours(tmp_path):
    save_labels(tmp_path / "labels.png", LABELS, THREE)
    with Image.open(tmp_path / "labels.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image), LABELS)
        colours = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(colours, label_map(LABELS, THREE))


@pytest.mark.parametrize("labels", [[[3]], [[-1]], [[0.5]], [0, 1], [[256]]])
def test_saved_labels_refuse_and_leave_nothing(labels, tmp_path):
    with pytest.raises(ValueError, match="Received"):
        save_labels(tmp_path / "labels.png", labels, THREE)
    assert not list(tmp_path.iterdir())


def test_ignored_labels_may_be_any_number():
    for ignore in (-1, 7, 1000):
        picture = label_map([[0, ignore]], THREE, ignore=ignore)
        np.testing.assert_array_equal(picture, [[THREE[0], (224, 224, 192)]])


def test_segmentation_picture_names_what_is_there():
    labels = np.zeros((60, 80), int)
    labels[20:, 30:] = 2
    image = np.full((60, 80, 3), 90, np.uint8)
    picture = segmentation_picture(image, labels, ("a", "b", "c"), THREE, alpha=1)
    np.testing.assert_array_equal(picture[:60, :80], image)
    np.testing.assert_array_equal(picture[:60, 88:168], THREE[labels])
    beside = {tuple(colour) for colour in picture[:, 176:].reshape(-1, 3)}
    assert {tuple(THREE[0]), tuple(THREE[2])} <= beside
    assert tuple(THREE[1]) not in beside


def test_comparison_picture_is_image_truth_and_prediction_under_their_titles():
    truth, said = np.zeros((60, 80), int), np.zeros((60, 80), int)
    truth[20:, 30:], truth[:5], said[40:] = 2, 255, 1
    image = np.full((60, 80, 3), 90, np.uint8)
    picture = comparison_picture(image, truth, said, ("a", "b", "c"), THREE, alpha=1)
    line = round(1.6 * 14)
    assert picture.shape[0] >= 60 + line
    expected = THREE[np.where(truth == 255, 0, truth)]
    expected[:5] = 90  # of no class: the image stays
    shown = [picture[line : line + 60, 88 * n : 88 * n + 80] for n in range(3)]
    for part, right in zip(shown, (image, expected, THREE[said]), strict=True):
        np.testing.assert_array_equal(part, right)
    titles = [picture[:line, 88 * n : 88 * n + 80] for n in range(3)]
    assert all((title < 128).any() for title in titles)
    beside = {tuple(colour) for colour in picture[:, 3 * 88 :].reshape(-1, 3)}
    assert {tuple(colour) for colour in THREE} <= beside  # the legend of both
    small = comparison_picture(image[:9, :9], truth[:9, :9], said[:9, :9], ("a", "b", "c"))
    assert small.shape[1] > 3 * 40  # titles are whole


# Filters and activations


def test_filters_of_a_first_layer_in_colour():
    kernel = np.zeros((2, 3, 3, 2), np.float32)
    kernel[0, 0, 0, 0] = 2  # blue, of a net that takes BGR
    kernel[1, 2, 2, 1] = -2  # no red
    picture = filters(kernel, columns=2, zoom=1)
    assert picture.shape == (2, 3 + 2 + 3, 3)
    assert tuple(picture[0, 0]) == (128, 128, 255)
    assert tuple(picture[1, 7]) == (0, 128, 128)
    assert tuple(filters(kernel, columns=2, zoom=1, channel_order="rgb")[0, 0]) == (255, 128, 128)


def test_filters_of_other_layers_in_rows():
    kernel = np.random.default_rng(0).normal(size=(5, 4, 6, 3))
    picture = filters(kernel, zoom=1)
    assert picture.shape == (3 * 7 - 2, 6 * 6 - 2, 3)
    row, column = 2, 4  # the fifth channel of the third filter
    expected = np.rint(127.5 + 127.5 * kernel[:, :, 4, 2] / np.abs(kernel).max())
    cell = picture[row * 7 : row * 7 + 5, column * 6 : column * 6 + 4, 0]
    np.testing.assert_allclose(cell, expected, atol=1)


def test_filters_of_zeros():
    assert (filters(np.zeros((3, 3, 3, 1)), zoom=1) == 128).all()


def test_activations():
    blob = np.arange(2 * 3 * 4, dtype=np.float32).reshape(1, 2, 3, 4)
    picture = activations(blob, columns=2)
    np.testing.assert_array_equal(picture, activations(blob[0], columns=2))
    assert picture[0, 0, 0] == 0
    assert picture[2, -1, 0] == 255
    np.testing.assert_array_equal(
        activations(blob, each=True)[:3, :4], activations(blob, each=True)[:3, 6:]
    )


@pytest.mark.parametrize(("draw", "shape"), [(filters, (3, 3, 3)), (activations, (2, 3, 4, 4))])
def test_filters_and_activations_refuse(draw, shape):
    with pytest.raises(ValueError, match="Received"):
        draw(np.zeros(shape))
