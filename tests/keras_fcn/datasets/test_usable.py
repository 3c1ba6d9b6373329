from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from keras_fcn.datasets import known_pairs, load, load_folders, usable
from keras_fcn.datasets.colour_files import read_colours
from keras_fcn.datasets.usable import find_bad_pairs, require_usable
from tests.keras_fcn.datasets import pictures


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_FCN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(known_pairs, "_good", {})


def broken(folder):
    """One bad pair of each kind, and one that is good."""
    names = ("a", "b", "c", "d", "e", "f", "good")
    data = pictures.write_folders(folder, names)
    images, masks = folder / "images", folder / "masks"
    (images / "a.png").unlink()
    (masks / "b.png").unlink()
    whole = (images / "c.png").read_bytes()
    (images / "c.png").write_bytes(whole[: len(whole) // 2])
    pictures.save(masks / "d.png", pictures.mask(3, (8, 6)))
    pictures.save(masks / "e.png", pictures.mask(4) + 7)
    Image.new("RGB", (8, 6)).save(masks / "f.png")
    return load_folders(data)


def test_all_kinds_are_found(tmp_path):
    steps = []
    dataset = broken(tmp_path)
    bad = find_bad_pairs(dataset, progress=lambda done, total: steps.append((done, total)))
    expected = {
        "a": "a.*: No such file",
        "b": "b.*: No such file",
        "c": "c.png: not an image that is whole",
        "d": "d.png: the mask is (8, 6), its image",
        "e": "e.png: labels 7..9",
        "f": "f.png: a mask of colours",
    }
    assert list(bad) == list(expected)
    for name, text in expected.items():
        assert bad[name].startswith(f"pair {name}: ")
        assert text in bad[name]
    assert steps == [(done, 7) for done in range(1, 8)]


def test_sizes_are_compared_before_anything_is_decoded(tmp_path, monkeypatch):
    dataset = broken(tmp_path).subset(broken(tmp_path).pairs[3:4])
    monkeypatch.setattr(type(dataset), "read", lambda *_: pytest.fail("decoded"))
    assert "the mask is (8, 6)" in find_bad_pairs(dataset)["d"]


def test_a_turned_photograph_is_compared_as_it_is_read(tmp_path):
    pictures.write_folders(tmp_path, ("a",))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Image.fromarray(pictures.image(0, (8, 6)))
    turned.save(tmp_path / "images" / "a.png", exif=exif)
    assert find_bad_pairs(load_folders(tmp_path)) == {}


def test_twenty_are_named_and_the_rest_counted(tmp_path):
    names = tuple(f"{number:02}" for number in range(30))
    dataset = load_folders(pictures.write_folders(tmp_path, names))
    for name in names[:25]:
        (tmp_path / "masks" / f"{name}.png").unlink()
    with pytest.raises(ValueError, match="25 of 30 pairs") as error:
        require_usable({"training": dataset})
    lines = str(error.value).splitlines()
    assert 'leave them out with on_bad_pair="skip":' in lines[0]
    assert [line[:8] for line in lines[1:21]] == [f"pair {name}:" for name in names[:20]]
    assert lines[21:] == ["and 5 more"]
    require_usable({"training": dataset}, "skip")
    assert list(dataset.bad_pairs) == list(names[:25])
    for name in names[25:]:
        (tmp_path / "masks" / f"{name}.png").unlink()
    with pytest.raises(ValueError, match="no pair of the training data"):
        require_usable({"training": dataset}, "skip")


def test_good_pairs_are_read_once(tmp_path, monkeypatch):
    """In a process, and where reading takes long from one to the next."""
    dataset = load_folders(pictures.write_folders(tmp_path))
    reads = []
    read = type(dataset).read
    monkeypatch.setattr(
        type(dataset), "read", lambda self, index: reads.append(index) or read(self, index)
    )

    def checked(data=dataset):
        reads.clear()
        return find_bad_pairs(data), sorted(reads)  # by several threads

    assert checked() == ({}, [0, 1, 2, 3, 4])
    assert not (tmp_path / "home").exists()
    assert checked() == ({}, [])
    known_pairs._good.clear()
    monkeypatch.setattr(usable, "_WORTH_KEEPING", 0)
    checked()
    known_pairs._good.clear()
    assert checked() == ({}, [])
    # Another file, or other classes: read again.
    pictures.save(tmp_path / "masks" / "c.png", pictures.mask(2) + 9)
    os.utime(tmp_path / "masks" / "c.png", (1, 1))
    bad, again = checked()
    assert (list(bad), again) == (["c"], [2])
    assert len(checked(load_folders(tmp_path, labels=("one", "two")))[0]) == 5


def test_images_must_fit_the_networks_channels(tmp_path, monkeypatch):
    data = pictures.write_folders(tmp_path, ("a", "b", "c"))
    (tmp_path / "images" / "a.png").unlink()
    np.save(tmp_path / "images" / "a.npy", pictures.image(0, channels=5))
    pictures.save(tmp_path / "images" / "b.png", pictures.image(0, channels=1))
    dataset = load_folders(data)
    assert find_bad_pairs(dataset) == {}
    monkeypatch.setattr(type(dataset), "read", lambda *_: pytest.fail("read again"))
    assert list(find_bad_pairs(dataset, 5)) == ["b", "c"]
    bad = find_bad_pairs(dataset, 3)
    path = tmp_path / "images" / "a.npy"
    assert bad == {"a": f"pair a: {path} has 5 channels, the network takes 3"}
    with pytest.raises(ValueError, match="1 of 3 pairs"):
        require_usable({"training": dataset}, channels=3)


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "home").write_text("a file")
    monkeypatch.setattr(usable, "_WORTH_KEEPING", 0)
    assert find_bad_pairs(load_folders(pictures.write_folders(tmp_path / "data"))) == {}


def test_masks_of_colours(tmp_path):
    (tmp_path / "colours.txt").write_text("0 0 0 void\n128 64 128\troad\n0, 0, 9 sky\n1 1 1 road\n")
    labels = read_colours(tmp_path / "colours.txt")
    assert labels.classes == ("road", "sky")
    assert list(labels.palette) == [(128, 64, 128), (0, 0, 9)]
    mask = np.array([[(0, 0, 0), (1, 1, 1), (0, 0, 9), (128, 64, 128)]], np.uint8)
    assert labels(mask, "m").tolist() == [[255, 0, 1, 0]]
    for line in ("road", "1 2 road", "256 0 0 road", "0 0 0 road\n0 0 0 sky", "0 0 0 void"):
        (tmp_path / "colours.txt").write_text(line)
        with pytest.raises(ValueError, match=r"colours\.txt"):
            read_colours(tmp_path / "colours.txt")


def test_folders_of_other_names(tmp_path):
    pictures.write_folders(tmp_path)
    (tmp_path / "images").rename(tmp_path / "photos")
    (tmp_path / "masks").rename(tmp_path / "truth")
    dataset = load(tmp_path, "train", images="photos", masks="truth")
    assert find_bad_pairs(dataset) == {}
    assert len(dataset) == 3
    with pytest.raises(ValueError, match="--images: for the layout 'folders' only"):
        load(tmp_path, layout="camvid", images="photos", option=lambda name: f"--{name}")


def test_a_large_data_set_is_one_line(tmp_path):
    dataset = pictures.small_dataset(tmp_path)
    large = dataset.subset(dataset.pairs * 2000)
    facts = "pairs 10000, classes 3 (back, left, right), void 255"
    assert repr(large) == f"<SegmentationDataset {dataset.name}: {facts}>"
    assert "<th>pairs</th><td>10000</td>" in large._repr_html_()
