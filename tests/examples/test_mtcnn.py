"""MTCNN's cascade against its authors' steps, one box after another."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import keras_fcn
from keras_fcn.preprocessing import load_image
from tests.examples.test_examples import CAT, example

INPUT = 'input: "data" input_shape {{ dim: 1 dim: 3 dim: {0} dim: {0} }}\n'


def weighted(kind, name, bottom, fields):
    field = {"Convolution": "convolution_param", "InnerProduct": "inner_product_param"}[kind]
    return (
        f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{name}" '
        f"{field} {{ {fields} }} }}\n"
    )


def prelu(name):
    return f'layer {{ name: "P{name}" type: "PReLU" bottom: "{name}" top: "{name}" }}\n'


def pool(name, bottom, size):
    return (
        f'layer {{ name: "{name}" type: "Pooling" bottom: "{bottom}" top: "{name}" '
        f"pooling_param {{ pool: MAX kernel_size: {size} stride: 2 }} }}\n"
    )


def network(size, convolutions, dense, heads):
    """A network of the cascade: (channels, kernel, pooling) of each convolution."""
    text, bottom = INPUT.format(size), "data"
    for number, (count, kernel, pooled) in enumerate(convolutions, 1):
        name = f"conv{number}"
        text += weighted("Convolution", name, bottom, f"num_output: {count} kernel_size: {kernel}")
        text, bottom = text + prelu(name), name
        if pooled:
            text, bottom = text + pool(f"pool{number}", bottom, pooled), f"pool{number}"
    number = len(convolutions) + 1
    if dense:
        text += weighted("InnerProduct", f"conv{number}", bottom, f"num_output: {dense}")
        text, bottom, number = text + prelu(f"conv{number}"), f"conv{number}", number + 1
    for head, count in enumerate(heads, 1):
        kind, more = ("InnerProduct", "") if dense else ("Convolution", "kernel_size: 1")
        text += weighted(kind, f"conv{number}-{head}", bottom, f"num_output: {count} {more}")
    return text + (
        f'layer {{ name: "prob1" type: "Softmax" bottom: "conv{number}-1" top: "prob1" }}\n'
    )


NETWORKS = (
    network(12, [(10, 3, 2), (16, 3, 0), (32, 3, 0)], 0, (2, 4)),
    network(24, [(28, 3, 3), (48, 3, 3), (64, 2, 0)], 128, (2, 4)),
    network(48, [(32, 3, 3), (64, 3, 3), (64, 3, 2), (128, 2, 0)], 256, (2, 4, 10)),
)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mtcnn")
    rng = np.random.default_rng(4)
    for number, text in enumerate(NETWORKS, 1):
        (folder / f"det{number}.prototxt").write_text(text)
        net = keras_fcn.Net(str(folder / f"det{number}.prototxt"), keras_fcn.TEST)
        for name, blobs in net.params.items():
            for blob in blobs:
                shape = blob.data.shape
                fan = int(np.prod(shape[1:]))
                gain = 0.05 if name.endswith("-2") else 0.3 if name.endswith("-3") else 1.4
                drawn = rng.normal(0, gain / np.sqrt(max(fan, 1)), shape)
                blob.data[...] = 0.25 if name.startswith("P") else drawn if fan > 1 else 0
        net.save(str(folder / f"det{number}.caffemodel"))
    return folder


def suppressed(boxes, overlap, smaller):
    left = sorted(boxes, key=lambda box: -box[4])
    found = []
    while left:
        best, *left = left
        found.append(best)
        rest = []
        for box in left:
            wide = min(best[2], box[2]) - max(best[0], box[0]) + 1
            high = min(best[3], box[3]) - max(best[1], box[1]) + 1
            shared = max(wide, 0) * max(high, 0)
            one, two = ((b[2] - b[0] + 1) * (b[3] - b[1] + 1) for b in (best, box))
            whole = min(one, two) if smaller else one + two - shared
            rest += [box] if shared / whole <= overlap else []
        left = rest
    return found


def squared(box):
    wide, high = box[2] - box[0], box[3] - box[1]
    side = max(wide, high)
    x, y = box[0] + wide / 2 - side / 2, box[1] + high / 2 - side / 2
    return [int(x), int(y), int(x + side), int(y + side), box[4]]


def shifted(box, moves, more):
    wide, high = box[2] - box[0] + more, box[3] - box[1] + more
    sides = (wide, high, wide, high)
    return [x + m * s for x, m, s in zip(box, moves, sides, strict=False)] + [box[4]]


def shown(image, size):
    """As Keras takes a picture that lies on its side: (1, width, height, 3)."""
    small = np.asarray(image.resize(size, Image.Resampling.BILINEAR), "f4")
    return (np.swapaxes(small, 0, 1)[np.newaxis] - 127.5) / 128


def cascade(models, pixels, least, thresholds, factor=0.709):
    """Boxes (left, top, right, bottom, score, ten points), from 1 on, as the authors find them."""
    height, width = pixels.shape[:2]
    picture = Image.fromarray(pixels)

    heads = {1: ["conv4-2"], 2: ["conv5-2"], 3: ["conv6-2", "conv6-3"]}
    networks = {
        number: keras_fcn.from_caffe(
            models / f"det{number}.prototxt",
            models / f"det{number}.caffemodel",
            outputs=["prob1", *names],
        )
        for number, names in heads.items()
    }

    def answers(number, prepared):
        made = networks[number].predict(prepared, verbose=0)
        by_size = {x.shape[-1]: x[0].astype("f8") for x in made}
        return [by_size[count] for count in (2, 4, 10)[: max(2, number)]]

    everything = []
    scale, side = 12 / least, min(height, width) * 12 / least
    while side >= 12:
        size = (int(np.ceil(width * scale)), int(np.ceil(height * scale)))
        scores, moves = answers(1, shown(picture, size))
        boxes = []
        for x, y in np.ndindex(scores.shape[:2]):
            if scores[x, y, 1] >= thresholds[0]:
                first = [int((2 * x + 1) / scale), int((2 * y + 1) / scale)]
                last = [int((2 * x + 12) / scale), int((2 * y + 12) / scale)]
                boxes.append([*first, *last, scores[x, y, 1], *moves[x, y]])
        everything += suppressed(boxes, 0.5, False)
        scale, side = scale * factor, side * factor
    boxes = [squared(shifted(b, b[5:], 0)) for b in suppressed(everything, 0.7, False)]

    def look(number, box, size, mirrored=False):
        left, top, right, bottom, _ = box
        part = picture.crop((left - 1, top - 1, right, bottom))  # black beyond the picture
        prepared = shown(part, (size, size))
        return answers(number, prepared[:, ::-1] if mirrored else prepared)

    seen = []
    for box in boxes:
        scores, moves = look(2, box, 24)
        if scores[1] > thresholds[1]:
            seen.append([*box[:4], scores[1], *moves])
    boxes = [squared(shifted(b, b[5:], 1)) for b in suppressed(seen, 0.7, False)]
    last = []
    for box in boxes:
        scores, moves, points = look(3, box, 48)
        if scores[1] > thresholds[2]:
            _, _, other = look(3, box, 48, mirrored=True)
            xs = (points[:5] + 1 - other[[1, 0, 2, 4, 3]]) / 2
            ys = (points[5:] + other[5:][[1, 0, 2, 4, 3]]) / 2
            wide, high = box[2] - box[0] + 1, box[3] - box[1] + 1
            xs, ys = xs * wide + box[0] - 1, ys * high + box[1] - 1
            last.append([*shifted([*box[:4], scores[1]], moves, 1), *xs, *ys])
    return suppressed(last, 0.7, True)


@pytest.mark.slow
def test_the_cascade_finds_what_its_authors_steps_find(models, tmp_path):
    thresholds = (0.55, 0.3, 0.2)
    pixels = load_image(CAT)[60:200, 150:330]
    Image.fromarray(pixels).save(tmp_path / "x.png")
    wanted = cascade(models, pixels, 50, thresholds)
    found = example("mtcnn").main(
        [
            *(str(tmp_path / "x.png"), "--models", str(models), "--least", "50"),
            *("--thresholds", *map(str, thresholds), "-o", str(tmp_path / "y.png")),
        ]
    )
    assert len(found) == len(wanted) > 3
    for face, box in zip(found, wanted, strict=True):
        assert face["score"] == pytest.approx(box[4], abs=1e-5)
        np.testing.assert_allclose(face["box"], np.subtract(box[:4], 1), atol=1e-3)
        points = np.reshape(box[5:], (2, 5)).T - 1
        np.testing.assert_allclose(face["points"], points, atol=1e-3)
    assert load_image(tmp_path / "y.png").shape == pixels.shape
    high = ("--thresholds", "1", "1", "1")
    assert example("mtcnn").main([str(tmp_path / "x.png"), "--models", str(models), *high]) == []


def test_missing_files_are_named(tmp_path):
    (tmp_path / "det1.prototxt").write_text(NETWORKS[0])
    with pytest.raises(FileNotFoundError, match=r"missing: \['det1.caffemodel', 'det2.prototxt'"):
        example("mtcnn").main([str(CAT), "--models", str(tmp_path)])


def test_boxes_of_whole_pixels():
    """By hand: sizes of the picture, a cell's box, a square, a part beyond the border."""
    steps = example("mtcnn")
    np.testing.assert_allclose(steps.scales(40, 80, 20, 0.5), [0.6, 0.3])
    scores = np.zeros((3, 2))
    scores[2, 1] = 0.9
    moves = np.arange(24.0).reshape(4, 3, 2)
    box = steps.boxes_of_map(scores, moves, 0.5, 0.6)
    np.testing.assert_allclose(box, [[10, 6, 32, 28, 0.9, 5, 11, 17, 23]])
    np.testing.assert_allclose(
        steps.square(np.array([[1.0, 2, 5, 12, 0.5]])), [[-2, 2, 8, 12, 0.5]]
    )
    pixels = np.full((4, 6, 3), 255, np.uint8)
    (seen,) = steps.cut(pixels, np.array([[0.0, 3, 1, 4, 1]]), 2)
    np.testing.assert_allclose(seen[0], [[-127.5 / 128] * 2, [127.5 / 128] * 2])
    boxes = np.array([[1.0, 1, 10, 10, 0.9], [1, 1, 4, 4, 0.8], [1, 1, 10, 9, 0.7]])
    assert steps.kept(boxes, 0.7).tolist() == [0, 1]
    assert steps.kept(boxes, 0.7, smaller=True).tolist() == [0]
