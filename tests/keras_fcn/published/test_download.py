"""Downloads from a server that drops connections, sends the wrong file, sends web pages."""

from __future__ import annotations

import hashlib
import threading

import pytest

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.published.download import ATTEMPTS, download
from keras_fcn.published.entries import RemoteFile
from tests.keras_fcn.published.server import CUT

BODY = bytes(range(256)) * 4096 + b"end"
SHA256 = hashlib.sha256(BODY).hexdigest()
SIZE = len(BODY)


def remote(server, *paths, size=SIZE, sha256=SHA256):
    hashes = {} if sha256 is None else {"sha256": sha256}
    return RemoteFile(tuple(map(server.url, paths)), size, hashes)


def get(target, path, **options):
    download(target, path, pause=0, timeout=5, **options)


def assert_got(path):
    assert path.read_bytes() == BODY
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.caffemodel"


@pytest.mark.parametrize(
    "behaviour",
    [
        {},
        {"ranges": False},
        {"chunked": True},
        {"length": False},
        {"headers": {"Content-Type": "text/plain"}},
    ],
)
@pytest.mark.parametrize("known", [{}, {"size": None}, {"sha256": None}])
def test_whole_file(behaviour, known, server, path):
    server.give("/net", BODY, **behaviour)
    seen = []
    get(remote(server, "/net", **known), path, progress=lambda *state: seen.append(state))
    assert_got(path)
    assert seen[-1][0] == len(BODY)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


@pytest.mark.parametrize("length", [True, False])
def test_broken_connections_go_on_where_they_broke(length, server, path):
    given = server.give("/net", BODY, drops=3, length=length)
    get(remote(server, "/net"), path)
    assert_got(path)
    assert given.requests == [None, *(f"bytes={CUT * times}-" for times in (1, 2, 3))]


def test_broken_connections_without_ranges_begin_anew(server, path):
    given = server.give("/net", BODY, drops=2, ranges=False)
    get(remote(server, "/net"), path)
    assert_got(path)
    assert given.requests == [None, f"bytes={CUT}-", f"bytes={CUT}-"]


def test_requests_without_an_answer_are_made_again(server, path):
    given = server.give("/net", BODY, silent=2)
    get(remote(server, "/net"), path)
    assert_got(path)
    assert len(given.requests) == 3


def test_attempts_that_bring_much_do_not_count(server, path):
    body = bytes(12 << 20)
    given = server.give("/net", body, drops=ATTEMPTS + 1, cut=2 << 20)
    get(RemoteFile((server.url("/net"),), len(body)), path)
    assert path.stat().st_size == len(body)
    assert len(given.requests) == ATTEMPTS + 2


def test_an_earlier_part_is_taken_up(server, path):
    given = server.give("/net", BODY)
    path.with_name("net.caffemodel.part").write_bytes(BODY[:1000])
    get(remote(server, "/net"), path)
    assert_got(path)
    assert given.requests == ["bytes=1000-"]


@pytest.mark.parametrize("part", [b"other" * 1000, b"x" * (len(BODY) - 1), b"x" * len(BODY) * 2])
@pytest.mark.parametrize("size", [len(BODY), None])
def test_a_part_of_another_file_is_given_up(part, size, server, path):
    server.give("/net", BODY)
    path.with_name("net.caffemodel.part").write_bytes(part)
    get(remote(server, "/net", size=size), path)
    assert_got(path)


def test_an_earlier_part_is_not_taken_up_where_no_hash_can_prove_it(server, path):
    given = server.give("/net", BODY)
    path.with_name("net.caffemodel.part").write_bytes(b"other" * 200)
    get(remote(server, "/net", sha256=None), path)
    assert_got(path)
    assert given.requests == [None]


def test_next_mirror_takes_up_what_the_first_left(server, path):
    dying = server.give("/dying", BODY, drops=100, cut=1000)
    second = server.give("/net", BODY)
    get(remote(server, "/dying", "/net"), path)
    assert_got(path)
    assert len(dying.requests) == ATTEMPTS
    assert second.requests == [f"bytes={1000 * ATTEMPTS}-"]


