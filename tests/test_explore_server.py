"""The page is served on this machine to who knows its address, whatever else anyone sends."""

import asyncio
import base64
import contextlib
import functools
import http.client
import json
import random
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from numpy.testing import assert_array_equal
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import connect

import moonnet.explore
from moonnet.explore import _server
from moonnet.explore._datasets import apply_edits, load_dataset
from moonnet.explore._server import (
    MAX_MESSAGE_BYTES,
    MAX_PAGES,
    TOO_MANY_PAGES,
    _load_token,
    _Outbox,
    _Server,
    explore,
)
from moonnet.explore._settings import ACTIVATIONS, DATA, OPTIMIZERS, Settings

TOKEN = "0123456789abcdef" * 3
PAGE = Path(moonnet.explore.__file__).parent / "page"
SMALL = {"hidden_layer_sizes": [4], "n_samples": 40, "batch_size": 16, "epochs": 6}
LONG = {"hidden_layer_sizes": [4], "n_samples": 1000, "batch_size": 1, "epochs": 1000}


class Running:
    """A server on a thread of its own."""

    def __init__(self, token=TOKEN, port=0):
        self._server, self._ready = _Server(None, token), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(port)), daemon=True)
        self._thread.start()
        assert self._ready.wait(30)
        self.port = int(self.address.split(":")[2].split("/")[0])
        self.token = token

    async def _serve(self, port):
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        async with self._server.listen(port) as self.address:
            self._ready.set()
            await self._ended.wait()

    def stop(self):
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join(60)
        assert not self._thread.is_alive()

    def get(self, path, method="GET", host=None, **headers):
        """Return what a browser is answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for value in [f"127.0.0.1:{self.port}"] if host is None else host:
                connection.putheader("Host", value)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            response.body = response.read()
            return response

    def connected(self, path=None, origin="http://127.0.0.1:{port}", **options):
        """Return a socket as a page opens it."""
        path = f"/{self.token}/socket" if path is None else path
        return connect(
            f"ws://127.0.0.1:{self.port}{path}",
            # With a socket of ours no proxy is asked
            sock=socket.create_connection(("127.0.0.1", self.port)),
            origin=None if origin is None else origin.format(port=self.port),
            **{"max_size": None, "compression": None, "open_timeout": 30, **options},
        )


@pytest.fixture
def running():
    server = Running()
    yield server
    server.stop()


@pytest.fixture
def ask(unpack_message):
    """Return a function that asks a socket for something and returns the answer of a kind."""

    def ask(page, answer, *, final=None, **request):
        page.send(json.dumps({"id": 1, **request}))
        while True:
            header, arrays = unpack_message(page.recv(timeout=60))
            assert header["kind"] != "problem" or answer == "problem" or header["id"] != request.get("id", 1), header
            if (header["kind"], header["id"]) == (answer, request.get("id", 1)) and header.get("final") == final:
                return header, arrays

    return ask


@pytest.fixture
def assert_trains(ask):
    """Return a function that asserts that a page gets the network that fit trains."""

    def check(page, request_id=1, **values):
        settings = Settings.from_json({**SMALL, **values})
        _, arrays = ask(page, "picture", final=True, kind="train", id=request_id, settings={**SMALL, **values})
        data = apply_edits(load_dataset(settings.dataset, None), settings)
        classifier = settings.classifier().fit(data.X, data.y)
        assert_array_equal(arrays["weights"], np.concatenate([array.ravel() for array in classifier._weights]))
        assert_array_equal(arrays["points"], data.X.astype(np.float32))

    return check


def read_all(page):
    """Read until the socket closes, which raises."""
    while True:
        page.recv(timeout=60)


def eventually(holds):
    for _ in range(6000):
        if holds():
            return True
        time.sleep(0.005)
    return False


# What is served to whom


def assert_headers(response, port):
    policy = response.getheader("Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert f"connect-src ws://127.0.0.1:{port} ws://localhost:{port};" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert response.getheader("X-Content-Type-Options") == "nosniff"
    assert response.getheader("Referrer-Policy") == "no-referrer"
    assert response.getheader("Cache-Control") == "no-store"
    assert response.getheader("Cross-Origin-Resource-Policy") == "same-origin"
    assert response.getheader("Access-Control-Allow-Origin") is None
    assert response.getheader("Server") is None
    assert int(response.getheader("Content-Length")) == len(response.body)


@pytest.mark.parametrize(
    ("name", "file", "content_type"),
    [
        ("", "index.html", "text/html; charset=utf-8"),
        ("explorer.js", "explorer.js", "text/javascript; charset=utf-8"),
        ("explorer.css", "explorer.css", "text/css; charset=utf-8"),
        ("icon.svg", "icon.svg", "image/svg+xml"),
    ],
)
def test_the_page_s_files(running, name, file, content_type):
    for host in (f"127.0.0.1:{running.port}", f"localhost:{running.port}"):
        response = running.get(f"/{TOKEN}/{name}", host=[host])
        assert response.status == 200
        assert response.body == (PAGE / file).read_bytes()
        assert response.getheader("Content-Type") == content_type
        assert_headers(response, running.port)
    assert running.address == f"http://127.0.0.1:{running.port}/{TOKEN}/"


def test_the_page_needs_nothing_from_elsewhere():
    # So that the policy, which allows neither other hosts nor scripts within the page, lets it run
    page = (PAGE / "index.html").read_text()
    links = re.findall(r"(?:src|href)=[\"']?([^\"'> ]+)", page)
    assert links
    assert set(links) <= {"explorer.js", "explorer.css", "icon.svg"}
    for tag in re.findall(r"<script[^>]*>", page):
        assert "src=" in tag or "type=" in tag


def test_it_listens_on_this_machine_alone(running):
    listening = [
        connection.laddr.ip
        for connection in psutil.Process().net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == running.port
    ]
    assert listening == ["127.0.0.1"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "//",
        "/explorer.js",
        f"/{TOKEN[:-1]}/",
        f"/{TOKEN}0/",
        f"/{TOKEN.upper()}/",
        f"//{TOKEN}/",
        f"/x/{TOKEN}/",
        f"/?{TOKEN}/",
        "/" + "0" * 48 + "/explorer.js",
        f"http://127.0.0.1/{TOKEN}/",
        "*",
        "/%30123456789abcdef" + TOKEN[16:] + "/",
    ],
)
def test_who_does_not_know_the_token_is_refused(running, path):
    response = running.get(path)
    assert response.status == 403
    assert response.body.startswith(b"403 Forbidden: open the address")
    assert_headers(response, running.port)


@pytest.mark.parametrize(
    "name",
    [
        "/..",
        "/../..",
        "/../_server.py",
        "/%2e%2e/_server.py",
        "/%2e%2e%2f_server.py",
        "/..%2f..%2f..%2f..%2fetc/passwd",
        "//etc/passwd",
        "/./index.html",
        "/index.html",
        "/explorer.js/",
        "/explorer.js/..",
        "/explorer.js?x=1",
        "/explorer.js%00",
        "/\\..\\_server.py",
        "/SOCKET",
        "/socket/",
        "",  # whose links would lead astray
    ],
)
def test_other_files_are_not_there(running, name):
    response = running.get(f"/{TOKEN}{name}")
    assert response.status == 404
    assert response.body.startswith(b"404 Not Found: ")
    assert_headers(response, running.port)


@pytest.mark.parametrize(
    "host",
    [
        ["evil.example"],
        ["evil.example:{port}"],
        ["127.0.0.1"],
        ["127.0.0.1:1"],
        ["localhost"],
        ["localhost.evil.example:{port}"],
        ["127.0.0.1:{port}.evil.example"],
        ["0.0.0.0:{port}"],
        ["[::1]:{port}"],
        ["127.0.0.1:{port}", "evil.example"],
        [""],
        [],
    ],
)
def test_a_name_that_was_made_to_point_here_is_refused(running, host):
    for path in (f"/{TOKEN}/", f"/{TOKEN}/socket", "/"):
        response = running.get(path, host=[name.format(port=running.port) for name in host])
        assert response.status == 421
        assert_headers(response, running.port)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE", "get"])
def test_nothing_but_reading_is_answered(running, method):
    try:
        response = running.get(f"/{TOKEN}/", method=method)
    except http.client.HTTPException:  # older versions of websockets hang up
        pass
    else:
        assert response.status >= 400
        assert b"<html" not in response.body
    assert running.get(f"/{TOKEN}/").status == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\0\1\2\3\xff\xfe\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
        b"GET /\xff\xfe/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"",
    ],
)
def test_what_is_no_request_harms_nobody(running, sent):
    with socket.create_connection(("127.0.0.1", running.port), timeout=30) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while part := client.recv(2**16):
                answer += part
    assert b"<html" not in answer
    assert TOKEN.encode() not in answer
    assert running.get(f"/{TOKEN}/").status == 200


# The socket


def test_a_page_trains_over_its_socket(running, ask, assert_trains):
    for origin in ("http://127.0.0.1:{port}", "http://localhost:{port}"):
        with running.connected(origin=origin) as page:
            header, _ = ask(page, "controls", kind="hello")
            assert header["controls"][0]["name"] == "data"
            assert_trains(page)


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "http://evil.example",
        "http://evil.example:{port}",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "https://127.0.0.1:{port}",
        "http://127.0.0.1:{port}.evil.example",
        "http://127.0.0.1:{port}/",
    ],
)
def test_pages_of_other_origins_are_refused(running, origin):
    with pytest.raises(InvalidStatus) as refused:
        running.connected(origin=origin)
    assert refused.value.response.status_code == 403
    assert refused.value.response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/socket", "/wrong/socket", f"/{TOKEN[:-1]}/socket", f"/{TOKEN}x/socket"])
def test_a_socket_without_the_token_is_refused(running, path):
    with pytest.raises(InvalidStatus) as refused:
        running.connected(path)
    assert refused.value.response.status_code == 403


def test_a_file_is_no_socket(running):
    with pytest.raises(InvalidHandshake):
        running.connected(f"/{TOKEN}/explorer.js")


def test_too_many_pages_are_refused_until_one_is_closed(running, ask, unpack_message):
    with contextlib.ExitStack() as stack:
        pages = [stack.enter_context(running.connected()) for _ in range(MAX_PAGES)]
        for page in pages:
            ask(page, "controls", kind="hello")
        with running.connected() as page:
            assert "pages can be open at the same time" in unpack_message(page.recv(timeout=60))[0]["message"]
            with pytest.raises(ConnectionClosed) as closed:
                page.recv(timeout=60)
        assert closed.value.rcvd.code == TOO_MANY_PAGES
        assert running.get(f"/{TOKEN}/").status == 200
        ask(pages[0], "controls", kind="hello")
        pages[3].close()

        def is_let_in():
            with contextlib.suppress(AssertionError, ConnectionClosed), running.connected() as page:
                ask(page, "controls", kind="hello")
                return True
            return False

        assert eventually(is_let_in)


def test_pages_that_all_come_at_once_are_counted(running, unpack_message):
    together = threading.Barrier(3 * MAX_PAGES)

    def opens(_):
        together.wait(60)
        page = stack.enter_context(running.connected())
        return unpack_message(page.recv(timeout=60))[0]["kind"]  # Python is starting, or there is a problem

    with contextlib.ExitStack() as stack, ThreadPoolExecutor(3 * MAX_PAGES) as pool:
        opened = list(pool.map(opens, range(3 * MAX_PAGES)))
        assert opened.count("problem") == 2 * MAX_PAGES


def test_a_message_that_is_too_large_closes_its_page_alone(running, ask, assert_trains):
    with running.connected() as page, running.connected() as other:
        content = base64.b64encode(b"a,b,kind\n" + b"1,2,x\n2,3,y\n" * 1000).decode()
        at_most = {"kind": "upload", "name": "a.csv", "content": content}
        at_most["more"] = "x" * (MAX_MESSAGE_BYTES - len(json.dumps({"id": 1, **at_most})) - 20)
        ask(page, "table", **at_most)
        with contextlib.suppress(ConnectionClosed):  # it may close while this is on its way
            page.send("x" * (MAX_MESSAGE_BYTES + 1))
        with pytest.raises(ConnectionClosed) as closed:
            read_all(page)
        assert closed.value.rcvd.code == 1009
        assert_trains(other)


def test_four_pages_at_once_get_each_its_own(running, assert_trains):
    values = [
        {"random_state": 1},
        {"data": "blobs", "activation": "tanh"},
        {"drawn": [[0, 0.5, 1]], "erased": [2, 3], "epochs": 9},
        {"data": "xor", "learning_rate": 0.05, "n_samples": 60},
    ]
    with contextlib.ExitStack() as stack:
        pages = [stack.enter_context(running.connected()) for _ in values]
        together = threading.Barrier(len(pages))

        def use(page, settings):
            together.wait(60)
            for request_id in range(1, 9):
                assert_trains(page, request_id, **{**settings, "noise": request_id / 20})

        with ThreadPoolExecutor(len(pages)) as pool:
            for result in [pool.submit(use, page, settings) for page, settings in zip(pages, values, strict=True)]:
                result.result(120)


def test_a_page_that_closes_ends_its_training(running):
    def threads():
        return [thread for thread in threading.enumerate() if thread.name == "moonnet-explorer"]

    before = len(threads())
    with running.connected() as page:
        page.send(json.dumps({"kind": "train", "settings": LONG}))
        page.recv(timeout=60)
        assert len(threads()) == before + 1
    assert eventually(lambda: len(threads()) == before)


def test_a_page_finds_a_server_that_was_started_again(ask, assert_trains):
    first = Running()
    try:
        with first.connected() as page:
            assert_trains(page)
            page.send(json.dumps({"kind": "train", "id": 2, "settings": LONG}))
            first.stop()
            with pytest.raises(ConnectionClosed) as closed:
                read_all(page)
            assert closed.value.rcvd.code == 1001
    finally:
        first.stop()
    second = Running(port=first.port)
    try:
        assert second.address == first.address
        with second.connected() as page:
            ask(page, "controls", kind="hello")
            assert_trains(page)
    finally:
        second.stop()


# What no page sends


FUZZED = {
    "data": [*DATA],
    "activation": [*ACTIVATIONS[:2]],
    "optimizer": [*OPTIMIZERS[:2]],
    "hidden_layer_sizes": [[4], [], [0], [65], [4] * 7],
    "epochs": [1, 5, 1000, 10**9],
    "n_samples": [20, 1000, 10**9],
    "batch_size": [16, 0],
    "learning_rate": [None, 10, 1e-6],
    "drawn": [[[0, 0, 0]], [[0, 0, 9]] * 1000, [[1e6, 1e6, 0]], [[0, 0, 0]] * 1001],
    "erased": [[0], list(range(1000)), [-1]],
    "features": [["a", "b"], None],
    "target": ["kind", None],
}
VALUES = [
    *(None, True, False, "", "moons", "own", "\ud800", "x" * 3000, 0, -1, 1, 50, 1000, 10**6, 2**53, 10**30, 10**400),
    *(0.5, -0.5, 1e-300, 1e300, float("nan"), float("inf"), -float("inf")),
]
FILES = [b"a,b,kind\n" + b"1,2,x\n2,3,y\n" * 5, b"," * 5000, b"\n", bytes(range(256)), b""]


class Hostile:
    """Messages that no page sends, or sends less often."""

    def __init__(self, seed):
        self._random = random.Random(seed)

    def message(self):
        """Return one of them: text or bytes."""
        kinds = [self.noise, self.nested, self.unknown, self.cut_short, self.no_object, self.other, self.upload]
        return self._random.choice([*kinds, self.train, self.train, self.train])()

    def value(self, depth=0):
        kind = self._random.randrange(4 if depth < 3 else 2)
        if kind == 2:
            return [self.value(depth + 1) for _ in range(self._random.randrange(4))]
        if kind == 3:
            return {name: self.value(depth + 1) for name in self._random.sample(["kind", "x", "data"], 2)}
        return self._random.choice(VALUES)

    def noise(self):
        return self._random.randbytes(self._random.randrange(200))

    def nested(self):
        return self._random.choice(["[", '{"a":', '"']) * self._random.choice([1, 500, 20_000])

    def unknown(self):
        kind = self._random.choice(["fly", "", None, 1, ["train"], {}, "__class__"])
        return json.dumps({"kind": kind, "id": self.value()})

    def cut_short(self):
        return self.train()[: self._random.randrange(60)]

    def no_object(self):
        return json.dumps(self.value())

    def other(self):
        kind = self._random.choice(["frame", "file", "script", "hello", "train"])
        return json.dumps(
            {"kind": kind, "format": self.value(), "epoch": self.value(), "id": self.value(), "settings": self.value()}
        )

    def upload(self):
        content = base64.b64encode(self._random.choice(FILES)).decode() if self._random.random() < 0.8 else self.value()
        name = self._random.choice(["a.csv", "../b.gz", "", 5, "\0"])
        return json.dumps({"kind": "upload", "name": name, "content": content})

    def train(self):
        settings = {
            name: self._random.choice(values) if self._random.random() < 0.8 else self.value()
            for name, values in FUZZED.items()
            if self._random.random() < 0.3
        }
        message = {"kind": "train", "id": self._random.randrange(10**6), "settings": settings}
        return self._random.choice([str, str.encode])(json.dumps(message))


@pytest.mark.slow
def test_ten_thousand_hostile_messages(running, assert_trains, caplog):
    hostile = Hostile(seed=0)
    with running.connected() as page, running.connected() as bystander:
        assert_trains(page)
        reading = threading.Thread(target=lambda: [None for _ in page], daemon=True)
        reading.start()
        for _ in range(10_000):
            page.send(hostile.message())
        # It goes on itself, and so does who was there all along
        assert_trains(bystander)
        page.close()
        reading.join(60)
    with running.connected() as page:
        assert_trains(page, random_state=9)
    assert running.get(f"/{TOKEN}/").status == 200
    assert not [record for record in caplog.records if "could not answer" in record.message]


@pytest.mark.parametrize(
    "sent",
    [b"\xff" * 100, b"\x81\x05abcde", b"\x81\xff" + b"\xff" * 8, b"\x89\xfe\x01\x00" + b"x" * 300],
    ids=["nonsense", "not masked", "too long", "a long ping"],
)
def test_what_is_no_frame_closes_its_page_alone(running, assert_trains, sent):
    with running.connected() as other:
        with running.connected() as page:
            page.socket.sendall(sent)
            with pytest.raises(ConnectionClosed):
                read_all(page)
        assert_trains(other)


# A page that does not read


@pytest.mark.slow
def test_a_page_that_does_not_read_misses_answers_and_takes_no_memory(running, ask, monkeypatch, unpack_message):
    outboxes = []

    class Watched(_Outbox):
        def __init__(self):
            super().__init__()
            self.most = self.n_bytes = self.n_pictures = 0
            outboxes.append(self)

        def put(self, kind, answer):
            super().put(kind, answer)
            self.n_bytes += len(answer)
            self.n_pictures += kind == "picture"
            self.most = max(self.most, sum(map(len, self._answers.values())))

    monkeypatch.setattr(_server, "_Outbox", Watched)
    with running.connected(max_queue=1) as page, running.connected() as other:
        n_requests = 150
        for index in range(1, n_requests + 1):
            page.send(json.dumps({"kind": "train", "id": index, "settings": {**SMALL, "random_state": index}}))
            # One more picture at least is in the outbox before the next is asked for
            assert eventually(functools.partial(lambda index: outboxes[0].n_pictures >= index, index))
        assert outboxes[0].n_bytes > 20 * outboxes[0].most
        assert outboxes[0].most < 2**19  # a picture, a film and what else is small
        ask(other, "controls", kind="hello")
        # Who reads again gets the newest
        last = n_read = 0
        while last < n_requests:
            n_read += 1
            header, _ = unpack_message(page.recv(timeout=60))
            last = header["id"] if header["kind"] == "picture" else last
        assert n_read < n_requests / 2


def test_an_outbox_keeps_the_newest_of_each_kind():
    class Socket:
        def __init__(self):
            self.sent, self.may_send = [], asyncio.Event()

        async def send(self, answer):
            await self.may_send.wait()
            self.sent.append(answer)

    async def use():
        outbox, page = _Outbox(), Socket()
        sending = asyncio.create_task(outbox.send_to(page))
        outbox.put("picture", b"first")
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # which is on its way by now
        for index in range(1000):
            outbox.put("picture", b"%d" % index)
            outbox.put("film", b"film of %d" % index)
            await asyncio.sleep(0)
            assert len(outbox._answers) <= 2
        outbox.put("picture", b"last")
        page.may_send.set()
        while len(page.sent) < 3:
            await asyncio.sleep(0)
        outbox.put("frame", b"later")
        while len(page.sent) < 4:
            await asyncio.sleep(0)
        sending.cancel()
        return page.sent

    assert asyncio.run(use()) == [b"first", b"film of 999", b"last", b"later"]


# The token


@pytest.fixture
def token_file(tmp_path, monkeypatch):
    monkeypatch.setattr(_server.platformdirs, "user_state_path", lambda name: tmp_path / "state" / name)
    return tmp_path / "state" / "moonnet" / "explore-token"


def test_the_token_is_the_user_s_own_and_stays(token_file):
    token = _load_token()
    assert re.fullmatch("[0-9a-f]{48}", token)
    assert token_file.read_text() == token
    assert token_file.stat().st_mode & 0o777 == 0o600
    assert _load_token() == token
    token_file.unlink()
    assert _load_token() != token


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.chmod(0o644),
        lambda path: path.chmod(0o640),
        lambda path: path.write_text(""),
        lambda path: path.write_text("abc"),
        lambda path: path.write_text("a" * 40 + "/"),
        lambda path: path.write_text("a" * 40 + "\n"),
        lambda path: path.write_text("é" * 40),  # which a browser would write otherwise
        lambda path: path.write_bytes(b"\xff" * 40),
    ],
)
def test_a_token_that_others_may_read_or_that_is_none_is_made_anew(token_file, spoil):
    before = _load_token()
    spoil(token_file)
    token = _load_token()
    assert re.fullmatch("[0-9a-f]{48}", token)
    assert token != before
    assert token_file.stat().st_mode & 0o777 == 0o600
    assert _load_token() == token


def test_where_nothing_can_be_written_the_token_serves_this_time_alone(token_file):
    token_file.parent.parent.write_text("a file where a folder should be")
    assert re.fullmatch("[0-9a-f]{48}", _load_token())


def test_the_token_lies_in_the_user_s_state(tmp_path, run_python):
    program = "from moonnet.explore._server import _load_token; print(_load_token())"
    token = run_python(program, XDG_STATE_HOME=str(tmp_path), HOME=str(tmp_path)).strip()
    (file,) = (path for path in tmp_path.rglob("explore-token"))
    assert file.read_text() == token


# The command's part


@pytest.fixture
def exploring(monkeypatch):
    """Return a function that runs explore on a thread and returns the address that it opens in the browser."""
    opened, loops = [], []
    monkeypatch.setattr(_server.webbrowser, "open", opened.append)

    def begin(**options):
        n_before = len(opened)

        async def run():
            task = asyncio.current_task()
            loops.append((asyncio.get_running_loop(), task))
            with contextlib.suppress(asyncio.CancelledError):
                await explore(token=TOKEN, **options)

        thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
        thread.start()
        threads.append(thread)
        assert eventually(lambda: len(opened) > n_before)
        return opened[-1]

    threads = []
    yield begin
    for loop, task in loops:
        loop.call_soon_threadsafe(task.cancel)
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


@functools.cache
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_usual_port_is_taken_or_where_it_is_not_free_another(exploring, monkeypatch, capsys):
    monkeypatch.setattr(_server, "DEFAULT_PORT", free_port())
    first = exploring()
    assert first == f"http://127.0.0.1:{free_port()}/{TOKEN}/"
    assert f"The explorer is running at {first}\nPress Ctrl-C to stop it." in capsys.readouterr().out
    second = exploring()
    assert second != first
    assert second.endswith(f"/{TOKEN}/")


def test_a_port_that_is_asked_for_is_taken_or_that_fails(exploring):
    address = exploring(port=free_port())
    assert address == f"http://127.0.0.1:{free_port()}/{TOKEN}/"
    with pytest.raises(ValueError, match=rf"--port must be an available port\. Got {free_port()}: .*in use"):
        asyncio.run(explore(port=free_port(), open_browser=False, token=TOKEN))
