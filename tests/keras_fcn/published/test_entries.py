"""The registry's data: every fact has its form, and the parts fit together."""

from __future__ import annotations

import json
import string
from urllib.parse import urlsplit

import numpy as np
import pytest

from keras_fcn import models
from keras_fcn.published import data_set, data_sets, published, published_model
from keras_fcn.published.entries import HASHES
from keras_fcn.visualize import voc_palette
from tests.golden import golden_folder

DIGITS = {"sha256": 64, "sha1": 40, "md5": 32}


@pytest.mark.parametrize("name", published())
def test_entry(name):
    entry = published_model(name)
    assert entry.title
    assert not entry.dataset or entry.dataset in data_sets()
    for remote in (entry.weights, entry.prototxt):
        assert remote.size is None or remote.size > 0
        assert set(remote.hashes) <= set(HASHES)
        for kind, digest in remote.hashes.items():
            assert len(digest) == DIGITS[kind]
            assert set(digest) <= set(string.hexdigits.lower())
        for url in remote.urls:
            parts = urlsplit(url)
            assert parts.scheme in ("http", "https")
            assert parts.netloc
            assert parts.path
    for figure in entry.published:
        assert 0 < figure.value < 100
        assert figure.source
    assert entry.input is None or len(entry.input) == 2
    preprocessing = entry.preprocessing()
    assert (preprocessing is None) == (entry.mean is None)
    if entry.tiles is not None:
        assert entry.tiling().margin == 186


def test_names_and_hashes_stand_once():
    hashes = [d for entry in published().values() for d in entry.weights.hashes.values()]
    assert len(hashes) == len(set(hashes))
    assert all(name == entry.name for name, entry in published().items())


@pytest.mark.parametrize("name", [name for name, e in published().items() if e.constructor])
def test_every_constructor_exists(name):
    assert published()[name].constructor in models.__all__


def test_unknown_name():
    with pytest.raises(ValueError, match="did you mean 'bvlc_googlenet'") as caught:
        published_model("bvlc_google_net")
    assert str(caught.value).endswith("Received: 'bvlc_google_net'")


# Data sets


@pytest.mark.parametrize("name", data_sets())
def test_data_set(name):
    found = data_set(name)
    assert len(set(found.classes)) == len(found.classes) or name == "imagenet"  # crane, twice
    if found.palette is not None:
        assert found.palette.shape == (len(found.classes), 3)
        assert found.palette.dtype == np.uint8
        assert len(np.unique(found.palette, axis=0)) == len(found.classes)
        assert found.void not in range(len(found.classes))


def test_unknown_data_set():
    with pytest.raises(ValueError, match="did you mean 'cityscapes'"):
        data_set("cityscape")


def test_voc_palette():
    np.testing.assert_array_equal(data_set("pascal_voc").palette, voc_palette(21))
    assert data_set("pascal_voc").classes[15] == "person"


@pytest.mark.parametrize("other", ["camvid_dilation", "kitti_dilation"])
def test_dilated_nets_classes_are_not_in_segnets_order(other):
    """The same colours mean the same, in another order; only the pavement has two."""

    def by_colour(name):
        found = data_set(name)
        return dict(zip(map(tuple, found.palette.tolist()), found.classes, strict=True))

    segnet, dilated = by_colour("camvid"), by_colour(other)
    assert list(segnet) != list(dilated)
    renamed = {"Pole": "Column_Pole"}
    for colour in set(segnet) & set(dilated):
        assert renamed.get(segnet[colour], segnet[colour]) == dilated[colour]
    assert segnet.keys() - dilated.keys() == {(60, 40, 222)}
    assert dilated[0, 0, 192] == "Sidewalk"


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("pascal_voc", "dilation8_pascal_voc"),
        ("camvid_dilation", "dilation8_camvid"),
        ("cityscapes", "dilation10_cityscapes"),
        ("kitti_dilation", "dilation7_kitti"),
    ],
)
def test_published_palettes(name, model):
    file = golden_folder().parent / "data" / "palettes" / f"dilation_{name.split('_dil')[0]}.json"
    if not file.exists():
        pytest.skip(f"no published palette: {file} is absent")
    facts = json.loads(file.read_text())
    assert data_set(name).palette.tolist() == facts["palette"]
    assert published()[model].dataset == name
    assert list(published()[model].mean) == facts["mean"]
    assert published()[model].tiles["zoom"] == facts["zoom"]
