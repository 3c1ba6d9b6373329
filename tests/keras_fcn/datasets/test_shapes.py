from __future__ import annotations

import numpy as np
import pytest

from keras_fcn.datasets import check, load, shapes, splits


def test_written_set_loads(tmp_path):
    folder = shapes.write(tmp_path / "new" / "shapes", train=12, val=3, size=(40, 56), seed=1)
    assert splits(folder) == ("train", "val")
    train, val = (load(folder, split) for split in ("train", "val"))
    assert (len(train), len(val)) == (12, 3)
    assert train.classes == shapes.CLASSES
    report = check(train)
    assert report.problems == []
    assert report.sizes == {(40, 56): 12}
    assert (report.pixels > 0).all()
    assert 0.5 < report.pixels[0] / report.pixels.sum() < 0.95


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_seeded(tmp_path):
    first, second, other = (
        contents(shapes.write(tmp_path / name, train=3, val=2, size=(32, 32), seed=seed))
        for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )
    assert first == second
    assert first != other


def test_images_do_not_depend_on_their_number(tmp_path):
    few = contents(shapes.write(tmp_path / "few", train=2, val=1, size=(32, 32)))
    many = contents(shapes.write(tmp_path / "many", train=4, val=3, size=(32, 32)))
    for path, content in few.items():
        if path.suffix == ".png":
            assert many[path] == content


def test_colour_tells_most_classes_but_not_all():
    hues = {index: [] for index in (1, 2, 3)}
    for seed in range(80):
        image, mask = shapes.draw((64, 64), np.random.default_rng(seed))
        for index, seen in hues.items():
            if (mask == index).sum() > 100:
                seen.append(_hue(image[mask == index].mean(axis=0)))
    nearest = [
        (index, min((1, 2, 3), key=lambda other: _apart(hue, other / 3)))
        for index, seen in hues.items()
        for hue in seen
    ]
    right = np.mean([index == guess for index, guess in nearest])
    assert 0.9 < right < 1


def _hue(colour):
    red, green, blue = colour - colour.mean()
    return np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue) / (2 * np.pi) % 1


def _apart(hue, other):
    return abs((hue - other + 0.5) % 1 - 0.5)


@pytest.mark.parametrize("options", [{"train": 0}, {"val": -1}, {"size": (8, 64)}])
def test_bad_options(tmp_path, options):
    with pytest.raises(ValueError, match="Received: train="):
        shapes.write(tmp_path, **options)
