from __future__ import annotations

import numpy as np

from keras_fcn.datasets import SegmentationDataset, check, load_folders
from tests.keras_fcn.datasets import pictures


def test_nothing_wrong(tmp_path):
    steps = []
    report = check(
        pictures.small_dataset(tmp_path), progress=lambda done, total: steps.append((done, total))
    )
    assert report.problems == []
    assert report.pairs == 5
    masks = np.stack([pictures.mask(number) for number in range(5)])
    assert report.pixels.tolist() == np.bincount(masks.ravel()).tolist()
    assert report.images.tolist() == [5, 5, 5]
    assert (report.sizes, report.channels) == ({(6, 8): 5}, {3: 5})
    assert report.ignored == 0
    assert steps == [(done, 5) for done in range(1, 6)]


def test_everything_wrong_at_once(tmp_path):
    dataset = pictures.small_dataset(tmp_path)
    images, masks = tmp_path / "images", tmp_path / "masks"
    (images / "a.png").unlink()
    (images / "b.png").write_bytes(b"no picture")
    (masks / "b.png").unlink()
    pictures.save(masks / "c.png", pictures.mask(2, (8, 6)))
    mask = pictures.mask(3)
    mask[0, :4] = (3, 4, 200, 255)
    pictures.save(masks / "d.png", mask)
    dataset = SegmentationDataset(
        [*load_folders(tmp_path).pairs, dataset.pairs[4]], dataset.labels, "set"
    )
    report = check(dataset)
    expected = [
        "e: listed 2 times",
        "images/a.*: No such file or directory",
        "b.png: not an image that is whole",
        "masks/b.*: No such file or directory",
        "masks/c.png: the mask is (8, 6), its image (6, 8) (height, width)",
        "masks/d.png: labels 3..4, 200 in 3 pixels",
    ]
    assert len(report.problems) == len(expected)
    for problem, part in zip(report.problems, expected, strict=True):
        assert part in problem.replace("\\", "/")
    text = str(report)
    assert text.startswith("set: 6 pairs, 6 problems\n  e: listed 2 times\n")
    assert all(problem in text for problem in report.problems)


def test_a_mask_of_another_size_and_with_wrong_labels_is_two_problems(tmp_path):
    dataset = pictures.small_dataset(tmp_path)
    pictures.save(tmp_path / "masks" / "a.png", pictures.mask(0, (3, 3)) + 9)
    problems = check(dataset).problems
    assert ["labels" in problem for problem in problems] == [True, False]


def test_table(tmp_path):
    pictures.save(tmp_path / "images" / "x.png", np.zeros((2, 4), np.uint8))
    pictures.save(tmp_path / "masks" / "x.png", np.array([[0, 0, 2, 2], [2, 2, 2, 255]], np.uint8))
    report = check(load_folders(tmp_path, labels=("back", "cat", "dog")))
    assert str(report).splitlines()[1:] == [
        "images by size (height x width): 2x4: 1",
        "images by channels: 1: 1",
        "index  class    pixels  share  images",
        "    0  back          2  25.0%       1",
        "    1  cat           0   0.0%       0",
        "    2  dog           5  62.5%       1",
        "       ignored       1  12.5%",
    ]
