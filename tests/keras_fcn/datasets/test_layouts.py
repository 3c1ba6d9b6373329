from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from keras_fcn.datasets import LAYOUTS, check, load, load_camvid, load_cityscapes, load_voc, splits
from keras_fcn.datasets.road_scenes import CAMVID, CITYSCAPES
from keras_fcn.datasets.voc import VOC
from tests.golden import REPOSITORY
from tests.keras_fcn.datasets import pictures


@pytest.fixture
def voc(tmp_path):
    for name, number in (("2007_000001", 0), ("2007_000002", 1), ("2007_000003", 2)):
        pictures.save(tmp_path / "JPEGImages" / f"{name}.jpg", pictures.image(number))
    mask = pictures.mask(0)
    mask[0] = (0, 20, 255, 1, 1, 1, 15, 255)
    pictures.save(tmp_path / "SegmentationClass" / "2007_000001.png", mask, palette=True)
    pictures.save(tmp_path / "SegmentationClass" / "2007_000003.png", mask, palette=True)
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("2007_000001\n")
    (lists / "val.txt").write_text("2007_000003\n")
    return tmp_path


def test_voc(voc):
    dataset = load_voc(voc, "train")
    assert [pair.name for pair in dataset.pairs] == ["2007_000001"]
    image, mask = dataset[0]
    assert image.shape == (6, 8, 3)
    assert mask[0].tolist() == [0, 20, 255, 1, 1, 1, 15, 255]
    assert dataset.classes[15] == "person"
    assert dataset.palette[15] == (192, 128, 128)
    assert len(load_voc(voc)) == 2
    assert splits(voc) == ("train", "val")
    assert load(voc, "val").pairs == load_voc(voc, "val").pairs
    with pytest.raises(FileNotFoundError):
        load_voc(voc, "test")


def test_voc_has_21_classes():
    assert len(VOC.classes) == 21
    assert VOC.palette[20] == (0, 64, 128)


CAMVID_INDICES = np.array([[0, 1, 2, 3], [8, 9, 10, 11]], np.uint8)


def write_camvid_colours(path: Path) -> Path:
    colours = [(128, 128, 128), (64, 192, 0), (0, 0, 64), (192, 0, 64)]
    colours += [(64, 128, 192), (64, 128, 64), (192, 0, 192), (0, 0, 0)]
    return pictures.save(path, np.array(colours, np.uint8).reshape(2, 4, 3))


def camvid_plain(folder):
    pictures.save(folder / "images" / "x.jpg", pictures.image(0, (2, 4)))
    pictures.save(folder / "labels" / "x.png", CAMVID_INDICES)
    (folder / "train.txt").write_text("x\n")


def camvid_segnet(folder):
    pictures.save(folder / "train" / "x.png", pictures.image(0, (2, 4)))
    pictures.save(folder / "trainannot" / "x.png", CAMVID_INDICES)


def camvid_original(folder):
    pictures.save(folder / "701_StillsRaw_full" / "x.png", pictures.image(0, (2, 4)))
    write_camvid_colours(folder / "LabeledApproved_full" / "x_L.png")
    (folder / "train.txt").write_text("x\n")


@pytest.mark.parametrize("form", [camvid_plain, camvid_segnet, camvid_original])
def test_camvid(tmp_path, form):
    form(tmp_path)
    dataset = load_camvid(tmp_path, "train")
    assert len(dataset.classes) == 11
    (pair,) = dataset.pairs
    assert pair.name == "x"
    _, mask = dataset[0]
    assert mask.tolist() == [[0, 1, 2, 3], [8, 9, 10, 255]]
    assert splits(tmp_path) == ("train",)
    layout = "camvid" if form is camvid_plain else "auto"
    assert load(tmp_path, "train", layout=layout).pairs == dataset.pairs


def test_camvid_groups_all_32_colours():
    assert len(CAMVID.colours) == 32
    assert set(CAMVID.colours.values()) == {*range(11), 255}
    for index, colour in enumerate(CAMVID.palette):
        assert CAMVID.colours[colour] == index


def test_cityscapes(tmp_path):
    for split, city in (("train", "aachen"), ("val", "ulm")):
        stem = f"{city}_000001_000019"
        images, masks = (tmp_path / name / split / city for name in ("leftImg8bit", "gtFine"))
        pictures.save(images / f"{stem}_leftImg8bit.png", pictures.image(0, (2, 4)))
        ids = np.array([[7, 8, 11, 33], [0, 9, 255, 26]], np.uint8)
        pictures.save(masks / f"{stem}_gtFine_labelIds.png", ids)
        pictures.save(masks / f"{stem}_gtFine_color.png", pictures.image(0, (2, 4)))
    dataset = load_cityscapes(tmp_path, "val")
    assert [pair.name for pair in dataset.pairs] == ["ulm/ulm_000001_000019"]
    assert dataset[0][1].tolist() == [[0, 1, 2, 18], [255, 255, 255, 13]]
    assert dataset.classes[13] == "car"
    assert load(tmp_path, "val").pairs == dataset.pairs
    assert splits(tmp_path) == ("train", "val")
    assert len(load_cityscapes(tmp_path)) == 2


def test_cityscapes_knows_all_ids():
    assert sorted(CITYSCAPES.lookup) == [*range(34), 255]
    assert sorted(set(CITYSCAPES.lookup.values())) == [*range(19), 255]


def test_plain_folders_are_found(tmp_path):
    pictures.write_folders(tmp_path)
    assert load(tmp_path, "train").name == f"{tmp_path} train"
    assert splits(tmp_path) == ("train", "val")
    assert len(load(tmp_path, layout="folders")) == 5


def test_bad_layouts(tmp_path):
    with pytest.raises(ValueError, match=f"one of .*{list(LAYOUTS)[-1]}.*Received: 'coco'"):
        load(tmp_path, layout="coco")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")


@pytest.mark.slow
def test_camvid_subset():
    golden = os.environ.get("KERAS_FCN_GOLDEN")
    shared = REPOSITORY.parent / "shared" if golden is None else Path(golden).parent
    folder = shared / "data" / "camvid"
    if not folder.is_dir():
        pytest.skip(f"no CamVid subset: {folder} is absent (beside what KERAS_FCN_GOLDEN names)")
    assert splits(folder) == ("train", "val")
    sizes = []
    for split in ("train", "val"):
        report = check(load_camvid(folder, split))
        sizes.append(report.pairs)
        assert report.problems == []
        assert report.sizes == {(360, 480): report.pairs}
        assert report.pixels.sum() + report.ignored == report.pairs * 360 * 480
        # Sky, building and road fill most of a street, and every frame has road.
        assert report.pixels[[0, 1, 3]].sum() > 0.6 * report.pixels.sum()
        assert report.images[3] == report.pairs
    assert sizes == [120, 30]
