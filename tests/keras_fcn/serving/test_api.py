from __future__ import annotations

import base64
import io
import json
import socket
import struct
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

import keras_fcn
from keras_fcn.caffe.words import options_as
from keras_fcn.cli.flags import flag
from keras_fcn.serving.limits import Limits
from keras_fcn.serving.network import ServedNetwork
from tests.keras_fcn.inference.test_unfit_sizes import NET as UNPOOLED
from tests.keras_fcn.serving.conftest import NAMES, picture, png, served


def _image(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


@pytest.mark.parametrize("size", [(40, 60), (1, 1), (33, 7), (101, 150)])
def test_labels_are_those_of_segment(street, segmenter, size):
    pixels = picture(*size)
    expected = keras_fcn.segment(segmenter, pixels)
    reply = street.post("/v1/labels", png(pixels))
    assert (reply.status, reply.headers["content-type"]) == (200, "image/png")
    np.testing.assert_array_equal(_image(reply.body), expected)
    facts = street.post("/v1/segment?labels=classes", png(pixels)).json
    np.testing.assert_array_equal(_image(base64.b64decode(facts["labels_png"])), expected)
    assert (facts["height"], facts["width"]) == size
    counts = np.bincount(expected.ravel(), minlength=len(NAMES)) / expected.size
    told = {x["index"]: x["share"] for x in facts["classes"]}
    np.testing.assert_allclose([told.get(i, 0) for i in range(len(NAMES))], counts)
    assert all(x["label"] == NAMES[x["index"]] for x in facts["classes"])


def test_coloured_labels_have_the_colours_of_the_legend(street, segmenter):
    pixels = picture()
    labels = keras_fcn.segment(segmenter, pixels)
    colours = [x["colour"] for x in street.get("/v1/model").json["classes"]]
    palette = np.array([[int(x[i : i + 2], 16) for i in (1, 3, 5)] for x in colours])
    reply = street.post("/v1/labels?colours=true", png(pixels))
    np.testing.assert_array_equal(_image(reply.body), palette[labels])


def test_a_heat_map_is_of_its_class(street, segmenter):
    pixels = picture()
    scores = keras_fcn.predict(segmenter, pixels)
    for index, name in enumerate(NAMES):
        reply = street.post(f"/v1/heat-map?class={index}", png(pixels))
        assert reply.status == 200
        low, high = float(reply.headers["x-low"]), float(reply.headers["x-high"])
        assert scores[..., index].min() - 1e-6 <= low < high <= scores[..., index].max() + 1e-6
        heat = _image(reply.body)
        assert heat.shape == pixels.shape
        at = np.unravel_index(scores[..., index].argmax(), scores.shape[:2])
        brightest = heat.sum(axis=-1, dtype=int)
        assert brightest[2 * at[0], 2 * at[1]] >= np.quantile(brightest, 0.9), name
    by_name = street.post("/v1/heat-map?class=car", png(pixels))
    assert by_name.body == street.post("/v1/heat-map?class=3", png(pixels)).body


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_every_kind_of_file_is_taken(street, segmenter, tmp_path, form):
    data = png(picture(), form)
    (tmp_path / f"x.{form.lower()}").write_bytes(data)
    expected = keras_fcn.segment(segmenter, tmp_path / f"x.{form.lower()}")
    reply = street.post("/v1/labels", data, f"image/{form.lower()}")
    np.testing.assert_array_equal(_image(reply.body), expected)


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    return png(picture(), "JPEG", exif=exif)


def _written(mode: str, form: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture()).convert(mode).save(file, form, **options)
    return file.getvalue()


ODD = {
    "animated": lambda: _written(
        *("RGB", "GIF"), save_all=True, append_images=[Image.fromarray(picture(seed=1))]
    ),
    "16 bits": lambda: png(picture()[..., 0].astype(np.uint16) * 257),
    "CMYK": lambda: _written("CMYK", "JPEG"),
    "turned": _turned,
    "alpha": lambda: _written("RGBA"),
    "grey and alpha": lambda: _written("LA"),
    "palette with a transparent colour": lambda: _written("P", transparency=3),
    "black and white": lambda: _written("1"),
    "bytes behind": lambda: png(picture()) + b"more" * 99,
}


@pytest.mark.parametrize("name", ODD)
def test_odd_pictures_are_those_of_segment(street, segmenter, tmp_path, name):
    (tmp_path / "x.png").write_bytes(ODD[name]())
    expected = keras_fcn.segment(segmenter, tmp_path / "x.png")
    assert expected.shape == ((60, 40) if name == "turned" else (40, 60))
    reply = street.post("/v1/labels", ODD[name](), "application/octet-stream")
    np.testing.assert_array_equal(_image(reply.body), expected)


def test_json_holds_the_file_in_base64(street):
    data = png(picture())
    body = json.dumps({"b64": base64.b64encode(data).decode()})
    reply = street.post("/v1/segment", body, "application/json")
    assert reply.status == 200
    assert reply.json == street.post("/v1/segment", data).json


def test_a_classifier_classifies(classifier):
    pixels = picture()
    with served(ServedNetwork(classifier)) as client:
        facts = client.post("/v1/classify?top=3", png(pixels)).json
        expected = keras_fcn.classify(classifier, pixels, top=3)
        assert [x["label"] for x in facts["classes"]] == [x["label"] for x in expected]
        np.testing.assert_allclose(
            [x["score"] for x in facts["classes"]], [x["score"] for x in expected], rtol=1e-6
        )
        assert client.post("/v1/segment", png(pixels)).error == "no_map"
        assert client.get("/v1/model").json["max_pixels"] == 40_000_000


def _bomb(height: int, width: int) -> bytes:
    """A PNG whose header says that it is large, and which holds nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99))


BAD = {
    "huge": (b"x" * 100_001, "image/png", 413, "too_many_bytes"),
    "many times too huge": (b"x" * 5_000_000, "image/png", 413, "too_many_bytes"),
    "bomb": (_bomb(50_000, 50_000), "image/png", 413, "too_many_pixels"),
    "small bomb": (_bomb(11_000, 11_000), "image/png", 413, "too_many_pixels"),
    "pixels": (png(np.zeros((201, 100, 3), np.uint8)), "image/png", 413, "too_many_pixels"),
    "cut short": (png(picture())[:-40], "image/png", 422, "broken_image"),
    "cut JPEG": (png(picture(), "JPEG")[:500], "image/jpeg", 422, "broken_image"),
    "text": (b"hello", "image/png", 415, "not_an_image"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", 415, "not_an_image"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "image/x", 415, "not_an_image"),
    "empty": (b"", "image/png", 422, "empty"),
    "form": (png(picture()), "application/x-www-form-urlencoded", 415, "content_type"),
    "multipart": (b"--x\r\n", "multipart/form-data; boundary=x", 415, "content_type"),
    "no base64": (b'{"b64": "%%%"}', "application/json", 422, "not_base64"),
    "no JSON": (b"[" * 50_000, "application/json", 422, "not_base64"),
    "no bytes in JSON": (b'{"b64": ""}', "application/json", 422, "empty"),
    "bytes that are no text": (b'{"b64": "\xff"}', "application/json", 422, "not_base64"),
    "a number of 20000 digits": (b"9" * 20_000, "application/json", 422, "not_base64"),
    "nothing": (b"null", "application/json", 422, "not_base64"),
    "another type": (png(picture()), "application/octet-streams", 415, "content_type"),
    "other JSON": (b'{"b64": 7}', "application/json", 422, "not_base64"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_taken_has_its_error(street, name):
    body, kind, status, code = BAD[name]
    reply = street.post("/v1/segment", body, kind)
    assert (reply.status, reply.error) == (status, code)
    assert street.get("/healthz").json == {"status": "ok"}


def test_a_body_in_chunks_is_counted_as_it_comes(street):
    reply = street.post("/v1/segment", iter([b"x" * 30_000] * 5))
    assert (reply.status, reply.error) == (413, "too_many_bytes")
    data = png(picture())
    assert street.post("/v1/segment", iter([data[:50], data[50:]])).status == 200


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/segment?top=0", 422, "query"),
        ("/v1/segment?top=many", 422, "query"),
        ("/v1/segment?labels=all", 422, "query"),
        ("/v1/heat-map", 422, "query"),
        ("/v1/heat-map?class=4", 422, "no_such_class"),
        ("/v1/heat-map?class=moon", 422, "no_such_class"),
        ("/v1/heat-map?class=%00%0A", 422, "no_such_class"),
        ("/v1/nothing", 404, "http"),
        ("/v1/segment/", 404, "http"),
        ("/..%2fapp.py", 404, "http"),
        ("/healthz", 405, "http"),
    ],
)
def test_wrong_requests_have_their_error(street, path, status, code):
    reply = street.post(path, png(picture()))
    assert (reply.status, reply.error) == (status, code)


def test_a_classifier_says_that_it_has_no_map(classifier):
    with served(ServedNetwork(classifier)) as client:
        for path in ("/v1/segment", "/v1/labels?colours=true", "/v1/heat-map?class=1"):
            reply = client.post(path, png(picture()))
            assert (reply.status, reply.error) == (404, "no_map")
            assert "ask /v1/classify" in reply.json["error"]["message"]
        assert client.post("/v1/segment/", png(picture())).error == "http"
        assert client.get("/v1/segment").status == 405
        told = client.get("/openapi.json").json["paths"]
        metrics = client.get("/metrics").body.decode()
    for path in ("/v1/segment", "/v1/labels", "/v1/heat-map"):
        replies = told[path]["post"]["responses"]
        assert "no_map" in replies["404"]["description"]
        assert "200" not in replies
    assert 'keras_fcn_requests_total{path="/v1/labels",status="404"} 1' in metrics


def test_images_of_one_size_go_together(segmenter):
    network, sizes = ServedNetwork(segmenter), []
    run = network.infer
    gate = threading.Event()

    def infer(images):
        gate.wait(10)
        sizes.append([x.shape[:2] for x in images])
        return run(images)

    network.infer = infer
    images = [picture(seed=seed) for seed in range(7)] + [picture(30, 30)] * 2
    with served(network, Limits(batch=4)) as client, ThreadPoolExecutor(16) as pool:
        replies = [pool.submit(client.post, "/v1/labels", png(x)) for x in images]
        while client.get("/metrics").body.count(b"progress 9") < 1:
            pass
        gate.set()
        for pixels, reply in zip(images, replies, strict=True):
            np.testing.assert_array_equal(
                _image(reply.result().body), keras_fcn.segment(segmenter, pixels)
            )
    assert max(map(len, sizes)) <= 4
    assert len(sizes) < len(images) - 2
    assert all(len(set(each)) == 1 for each in sizes)


def test_more_than_the_queue_is_told_to_come_again(segmenter):
    network = ServedNetwork(segmenter)
    run, gate = network.infer, threading.Event()
    network.infer = lambda images: gate.wait(10) and run(images)
    with served(network, Limits(queue=2)) as client, ThreadPoolExecutor(2) as pool:
        held = [pool.submit(client.post, "/v1/labels", png(picture())) for _ in range(2)]
        while b"progress 2" not in client.get("/metrics").body:
            pass
        reply = client.post("/v1/labels", png(picture()))
        assert (reply.status, reply.error) == (429, "busy")
        assert reply.headers["retry-after"] == "1"
        assert client.get("/healthz").status == 200
        gate.set()
        assert [x.result().status for x in held] == [200, 200]
        assert client.post("/v1/labels", png(picture())).status == 200


def test_a_network_that_takes_too_long_is_not_waited_for(segmenter):
    network = ServedNetwork(segmenter)
    run, gate = network.infer, threading.Event()
    network.infer = lambda images: gate.wait(10) and run(images)
    with served(network, Limits(timeout=0.2)) as client:
        reply = client.post("/v1/labels", png(picture()))
        assert (reply.status, reply.error) == (504, "timeout")
        gate.set()


def test_a_body_that_does_not_come_is_not_waited_for(segmenter):
    with served(ServedNetwork(segmenter), Limits(timeout=0.2)) as client:
        with socket.create_connection(("127.0.0.1", client.port), timeout=20) as raw:
            raw.sendall(
                b"POST /v1/labels HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
                b"Content-Length: 1000\r\n\r\nabc"
            )
            assert raw.recv(100).startswith(b"HTTP/1.1 408 ")
        with socket.create_connection(("127.0.0.1", client.port)) as raw:  # and one that goes
            raw.sendall(b"POST /v1/labels HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
        assert client.get("/healthz").status == 200


def test_a_fault_of_the_server_is_told_without_its_traceback(segmenter, capsys):
    network = ServedNetwork(segmenter)

    def fails(images):
        raise RuntimeError("secret")

    network.infer = fails
    with served(network) as client:
        reply = client.post("/v1/labels", png(picture()))
        assert (reply.status, reply.error) == (500, "internal")
        assert b"secret" not in reply.body
        assert client.get("/healthz").status == 200
    assert "RuntimeError: secret" in capsys.readouterr().err


def test_counts_are_told(segmenter):
    with served(ServedNetwork(segmenter)) as client:
        client.post("/v1/labels", png(picture()))
        client.post("/v1/labels", b"no")
        client.get("/etc/passwd")
        reply = client.get("/metrics")
    lines = reply.body.decode().splitlines()
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'keras_fcn_requests_total{path="/v1/labels",status="200"} 1' in lines
    assert 'keras_fcn_requests_total{path="/v1/labels",status="415"} 1' in lines
    assert 'keras_fcn_requests_total{path="other",status="404"} 1' in lines
    assert 'keras_fcn_request_seconds_bucket{le="+Inf"} 3' in lines
    assert "keras_fcn_request_seconds_count 3" in lines
    assert 'keras_fcn_batch_images_bucket{le="1.0"} 1' in lines
    assert "keras_fcn_requests_in_progress 0" in lines


def test_the_api_is_described(street):
    api = street.get("/openapi.json").json
    assert {"/v1/segment", "/v1/labels", "/v1/heat-map", "/v1/classify"} <= api["paths"].keys()
    segment = api["paths"]["/v1/segment"]["post"]
    assert "image/*" in segment["requestBody"]["content"]
    assert {"200", "413", "415", "422", "429", "504"} <= segment["responses"].keys()
    assert street.get("/docs").status == 200


@pytest.mark.parametrize("path", ["/", "/docs", "/page.js", "/page.css", "/docs.js", "/v1/model"])
def test_pages_are_safe_and_need_no_network(street, path):
    reply = street.get(path)
    assert reply.status == 200
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["x-frame-options"] == "DENY"
    assert "server" not in reply.headers or path
    assert b"http://" not in reply.body
    assert b"https://" not in reply.body


def test_another_name_that_points_here_is_not_answered(street):
    assert street.get("/v1/model", Host="evil.example:8000").error == "wrong_host"
    for host in ("localhost:1", "127.0.0.1", "[::1]:8000"):
        assert street.get("/v1/model", Host=host).status == 200


def test_networks_for_other_things_are_refused():
    import keras

    inputs = keras.Input((8, 8, 3))
    features = keras.Model(inputs, keras.layers.ReLU()(keras.layers.Conv2D(2, 3)(inputs)))
    with pytest.raises(ValueError, match="serve is for networks that classify or label pixels"):
        ServedNetwork(features)
    scores = keras.Model(inputs, keras.layers.Softmax()(keras.layers.Conv2D(2, 3)(inputs)))
    with pytest.raises(ValueError, match="does not know how its images are prepared"):
        ServedNetwork(scores)


@pytest.mark.parametrize("name", ["max_bytes", "max_pixels", "queue", "batch", "timeout"])
def test_limits_are_above_nothing(name):
    with pytest.raises(ValueError, match=f"{name}.* must be above 0. Received: 0"):
        Limits(**{name: 0})


@pytest.mark.slow
def test_an_image_of_another_size_than_the_network_takes(tmp_path):
    (tmp_path / "net.prototxt").write_text(UNPOOLED)
    own = keras_fcn.Preprocessing(mean=None)
    model = keras_fcn.from_caffe(tmp_path / "net.prototxt", seed=0, preprocessing=own)
    with options_as(flag), served(ServedNetwork(model)) as client:
        assert client.post("/v1/segment", png(picture(9, 16))).status == 200
        reply = client.post("/v1/segment", png(picture(12, 16)))
        assert (reply.status, reply.error) == (422, "does_not_fit")
        message = reply.json["error"]["message"]
        assert "layer 'up1'" in message
        assert message.endswith("given 12x16, is declared for 9x16: --size 9x16 resizes to it")
