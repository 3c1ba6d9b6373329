"""Runs over many images: broken ones, names, formats, and going on after a stop."""

from __future__ import annotations

import json
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from keras_fcn.cli import showing
from keras_fcn.cli.output_names import output_names
from keras_fcn.cli.pictures import SKIPPED
from tests.keras_fcn.cli.test_pictures import net
from tests.keras_fcn.inference.test_coco import decoded
from tests.keras_fcn.preprocessing.test_videos import animation

_JOURNAL = ".keras-fcn-run.jsonl"


def picture(path, seed=0, size=(12, 16)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def labels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(path):
    """A small PNG that says that it is of 60000 x 60000 pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(bytes(1000)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b""))


def big_tiff(path):
    """The first bytes of a TIFF of 60000 x 60000 pixels."""
    tags = [(256, 60000), (257, 60000), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1)]
    fields = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + fields + bytes(4))


def unreadable(path):
    picture(path)
    path.chmod(0)


BROKEN = {
    "cut.png": lambda path: path.write_bytes(picture(path).read_bytes()[:-200]),
    "cut.jpg": lambda path: path.write_bytes(picture(path).read_bytes()[:200]),
    "text.jpg": lambda path: path.write_text("no picture"),
    "empty.png": lambda path: path.write_bytes(b""),
    "folder.png": lambda path: path.mkdir(),
    "bomb.png": bomb,
    "bomb.tif": big_tiff,
    "array.npy": lambda path: path.write_bytes(b"\x93NUMPY"),
    "cut.gif": lambda path: path.write_bytes(picture(path).read_bytes()[:40]),
    "link.png": lambda path: path.symlink_to("nowhere.png"),
}
if os.geteuid():  # root reads all
    BROKEN["closed.png"] = unreadable


@pytest.fixture
def photos(tmp_path):
    for seed in range(4):
        picture(tmp_path / "photos" / f"{seed}.png", seed)
    return tmp_path / "photos"


def test_broken_images_stop_nothing(run, tmp_path, photos):
    _, options = net(tmp_path, "map")
    for name, make in BROKEN.items():
        make(photos / f"2{name}")
    command = ("segment", photos, *options, "-o", tmp_path / "out", "--jsonl", tmp_path / "x.jsonl")
    outcome = run(*command)
    assert outcome.status == 1
    listed = outcome.err.splitlines()[-1]
    assert listed.startswith(f"error: {len(BROKEN)} of {len(BROKEN) + 4} images cannot be read: ")
    assert all(name in listed for name in BROKEN)
    assert sorted(x.stem for x in (tmp_path / "out").glob("*.png")) == ["0", "1", "2", "3"]
    records = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert [x["image"] for x in records] == sorted(x["image"] for x in records)
    assert sum("error" in x for x in records) == len(BROKEN)
    quiet = run(*command, "--skip-bad", "--resume", "--quiet")
    assert quiet.status == SKIPPED
    assert quiet.err.startswith(f"skipped {len(BROKEN)} of {len(BROKEN) + 4} images")
    outcome = run("segment", photos, *options, "-o", tmp_path / "strict", "--strict")
    assert outcome.status == 1
    assert "of 14 images" not in outcome.err
    assert not (tmp_path / "strict" / "3.png").exists()


def test_an_absent_image_of_several_is_one_of_the_bad(run, tmp_path, photos):
    _, options = net(tmp_path, "classifier")
    outcome = run("classify", photos / "0.png", tmp_path / "x.png", *options, "--jsonl", "-")
    assert outcome.status == 1
    assert outcome.err.splitlines()[-1].endswith(f"1 of 2 images cannot be read: {tmp_path}/x.png")
    assert f"error: {tmp_path}/x.png: No such file or directory\n" in outcome.err
    whole, absent = map(json.loads, outcome.out.splitlines())
    assert "classes" in whole
    assert absent["error"] == f"{tmp_path}/x.png: No such file or directory"
    (tmp_path / "list").write_text("photos/1.png\nphotos/0.png\n")
    outcome = run("classify", f"@{tmp_path / 'list'}", *options, "--jsonl", "-")
    assert [json.loads(x)["image"][-5:] for x in outcome.out.splitlines()] == ["1.png", "0.png"]


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["d/a.png", "d/b.c.png"], ["a", "b.c"]),
        (["d/a.png"], ["a"]),
        (["d/a.png", "e/a.png", "e/b.png"], ["d/a", "e/a", "e/b"]),
        (["d/a.png", "d/e/a.png"], ["a", "e/a"]),
        (["d/a.png", "d/a.jpg"], ["a.png", "a.jpg"]),
        (["d/a.png", "e/a.jpg", "e/A.png"], ["d/a", "e/a.jpg", "e/A.png"]),
        (["d/b.png", "d/a.png", "d/a.jpg"], ["b", "a.png", "a.jpg"]),
        (["d/a.b", "d/a.c", "d/a.b.png"], ["a.b", "a.c", "a.b.png"]),
        (["d/a.png", "./d/../d/a.png"], ["a", "a"]),  # one file
        (["d/a.mp4", "d/a_000001.png"], ["a.mp4", "a_000001.png"]),
        (["d/a.png", "d/a_000001.png"], ["a", "a_000001"]),
    ],
)
def test_names_that_no_other_has(tmp_path, monkeypatch, files, names):
    monkeypatch.chdir(tmp_path)
    assert [*output_names(files).values()] == [name.replace("/", os.sep) for name in names]


@pytest.mark.parametrize("command", ["segment", "predict", "embed"])
def test_images_of_one_name_do_not_overwrite_each_other(run, tmp_path, command):
    _, options = net(tmp_path, "map")
    options += ("--layer", "conv") if command == "embed" else ()
    heights = {"a/x.png": 9, "b/x.png": 10, "b/x.bmp": 11}
    files = [picture(tmp_path / name, size=(height, 8)) for name, height in heights.items()]
    outcome = run(command, *files, *options, "-o", tmp_path / "out", "--jsonl", "-")
    assert outcome.status == 0, outcome
    written = [json.loads(line)["files"] for line in outcome.out.splitlines()]
    assert len({path for paths in written for path in paths}) == 3
    if command == "segment":
        assert [labels(path).shape[0] for (path,) in written] == [9, 10, 11]


def test_pictures_are_not_overwritten(run, tmp_path, photos):
    _, options = net(tmp_path, "map")
    before = (photos / "0.png").read_bytes()
    (tmp_path / "out").mkdir()
    for out in (photos, f"{photos}/", tmp_path / "out" / ".." / "photos"):
        assert "a folder of their own" in run("segment", photos, *options, "-o", out).error
        one = run("segment", photos / "0.png", *options, "-o", out)
        assert "written over the picture" in one.error
    one = run("segment", photos / "0.png", *options, "-o", photos / "0.png")
    assert "written over the picture" in one.error
    many = run("segment", photos, *options, "-o", tmp_path / "out", "--picture", photos)
    assert "--picture" in many.error
    assert (photos / "0.png").read_bytes() == before


@pytest.mark.parametrize("several", [False, True])
def test_formats_of_labels(run, tmp_path, photos, several):
    _, options = net(tmp_path, "map")
    images = photos if several else photos / "0.png"
    places = {}
    for form, ending in (("png", "png"), ("npz", "npz"), ("rle", "json")):
        out = tmp_path / (form if several else f"x.{ending}")
        asked = ("--format", form) if several else ()
        outcome = run("segment", images, *options, "-o", out, *asked, "--jsonl", "-")
        assert outcome.status == 0, outcome
        record = json.loads(outcome.out.splitlines()[0])
        assert ("segmentation" in record["classes"][0]) == (form == "rle")
        (places[form],) = record["files"]
    wanted = labels(places["png"])
    with np.load(places["npz"]) as arrays:
        np.testing.assert_array_equal(arrays["labels"], wanted)
        assert arrays["classes"].shape == (4,)
    with open(places["rle"]) as file:
        written = json.load(file)
    assert written["classes"] == record["classes"]
    for each in written["classes"]:
        mask = decoded(each["segmentation"]["counts"], each["segmentation"]["size"])
        np.testing.assert_array_equal(mask, wanted == each["index"])


def test_records_are_enough(run, tmp_path, photos):
    _, options = net(tmp_path, "map")
    outcome = run("segment", photos, *options, "--format", "rle", "--jsonl", "-")
    assert outcome.status == 0
    assert all("segmentation" in json.loads(x)["classes"][0] for x in outcome.out.splitlines())
    assert "-o names where the labels go" in run("segment", photos, *options).error
    arrays = run("predict", photos / "0.png", *options, "--format", "npz", "-o", tmp_path)
    assert arrays.status == 0
    with np.load(tmp_path / "0_map.npz") as found:
        assert found["scores"].ndim == 3
    assert "--format rle" in run("predict", photos, *options, "--format", "rle").error


class StoppedError(Exception):
    """As if the process had been killed."""


def stop_after(monkeypatch, count):
    """Let a run end when some pictures are noted."""
    note, noted = showing.Journal.note, []

    def counted(self, *arguments):
        if len(noted) == count:
            raise StoppedError
        noted.append(note(self, *arguments))

    monkeypatch.setattr(showing.Journal, "note", counted)


@pytest.mark.parametrize("place", ["-o", "--jsonl", "--json", "both"])
def test_a_stopped_run_goes_on(run, tmp_path, photos, monkeypatch, place):
    _, options = net(tmp_path, "map")

    def command(name):
        out, lines = tmp_path / name, tmp_path / f"{name}.lines"
        ways = {"-o": ("-o", out), "both": ("-o", out, "--jsonl", lines)}
        return ("segment", photos, *options, *ways.get(place, (place, lines)))

    assert run(*command("whole")).status == 0
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(StoppedError):
            run(*command("stopped"), "--debug")
    outcome = run(*command("stopped"), "--resume")
    assert outcome.status == 0, outcome
    assert "2 of 4 images were done before" in outcome.err
    if place != "-o":
        whole, stopped = ((tmp_path / f"{x}.lines").read_text() for x in ("whole", "stopped"))
        assert stopped == whole.replace("/whole/", "/stopped/")
    if place in ("-o", "both"):
        for path in (tmp_path / "whole").glob("*.png"):
            np.testing.assert_array_equal(labels(tmp_path / "stopped" / path.name), labels(path))
    assert "4 of 4 images were done before" in run("segment", "--resume", *command("whole")[1:]).err


def test_what_is_not_whole_is_done_again(run, tmp_path, photos):
    _, options = net(tmp_path, "map")
    out = tmp_path / "out"
    command = ("segment", photos, *options, "-o", out)
    assert run(*command).status == 0
    first = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")}

    def again():
        """What a run writes again."""
        assert run(*command, "--resume").status == 0
        now = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")}
        changed = {name for name in now if now[name] != first[name]}
        first.update(now)
        return changed

    assert again() == set()
    whole = (out / "0.png").read_bytes()
    (out / "0.png").write_bytes(whole[:-9])
    assert again() == {"0.png"}
    assert (out / "0.png").read_bytes() == whole
    (out / "1.png").unlink()
    assert again() == {"1.png"}
    picture(photos / "2.png", seed=9)
    assert again() == {"2.png"}
    journal = (out / _JOURNAL).read_bytes()
    (out / _JOURNAL).write_bytes(journal[:-3])  # the last line, of 2.png, is cut
    assert again() == {"2.png"}
    (out / _JOURNAL).write_bytes(b'{"ru')
    assert again() == {"0.png", "1.png", "2.png", "3.png"}
    assert again() == set()


def test_a_run_goes_on_with_the_same_options_only(run, tmp_path, photos):
    _, options = net(tmp_path, "map")
    command = ("segment", photos, "-o", tmp_path / "out")
    assert run(*command, *options).status == 0
    assert run(*command, *options, "--resume", "--quiet", "--batch", 2).status == 0
    other = run(*command, *options, "--resume", "--format", "npz", "--raw-scale", 1)
    assert "differs in --format, --raw-scale" in other.error
    net(tmp_path, "map")  # writes the model's file again
    assert "differs in --model" in run(*command, *options, "--resume").error
    assert run(*command, *options).status == 0
    assert "--resume goes on with files" in run("classify", photos, *options, "--resume").error


def test_records_of_an_earlier_run_are_needed_where_they_are_asked_for(run, tmp_path, photos):
    _, options = net(tmp_path, "map")
    command = ("segment", photos, *options, "-o", tmp_path / "out", "--resume")
    assert run(*command).status == 0
    outcome = run(*command, "--jsonl", "-")
    assert "were done before" not in outcome.err
    assert len(outcome.out.splitlines()) == 4
    assert run(*command, "--jsonl", "-").out == outcome.out


def test_frames_go_on_too(run, tmp_path):
    _, options = net(tmp_path, "map")
    path = animation(tmp_path / "walk.gif", size=(16, 12))
    command = ("segment", path, *options, "-o", tmp_path / "out", "--jsonl", "-", "--resume")
    first = run(*command)
    assert first.status == 0, first
    (tmp_path / "out" / "walk_000003.png").unlink()
    second = run(*command)
    assert "4 of 5 images were done before" in second.err
    assert second.out == first.out
    assert (tmp_path / "out" / "walk_000003.png").exists()


def test_batches_say_the_same(run, tmp_path, photos):
    _, options = net(tmp_path, "classifier")
    alone = run("classify", photos, *options, "--jsonl", "-")
    together = run("classify", photos, *options, "--jsonl", "-", "--batch", 3)
    for one, other in zip(alone.out.splitlines(), together.out.splitlines(), strict=True):
        one, other = (json.loads(x)["classes"] for x in (one, other))
        assert [x["index"] for x in one] == [x["index"] for x in other]
        np.testing.assert_allclose(*([x["score"] for x in y] for y in (one, other)), rtol=1e-5)
