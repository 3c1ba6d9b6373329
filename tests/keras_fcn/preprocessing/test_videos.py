"""Frames of videos and of animated pictures."""

from __future__ import annotations

import sys
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

import keras_fcn
from keras_fcn.caffe.errors import CaffeError, CaffeWarning
from keras_fcn.inference.pictures import is_one, pictures
from keras_fcn.preprocessing.videos import frames, is_video

GREYS = (0, 60, 120, 180, 240)


def animation(path, greys=GREYS, size=(48, 32)):
    """An animated picture whose frames are grey with a light corner; 0.04 s each."""
    images = [Image.new("RGB", size, (grey, grey, grey)) for grey in greys]
    for image in images:
        image.paste((255, 255, 255), (0, 0, 8, 4))
    images[0].save(path, save_all=True, append_images=images[1:], duration=40, lossless=True)
    return path


def film(path, greys=GREYS, rate=25):
    """A video of such frames."""
    av = pytest.importorskip("av", reason="PyAV is not installed")
    with av.open(str(path), "w") as video:
        stream = video.add_stream("mpeg4", rate=Fraction(rate))
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for grey in greys:
            frame = av.VideoFrame.from_ndarray(np.full((32, 48, 3), grey, np.uint8), "rgb24")
            video.mux(stream.encode(frame))
        video.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("ending", ["gif", "webp", "tiff"])
def test_animated_pictures(ending, tmp_path):
    path = animation(tmp_path / f"a.{ending}")
    assert is_video(path)
    found = list(frames(path))
    assert [frame.number for frame, _ in found] == [0, 1, 2, 3, 4]
    times = [0, 0.04, 0.08, 0.12, 0.16] if ending != "tiff" else [0] * 5
    np.testing.assert_allclose([frame.time for frame, _ in found], times)
    assert [int(pixels[20, 20, 0]) for _, pixels in found] == list(GREYS)
    assert {pixels.shape[:2] for _, pixels in found} == {(32, 48)}
    assert found[3][0].name == str(tmp_path / f"a_000003.{ending}")


def test_what_is_no_video(tmp_path):
    animation(tmp_path / "one.gif", GREYS[:1])
    (tmp_path / "text.gif").write_text("no picture")
    for name in ("one.gif", "text.gif", "absent.gif", "x.png"):
        assert not is_video(tmp_path / name)
    assert is_video("CLIP.MP4")


@pytest.mark.parametrize("ending", ["mp4", "avi", "mkv"])
def test_videos(ending, tmp_path):
    path = film(tmp_path / f"a.{ending}", rate=10)
    found = list(frames(path))
    np.testing.assert_allclose(
        [frame.time for frame, _ in found], [0, 0.1, 0.2, 0.3, 0.4], atol=1e-3
    )
    greys = [float(pixels.mean()) for _, pixels in found]
    np.testing.assert_allclose(greys, GREYS, atol=4)
    assert found[0][1].shape == (32, 48, 3)


def test_damaged_videos(tmp_path):
    path = film(tmp_path / "a.avi", GREYS * 6)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(ValueError, match=r"a\.avi: damaged after \d+ frames: "):
        list(frames(path))
    path.write_bytes(b"no video" * 100)
    with pytest.raises(ValueError, match=r"a\.avi: damaged after 0 frames: "):
        list(frames(path))
    with pytest.raises(FileNotFoundError, match="no such file"):
        list(frames(tmp_path / "absent.mp4"))


def test_damaged_animation(tmp_path):
    path = animation(tmp_path / "a.webp")
    random = np.random.default_rng(0).integers(0, 256, (3, 40, 40, 3), np.uint8)
    first, *rest = map(Image.fromarray, random)
    first.save(tmp_path / "b.gif", save_all=True, append_images=rest)
    data = (tmp_path / "b.gif").read_bytes()
    (tmp_path / "b.gif").write_bytes(data[: len(data) - 900])
    named = [picture.name for picture in pictures([path, tmp_path / "b.gif"])]
    assert named[:5] == [str(tmp_path / f"a_{index:06}.webp") for index in range(5)]
    assert named[-1] == str(tmp_path / "b.gif")
    with pytest.raises(ValueError, match=r"b\.gif: damaged after \d frames"):
        list(frames(tmp_path / "b.gif"))


def test_without_pyav(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "a.mp4").write_bytes(b"x")
    with pytest.raises(CaffeError, match=r"a\.mp4: videos need pip install 'keras-fcn\[video\]'"):
        list(frames(tmp_path / "a.mp4"))


@pytest.mark.slow
def test_frames_are_several_pictures(tmp_path):
    import keras

    path = animation(tmp_path / "a.gif")
    assert not is_one(path)
    x = keras.Input((None, None, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(x, keras.layers.Softmax()(pooled))
    own = keras_fcn.Preprocessing(mean=None, raw_scale=1)
    found = keras_fcn.classify(model, path, preprocessing=own)
    assert len(found) == 5
    assert found[0] == keras_fcn.classify(model, next(frames(path))[1], preprocessing=own)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    with pytest.raises(ValueError, match=r"a\.gif"):
        keras_fcn.classify(model, [path], preprocessing=own)
    with pytest.warns(CaffeWarning, match=r"skipped: .*a\.gif"):
        cut = keras_fcn.classify(model, [path], preprocessing=own, skip_bad=True)
    assert cut[-1] is None
    assert cut[0] == found[0]
