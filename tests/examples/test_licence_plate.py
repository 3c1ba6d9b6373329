"""The licence-plate demo: from Caffe files to text, and the training behind them."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import convert
import keras_fcn
from keras_fcn.samples import sample_path

pytestmark = pytest.mark.slow  # some tens of seconds, of which most are the demo itself

FOLDER = Path(__file__).parents[2] / "examples" / "licence_plate"
FILES = {path.stem for path in FOLDER.glob("*.py")}


@pytest.fixture(scope="module")
def example():
    """Imports a module of the example, as its scripts import each other: by its plain name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(FOLDER), *sys.path])
        yield importlib.import_module
    for name in FILES:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def demo(example, tmp_path_factory):
    return example("demo").main(["--output", str(tmp_path_factory.mktemp("demo"))])


@pytest.fixture(scope="module")
def fonts(example):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: no fonts to draw with")
    return example("glyphs").find_fonts(example("train").matplotlib_fonts())


def test_the_text_read_is_the_text_on_the_plates(example, demo):
    assert tuple(line.text for line in demo.lines) == example("plate").TEXTS


def test_the_map_has_the_size_of_the_article(demo):
    assert demo.probabilities.shape == (67, 174, 36)
    np.testing.assert_allclose(demo.probabilities.sum(axis=-1), 1, atol=1e-5)


def test_characters_are_found_on_the_plates_from_left_to_right(demo):
    for line in demo.lines:
        x = [character.x for character in line.characters]
        assert x == sorted(x)
        assert 14 < np.median(np.diff(x)) < 18  # drawn 16 pixels apart
        assert all(150 < character.y < 230 for character in line.characters)


def test_the_map_equals_the_classifier_on_the_windows(example, demo):
    module = example("demo")
    classifier = keras_fcn.LeNet(classes=36, weights=sample_path("lenet_plate.caffemodel"))
    grey = np.asarray(Image.open(sample_path("plate.png")).convert("L"))
    assert module.largest_difference(classifier, grey, demo.probabilities, demo.lines) < 1e-5


def test_each_character_has_its_heat_map(demo):
    characters = {c for line in demo.lines for c in line.text.replace(" ", "")}
    names = {path.stem for path in demo.pictures}
    assert names == {"plate_read", *(f"heat_{c}" for c in characters)}
    for path in demo.pictures:
        picture = np.asarray(Image.open(path))
        assert picture.shape[1] == 1440
        assert picture.std() > 15


def test_an_empty_picture_reads_nothing(example, tmp_path, capsys):
    Image.new("L", (100, 60), 200).save(tmp_path / "empty.png")
    result = example("demo").main(
        ["--image", str(tmp_path / "empty.png"), "--output", str(tmp_path / "out")]
    )
    assert result.lines == []
    assert "read: nothing" in capsys.readouterr().out


def test_lines_are_read_off_a_map(example):
    """Two lines drawn into a map by hand, with a word gap, and a lone peak."""
    reading = example("reading")
    probabilities = np.full((40, 80, 36), 1 / 36)
    for row, first, text in ((10, 5, "AB CD"), (30, 40, "XYZ")):
        for place, character in enumerate(text):
            if character != " ":
                probabilities[row, first + 4 * place] = 0.1 / 35
                probabilities[row, first + 4 * place, ord(character) - ord("A")] = 0.9
    probabilities[20, 70, 8] = 0.9
    found = reading.find_characters(probabilities)
    assert len(found) == 8
    lines = reading.read_lines(found, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    assert [line.text for line in lines] == ["AB CD", "XYZ"]
    first = lines[0].characters[0]
    assert first.cell == (10, 5)
    assert (first.x, first.y) == pytest.approx((4 * 5 + 13.5, 4 * 10 + 13.5))


def test_windows_are_drawn_alike_from_one_seed(example, fonts):
    samples = example("glyphs").samples
    windows, targets = samples(fonts, 60, seed=3)
    assert windows.shape == (60, 28, 28, 1)
    assert windows.dtype == np.uint8
    assert windows.std() > 20
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-5)
    best = targets.max(axis=1)
    assert (best > 0.99).any()  # a character in the middle
    assert np.isclose(best, 1 / 36).any()  # none
    np.testing.assert_array_equal(samples(fonts, 60, seed=3)[0], windows)
    assert not np.array_equal(samples(fonts, 60, seed=4)[0], windows)


def test_fonts_without_the_characters_are_named(example, tmp_path):
    with pytest.raises(ValueError, match=r"No font .* Received: .*nothing"):
        example("glyphs").find_fonts([tmp_path / "nothing"])


def test_another_picture_in_another_font_is_read(example, fonts):
    font = next(font for font in fonts if font.name == "DejaVuSansMono-Bold.ttf")
    texts = ["EVA 7593", "PRG 2864", "ZHT 9182"]
    grey = np.asarray(example("plate").render(font, texts, seed=11).convert("L"))
    fcn = keras_fcn.LeNetFCN(classes=36, weights=sample_path("lenet_plate.caffemodel"))
    reading = example("reading")
    found = reading.find_characters(keras_fcn.predict(fcn, grey))
    lines = reading.read_lines(found, example("demo").CHARACTERS)
    assert [line.text for line in lines] == texts


def test_caffe_weights_give_the_trained_net_back(example, tmp_path):
    """Random Keras weights to a caffemodel and back: ip1's inputs are in another order there."""
    train = example("train")
    model = train.build()
    path = tmp_path / "net.caffemodel"
    convert.write_caffemodel(path, sample_path("lenet_plate.prototxt"), train.caffe_weights(model))
    assert path.stat().st_size < 2e6
    windows = np.random.default_rng(0).random((5, 28, 28, 1), np.float32)
    back = keras_fcn.LeNet(classes=36, weights=path)
    np.testing.assert_allclose(
        back.predict(windows, verbose=0), model.predict(windows, verbose=0), atol=1e-6
    )


@pytest.mark.usefixtures("fonts")
def test_training_writes_a_caffemodel(example, tmp_path, capsys):
    path = tmp_path / "net.caffemodel"
    options = ["--windows", "512", "--tests", "100", "--epochs", "1", "--output", str(path)]
    accuracy = example("train").main(options)
    assert 0 <= accuracy <= 1
    assert "held out: DejaVuSansMono-Bold" in capsys.readouterr().out
    shapes = {
        name: [blob.shape for blob in blobs] for name, blobs in convert.load_weights(path).items()
    }
    assert shapes == {
        "conv1": [(20, 1, 5, 5), (20,)],
        "conv2": [(50, 20, 5, 5), (50,)],
        "ip1": [(500, 800), (500,)],
        "ip2": [(36, 500), (36,)],
    }
