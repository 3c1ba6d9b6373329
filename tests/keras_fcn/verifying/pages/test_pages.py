"""The pages hold what the report holds, and nothing of what its names would like to do."""

from __future__ import annotations

import base64
import io
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.verifying.pages import Entry, write_page, write_summary
from keras_fcn.verifying.report import BlobResult, Cause, ParityReport

HOSTILE = (
    '<script>alert("x")</script>',
    "</title></style><img src=https://example.org/x.png onerror=alert(1)>",
    "quotes \" ' & `",
    "\u202egnp.exe\u200f\u2066",
    "long" * 500,
    "a\x00b\x07\x1b[31m\ud800",
    "",
    "-->]]>&lt;",
)
VOID = {"meta", "img"}
CLOSED = {"line", "circle", "polyline"}
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


class _Page(HTMLParser):
    """Checks that tags are closed in order, and keeps what there is."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.text, self.links = [], [], "", []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        assert not any(name.startswith("on") for name, _ in attributes)
        self.links += [value for name, value in attributes if name in ("src", "href", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        assert tag in CLOSED

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def count(self, tag):
        return sum(each == tag for each, _ in self.tags)


def _result(name, shape, apart=0.0, verdict="same", **more):
    ours = np.random.default_rng(len(name)).normal(size=shape).astype(np.float32)
    theirs = ours + np.float32(apart)
    arrays = {"ours": ours, "theirs": theirs} | more
    largest = apart / float(np.abs(theirs).max(initial=1e-9))
    return BlobResult(
        name, name, "Convolution", shape, shape, largest, largest, verdict=verdict, **arrays
    )


def _report(results, **more):
    usual = {"versions": {"pycaffe": "1.0"}, "inputs": ("data: cat.jpg",)}
    return ParityReport("net", tuple(results), "blobs.npz", **(usual | more))


def _written(report, path):
    write_page(report, path)
    text = path.read_text(encoding="utf-8")
    page = _Page(text)
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert not re.search(r"url\(|@import", text.split("</style>")[0])
    assert "script" not in {tag for tag, _ in page.tags}
    return page, text


def test_a_page_has_the_result_a_curve_and_maps(tmp_path):
    results = [
        _result("data", (1, 3, 8, 8)),
        _result("conv", (1, 12, 8, 8), 0.5, "differs"),
        _result("fc", (1, 40), 0.1, "differs"),
        BlobResult("pool", "pool", "Pooling", (1, 2, 4, 4), (1, 2, 3, 3), verdict="shape"),
        BlobResult("gone", "gone", "Split", (1, 2)),
    ]
    cause = Cause("bias lost", "the reference's layer 'conv' adds no bias", 0.5, 1e-8)
    page, text = _written(
        _report(results, cause=cause, outputs=("fc",), classes=("cat", "dog")), tmp_path / "r.html"
    )
    assert "Not the same network" in page.text
    assert "blob conv of layer conv (Convolution): the reference's layer 'conv' adds" in page.text
    assert "falls from 5.0e-01 to 1.0e-08" in page.text
    assert page.count("circle") == 3  # of the blobs that were compared
    assert page.count("details") == 3
    opened = [x for tag, x in page.tags if tag == "details" and "open" in x]
    assert [x["class"] for x in opened] == ["blob differs"]
    assert page.count("img") == 6  # ours, theirs and the difference of two
    assert 9 in [len(x.split()) for x in re.findall(r"channels ([\d, ]+)", page.text)]
    assert "cat" in page.text  # a class of the best
    assert "class 3" in page.text  # one without a name
    assert "2 \N{MULTIPLICATION SIGN} 3 \N{MULTIPLICATION SIGN} 3" in page.text
    assert "prefers-color-scheme: dark" in text
    assert "max-width: 45rem" in text


def test_class_maps_lie_side_by_side(tmp_path):
    result = _result("score", (1, 4, 6, 6))
    theirs = result.theirs.copy()
    theirs[0, :, :3] = theirs[0, ::-1, :3]
    result = BlobResult(
        "score", "score", "Convolution", (1, 4, 6, 6), ours=result.ours, theirs=theirs
    )
    report = _report([result], outputs=("score",), classes=("sky", "<b>road</b>", "car"))
    page, _ = _written(report, tmp_path / "r.html")
    share = np.mean(result.ours[0].argmax(0) != theirs[0].argmax(0))
    assert 0 < share <= 0.5
    assert f"other class in {share:.2%} of pixels" in page.text
    assert "<b>road</b>" in page.text
    assert page.count("img") == 6


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(name, tmp_path):
    results = [_result("data", (1, 3)), _result(name, (1, 2, 5, 5), 1.0, "differs", note=name)]
    report = ParityReport(
        name,
        tuple(results),
        name,
        Cause(name, name, 1.0, 0.0),
        versions={name: name},
        inputs=(name,),
        notes=(name,),
        outputs=(name,),
        classes=(name, name),
    )
    page, text = _written(report, tmp_path / "r.html")
    write_summary([Entry(name, report, page=name), Entry(name, None, name)], tmp_path / "s.html")
    for each in (text, (tmp_path / "s.html").read_text(encoding="utf-8")):
        assert {tag for tag, _ in _Page(each).tags} <= {tag for tag, _ in page.tags} | {
            *("table", "thead", "tbody", "tr", "th", "td", "a")
        }
        assert not re.search("[\x00-\x08\x0b-\x1f\u200e\u200f\u202a-\u202e\u2066-\u2069]", each)
    if name.isascii() and len(name) < 100 and name.isprintable():
        assert name in page.text


def test_numbers_that_are_not_finite_and_odd_shapes_are_drawn(tmp_path):
    results = [
        _result("nan", (1, 2, 5, 5), np.nan, "differs"),
        _result("scalar", ()),
        _result("one", (1, 1)),
        _result("none", (0, 3)),
        _result("deep", (1, 2, 3, 4, 5)),
        _result(
            "constant", (1, 1, 4, 4), ours=np.zeros((1, 1, 4, 4)), theirs=np.zeros((1, 1, 4, 4))
        ),
        _result("other", (1, 2, 5, 5), theirs=np.ones((1, 2, 4, 4)), verdict="shape"),
    ]
    page, _ = _written(_report(results, outputs=("nan", "deep", "one")), tmp_path / "r.html")
    colours = [
        Image.open(io.BytesIO(base64.b64decode(x.split(",")[1]))).convert("RGB").getcolors()
        for x in page.links
    ]
    assert any((255, 0, 255) in [colour for _, colour in each] for each in colours)


@pytest.mark.slow
def test_a_page_of_many_large_blobs_stays_small(tmp_path):
    big = np.random.default_rng(0).normal(size=(1, 10, 300, 300)).astype(np.float32)
    results = [
        BlobResult(f"b{i}", f"b{i}", "ReLU", big.shape, verdict="same", ours=big, theirs=big)
        for i in range(3)
    ]
    results += [BlobResult(f"m{i}", f"m{i}", "ReLU", (1,), verdict="same") for i in range(3100)]
    page, text = _written(_report(results), tmp_path / "r.html")
    assert len(text) < 20e6
    assert "more blobs are not listed" in page.text
    assert re.search(r"Maps of \d+ of 3103 blobs are drawn", page.text)
    sizes = [Image.open(io.BytesIO(base64.b64decode(x.split(",")[1]))).size for x in page.links]
    assert max(map(max, sizes)) <= 3 * 130


def test_a_summary_has_a_row_for_each_network(tmp_path):
    same = _report([_result("a", (1, 3))])
    other = _report([_result("b", (1, 3), 1.0, "differs")])
    entries = [
        Entry("one.prototxt", same, page="one two/report.html"),
        Entry("two.prototxt", other),
        Entry("three.prototxt", None, "three.prototxt:1: bad"),
    ]
    write_summary(entries, tmp_path / "index.html")
    page = _Page((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert "1 the same, 1 different, 1 not proven" in page.text
    assert page.links == ["one%20two/report.html"]
    assert page.count("tr") == 4
    assert "three.prototxt:1: bad" in page.text
    write_summary([], tmp_path / "index.html")
    assert "none was found" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_one_error(tmp_path):
    with pytest.raises(CaffeError):
        write_page(_report([_result("a", (1, 3))]), tmp_path / "no" / "folder" / "r.html")


@pytest.mark.slow
def test_a_browser_shows_the_page(tmp_path):
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    results = [_result(name or "data", (1, 3, 8, 8), 0.1, "differs") for name in HOSTILE]
    write_page(_report(results), tmp_path / "r.html")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    address = (tmp_path / "r.html").as_uri()
    run = {"capture_output": True, "timeout": 60, "check": True}
    subprocess.run(
        [*command, "--window-size=900,900", f"--screenshot={tmp_path / 's.png'}", address], **run
    )
    shot = np.asarray(Image.open(tmp_path / "s.png").convert("RGB"))
    assert shot.shape == (900, 900, 3)
    assert (shot.std(axis=(0, 1)) > 5).all()  # something is drawn
    found = subprocess.run([*command, "--dump-dom", address], **run)
    page = _Page(found.stdout.decode())
    assert page.count("details") == len(HOSTILE)
    assert page.count("img") == 3 * len(HOSTILE)
    assert b"Refused" not in found.stderr
