"""The page, in a real browser."""

from __future__ import annotations

import io
import json
import time

import numpy as np
import pytest
from PIL import Image

import keras_fcn
from keras_fcn.serving.network import ServedNetwork
from tests.keras_fcn.serving.browser import browser
from tests.keras_fcn.serving.conftest import NAMES, picture, png, served

pytestmark = pytest.mark.slow

_TAB = "\ue004"
_RIGHT = "\ue014"
_SHOWN = "!document.querySelector('#over').hidden && document.querySelector('#over').naturalWidth"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of downloads."""
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def window(folder):
    with browser(folder) as found:
        yield found


@pytest.fixture
def page(window, street):
    window.resize(1200, 900)
    window.open(f"http://127.0.0.1:{street.port}/")
    window.until("document.body.dataset.ready")
    return window


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a street.png"
    path.write_bytes(png(picture(90, 120)))
    return path


def _drawn(page) -> np.ndarray:
    """The pixels that lie over the image."""
    values = page.run("""
        const over = document.querySelector("#over"), canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [over.naturalWidth, over.naturalHeight];
        canvas.getContext("2d").drawImage(over, 0, 0);
        return [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data];
    """)
    width, height = page.run(
        "const x = document.querySelector('#over'); return [x.naturalWidth, x.naturalHeight]"
    )
    return np.array(values, np.uint8).reshape(height, width, 4)[..., :3]


def _give(page, how: str, data: bytes, name: str = "x.png", kind: str = "image/png") -> None:
    """Drop or paste a file."""
    page.run(
        """
        const [how, bytes, name, type] = arguments, transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(bytes)], name, {type}));
        const facts = {bubbles: true, cancelable: true};
        document.dispatchEvent(how === "drop"
            ? new DragEvent("drop", {...facts, dataTransfer: transfer})
            : new ClipboardEvent("paste", {...facts, clipboardData: transfer}));
        """,
        *(how, list(data), name, kind),
    )


def test_an_image_that_is_chosen_is_labelled(page, file, segmenter):
    page.type("#file", str(file))
    page.until(_SHOWN)
    labels = keras_fcn.segment(segmenter, file)
    served_network = ServedNetwork(segmenter)
    np.testing.assert_array_equal(_drawn(page), served_network.palette[labels])
    counts = np.bincount(labels.ravel(), minlength=len(NAMES)) / labels.size
    best = int(counts.argmax())
    assert page.text("#legend li").startswith(NAMES[best])
    assert page.text("#legend li").endswith(f"{100 * counts[best]:.1f} %")
    assert "a street.png" in page.run("return document.querySelector('#image').alt")
    assert NAMES[best] in page.run("return document.querySelector('#over').alt")
    assert page.text("#status") == "a street.png: 120 x 90 pixels"
    assert page.run("return document.querySelectorAll('#top li').length") == len(NAMES)
    assert page.messages() == []


@pytest.mark.parametrize("how", ["drop", "paste"])
def test_an_image_is_dropped_or_pasted(page, how):
    _give(page, how, png(picture(30, 50)))
    page.until(_SHOWN)
    assert _drawn(page).shape == (30, 50, 3)


def test_a_heat_map_of_each_class_is_shown(page, file, street):
    page.type("#file", str(file))
    page.until(_SHOWN)
    for index, name in enumerate(NAMES):
        page.run(
            "const x = document.querySelector('#class'); x.value = arguments[0]; "
            "x.dispatchEvent(new Event('change'))",
            str(index),
        )
        page.until(f"document.querySelector('#status').textContent === 'Heat map of {name}'")
        reply = street.post(f"/v1/heat-map?class={index}", file.read_bytes())
        expected = np.asarray(Image.open(io.BytesIO(reply.body)))
        np.testing.assert_array_equal(_drawn(page), expected)
        low = float(page.text("#low"))
        assert low == pytest.approx(float(reply.headers["x-low"]), rel=0.01)
    assert page.messages() == []


def test_all_is_done_by_keys(page, file):
    page.type("#file", str(file))
    page.until(_SHOWN)
    reached = []
    page.run("document.body.focus(); document.querySelector('#file').focus()")
    for _ in range(20):
        page.keys(_TAB)
        reached.append(
            page.run("const x = document.activeElement; return x.id || x.name || x.tagName")
        )
    assert {"view", "class", "opacity", "save-labels", "save-picture", "save-json"} <= set(reached)
    page.run("document.querySelector('#opacity').focus()")
    page.keys(_RIGHT, _RIGHT)
    assert page.text("#percent") == "62 %"
    assert page.run("return document.querySelector('#over').style.opacity") == "0.62"
    page.run("document.querySelector('input[value=labels]').focus()")
    page.keys(_RIGHT)
    page.until("!document.querySelector('#scale').hidden")
    page.keys(_RIGHT)
    page.until("document.querySelector('#over').hidden")


def test_downloads(page, file, folder, segmenter):
    page.type("#file", str(file))
    page.until(_SHOWN)
    for name in ("labels", "picture", "json"):
        page.run(f"document.querySelector('#save-{name}').click()")
    names = ["a street_labels.png", "a street_picture.png", "a street.json"]
    until = time.monotonic() + 10
    while not all((folder / name).is_file() for name in names):
        assert time.monotonic() < until, list(folder.iterdir())
        time.sleep(0.05)
    labels = keras_fcn.segment(segmenter, file)
    np.testing.assert_array_equal(np.asarray(Image.open(folder / names[0])), labels)
    colours = ServedNetwork(segmenter).palette[labels]
    mixed = 0.6 * colours + 0.4 * picture(90, 120)
    drawn = np.asarray(Image.open(folder / names[1]).convert("RGB"))
    np.testing.assert_allclose(drawn, mixed, atol=2)
    assert json.loads((folder / names[2]).read_text())["width"] == 120


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"hello", "not an image"), (b"x" * 200_000, "more than 100000 bytes")],
)
def test_what_is_wrong_is_told_and_the_page_goes_on(page, data, message):
    _give(page, "drop", data)
    page.until(f"document.querySelector('#status').textContent.includes('{message}')")
    assert page.run("return document.querySelector('#status').classList.contains('bad')")
    assert page.run("return document.querySelector('#result').hidden")
    _give(page, "drop", png(picture(30, 50)))
    page.until(_SHOWN)
    page.messages()  # the browser tells of answers that are errors


@pytest.mark.parametrize("width", [320, 480, 760, 1600])
def test_nothing_is_wider_than_the_screen(page, file, width):
    page.resize(width, 800)
    page.type("#file", str(file))
    page.until(_SHOWN)
    assert page.run("return document.documentElement.scrollWidth") <= width
    over, image = (
        page.run(f"return document.querySelector('{x}').getBoundingClientRect().toJSON()")
        for x in ("#over", "#image")
    )
    assert over == pytest.approx(image, abs=0.5)


def test_colours_follow_the_system(page):
    seen = []
    for dark in (False, True):
        page.dark(dark)
        seen.append(page.run("return getComputedStyle(document.body).backgroundColor"))
    page.dark(False)
    assert seen == ["rgb(255, 255, 255)", "rgb(21, 24, 27)"]


def test_a_classifier_has_its_best_classes(window, classifier, file):
    with served(ServedNetwork(classifier)) as client:
        window.open(f"http://127.0.0.1:{client.port}/")
        window.until("document.body.dataset.ready")
        window.type("#file", str(file))
        window.until("!document.querySelector('#result').hidden")
        best = keras_fcn.classify(classifier, file)[0]
        assert window.text("#top li").startswith(best["label"])
        assert window.run("return document.querySelector('#controls').hidden")
        assert window.messages() == []


def test_the_api_page_lists_the_paths(page, street):
    page.open(f"http://127.0.0.1:{street.port}/docs")
    page.until("document.querySelectorAll('h2').length >= 7")
    assert "POST /v1/heat-map" in page.text("main")
    assert page.messages() == []