PAGE = b"<!DOCTYPE html><html><body>Sign in</body></html>"
BAD = {
    "page": ({"body": PAGE, "headers": {"Content-Type": "text/html; charset=utf-8"}}, "a web page"),
    "page in disguise": ({"body": b"\n " + PAGE, "length": False}, "a web page"),
    "archive": ({"body": b"PK\x03\x04" + BODY, "length": False}, "a zip archive"),
    "gone": ({"body": PAGE, "status": 404}, "answers 404"),
    "failing": ({"body": PAGE, "status": 503}, "answers 503"),
    "wrong bytes": ({"body": BODY[::-1]}, "another file: its sha256 is"),
    "too long": ({"body": BODY + b"more"}, f"offers {len(BODY) + 4:,} bytes"),
    "endless": ({"body": BODY + b"more", "length": False}, f"more than {len(BODY):,} bytes"),
    "too short": ({"body": BODY[:-4]}, f"offers {len(BODY) - 4:,} bytes"),
    "stops short": ({"body": BODY[:-4], "length": False, "ranges": False}, "closed after"),
    "empty": ({"body": b"", "length": False}, ""),
    "elsewhere": ({"redirect": "ftp://127.0.0.1/net"}, ""),
    "local": ({"redirect": "file:///etc/passwd"}, ""),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_mirror_is_passed_over(name, server, path):
    behaviour, _ = BAD[name]
    server.give("/bad", **behaviour)
    server.give("/net", BODY)
    get(remote(server, "/bad", "/net"), path)
    assert_got(path)


@pytest.mark.parametrize("name", BAD)
def test_bad_mirrors_are_named_with_what_is_wrong(name, server, path):
    behaviour, message = BAD[name]
    server.give("/bad", **behaviour)
    with pytest.raises(CaffeError, match="cannot download net") as caught:
        get(remote(server, "/bad"), path)
    assert server.url("/bad") in str(caught.value)
    assert message in str(caught.value)
    assert not path.exists()


@pytest.mark.parametrize("name", sorted(set(BAD) - {"wrong bytes", "too short", "too long"}))
def test_nothing_is_left_where_no_hash_is_known(name, server, path):
    server.give("/bad", **BAD[name][0])
    with pytest.raises(CaffeError):
        get(remote(server, "/bad", sha256=None), path)
    assert list(path.parent.iterdir()) == []


def test_a_file_of_unknown_length_and_hash_is_refused(server, path):
    """Whether it broke off could not be told."""
    server.give("/net", BODY, length=False)
    with pytest.raises(CaffeError, match="how long the file is"):
        get(remote(server, "/net", size=None, sha256=None), path)
    server.give("/net", BODY, chunked=True)
    get(remote(server, "/net", size=None, sha256=None), path)
    assert_got(path)


def test_no_server(server, path):
    target = RemoteFile(("http://127.0.0.1:9/net", server.url("/net")), len(BODY))
    server.give("/net", BODY)
    get(target, path)
    assert_got(path)


def test_redirection(server, path):
    server.give("/old", redirect=server.url("/net"))
    server.give("/net", BODY)
    get(remote(server, "/old"), path)
    assert_got(path)


def test_a_file_that_cannot_be_written_is_one_error(server, tmp_path):
    server.give("/net", BODY)
    with pytest.raises(CaffeError, match="cannot write"):
        get(remote(server, "/net"), tmp_path / "absent" / "net.caffemodel")


def test_a_slow_server_is_given_up(server, path, monkeypatch):
    """A server that takes the request and says nothing."""
    held = threading.Event()
    from tests.keras_fcn.published.server import _Handler

    monkeypatch.setattr(_Handler, "do_GET", lambda self: held.wait(10))
    try:
        with pytest.raises(CaffeError, match="the connection broke"):
            download(remote(server, "/net"), path, pause=0, timeout=0.05)
    finally:
        held.set()
