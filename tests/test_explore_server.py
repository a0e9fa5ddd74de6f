"""The server answers only local clients that know the token, and survives any other input."""

import asyncio
import base64
import contextlib
import functools
import gc
import http.client
import json
import random
import re
import socket
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import psutil
import pytest
from numpy.testing import assert_array_equal
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import connect

from helpers import LONG, SMALL, free_port, unpack_message
from moonnet.explore import _server
from moonnet.explore._bundle import PAGE, bundle
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
from moonnet.explore._session import Session
from moonnet.explore._settings import ACTIVATIONS, DATA, OPTIMIZERS, Settings

TOKEN = "0123456789abcdef" * 3


class RunningServer:
    """A server that runs in a thread."""

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
        """Send an HTTP request and return the response, with its body."""
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

    def open_socket(self, path=None, origin="http://127.0.0.1:{port}", **options):
        """Open a WebSocket as a page does."""
        path = f"/{self.token}/socket" if path is None else path
        return connect(
            f"ws://127.0.0.1:{self.port}{path}",
            # With a socket given, no proxy is used
            sock=socket.create_connection(("127.0.0.1", self.port)),
            origin=None if origin is None else origin.format(port=self.port),
            **{"max_size": None, "compression": None, "open_timeout": 30, **options},
        )


@pytest.fixture
def server():
    server = RunningServer()
    yield server
    server.stop()


def ask(page, answer, *, final=None, **request):
    """Send a request and return the first answer of the given kind."""
    page.send(json.dumps({"id": 1, **request}))
    while True:
        header, arrays = unpack_message(page.recv(timeout=60))
        assert header["kind"] != "problem" or answer == "problem" or header["id"] != request.get("id", 1), header
        if (header["kind"], header["id"]) == (answer, request.get("id", 1)) and header.get("final") == final:
            return header, arrays


def assert_trains(page, request_id=1, **values):
    """Assert that a page receives the same network as fit trains."""
    settings = Settings.from_json({**SMALL, **values})
    _, arrays = ask(page, "picture", final=True, kind="train", id=request_id, settings={**SMALL, **values})
    data = apply_edits(load_dataset(settings.dataset, None), settings)
    classifier = settings.classifier().fit(data.X_train, data.y_train)
    assert_array_equal(arrays["weights"], classifier._network.flatten(classifier._state))
    assert_array_equal(arrays["points"], data.X_train.astype(np.float32))


def read_all(page):
    """Read until the socket closes, which raises."""
    while True:
        page.recv(timeout=60)


def eventually(condition):
    """Return whether a condition becomes true within about 30 seconds."""
    for _ in range(6000):
        if condition():
            return True
        time.sleep(0.005)
    return False


# HTTP requests


def assert_headers(response, port):
    policy = response.getheader("Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert f"connect-src ws://127.0.0.1:{port};" in policy
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
        ("explorer.css", "explorer.css", "text/css; charset=utf-8"),
        ("icon.svg", "icon.svg", "image/svg+xml"),
    ],
)
def test_page_files_are_served(server, name, file, content_type):
    response = server.get(f"/{TOKEN}/{name}")
    assert response.status == 200
    assert response.body == (PAGE / file).read_bytes()
    assert response.getheader("Content-Type") == content_type
    assert_headers(response, server.port)
    assert server.address == f"http://127.0.0.1:{server.port}/{TOKEN}/"


def test_modules_of_page_are_served_as_one(server):
    response = server.get(f"/{TOKEN}/bundle.js")
    assert response.status == 200
    assert response.body == bundle().encode()
    assert response.getheader("Content-Type") == "text/javascript; charset=utf-8"
    assert_headers(response, server.port)
    assert server.get(f"/{TOKEN}/main.js").status == 404


def test_page_loads_only_its_own_files():
    # The content security policy allows neither other hosts nor inline scripts
    page = (PAGE / "index.html").read_text()
    links = re.findall(r"(?:src|href)=[\"']?([^\"'> ]+)", page)
    assert links
    assert set(links) <= {"bundle.js", "explorer.css", "icon.svg"}
    for tag in re.findall(r"<script[^>]*>", page):
        assert "src=" in tag or "type=" in tag


def test_server_listens_only_on_loopback_address(server):
    listening = [
        connection.laddr.ip
        for connection in psutil.Process().net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == server.port
    ]
    assert listening == ["127.0.0.1"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "//",
        "/bundle.js",
        f"/{TOKEN[:-1]}/",
        f"/{TOKEN}0/",
        f"/{TOKEN.upper()}/",
        f"//{TOKEN}/",
        f"/x/{TOKEN}/",
        f"/?{TOKEN}/",
        "/" + "0" * 48 + "/bundle.js",
        f"http://127.0.0.1/{TOKEN}/",
        "*",
        "/%30123456789abcdef" + TOKEN[16:] + "/",
    ],
)
def test_request_without_token_is_forbidden(server, path):
    response = server.get(path)
    assert response.status == 403
    assert response.body.startswith(b"403 Forbidden: open the address")
    assert_headers(response, server.port)


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
        "/bundle.js/",
        "/bundle.js/..",
        "/bundle.js?x=1",
        "/bundle.js%00",
        "/\\..\\_server.py",
        "/SOCKET",
        "/socket/",
        "",  # the page's relative links would not resolve
    ],
)
def test_unknown_file_is_not_found(server, name):
    response = server.get(f"/{TOKEN}{name}")
    assert response.status == 404
    assert response.body.startswith(b"404 Not Found: ")
    assert_headers(response, server.port)


@pytest.mark.parametrize(
    "host",
    [
        ["evil.example"],
        ["evil.example:{port}"],
        ["127.0.0.1"],
        ["127.0.0.1:1"],
        ["localhost"],
        ["localhost:{port}"],  # which is [::1] first
        ["localhost.evil.example:{port}"],
        ["127.0.0.1:{port}.evil.example"],
        ["0.0.0.0:{port}"],
        ["[::1]:{port}"],
        ["127.0.0.1:{port}", "evil.example"],
        [""],
        [],
    ],
)
def test_request_with_foreign_host_header_is_rejected(server, host):
    for path in (f"/{TOKEN}/", f"/{TOKEN}/socket", "/"):
        response = server.get(path, host=[name.format(port=server.port) for name in host])
        assert response.status == 421
        assert_headers(response, server.port)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE", "get"])
def test_methods_other_than_get_are_rejected(server, method):
    try:
        response = server.get(f"/{TOKEN}/", method=method)
    except http.client.HTTPException:  # older versions of websockets close the connection
        pass
    else:
        assert response.status >= 400
        assert b"<html" not in response.body
    assert server.get(f"/{TOKEN}/").status == 200


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
def test_malformed_http_request_does_not_stop_server(server, sent):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while part := client.recv(2**16):
                answer += part
    assert b"<html" not in answer
    assert TOKEN.encode() not in answer
    assert server.get(f"/{TOKEN}/").status == 200


# WebSockets


def test_page_trains_over_socket(server):
    with server.open_socket() as page:
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
        "http://localhost:{port}",
    ],
)
def test_socket_from_other_origin_is_forbidden(server, origin):
    with pytest.raises(InvalidStatus) as error:
        server.open_socket(origin=origin)
    assert error.value.response.status_code == 403
    assert error.value.response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/socket", "/wrong/socket", f"/{TOKEN[:-1]}/socket", f"/{TOKEN}x/socket"])
def test_socket_without_token_is_forbidden(server, path):
    with pytest.raises(InvalidStatus) as error:
        server.open_socket(path)
    assert error.value.response.status_code == 403


def test_socket_at_address_of_file_is_rejected(server):
    with pytest.raises(InvalidHandshake):
        server.open_socket(f"/{TOKEN}/bundle.js")


def test_too_many_pages_are_rejected_until_one_is_closed(server):
    with contextlib.ExitStack() as stack:
        pages = [stack.enter_context(server.open_socket()) for _ in range(MAX_PAGES)]
        for page in pages:
            ask(page, "controls", kind="hello")
        with server.open_socket() as page:
            assert "pages can be open at the same time" in unpack_message(page.recv(timeout=60))[0]["message"]
            with pytest.raises(ConnectionClosed) as closed:
                page.recv(timeout=60)
        assert closed.value.rcvd.code == TOO_MANY_PAGES
        assert server.get(f"/{TOKEN}/").status == 200
        ask(pages[0], "controls", kind="hello")
        pages[3].close()

        def is_accepted():
            with contextlib.suppress(AssertionError, ConnectionClosed), server.open_socket() as page:
                ask(page, "controls", kind="hello")
                return True
            return False

        assert eventually(is_accepted)


def test_page_limit_holds_for_simultaneous_connections(server):
    barrier = threading.Barrier(3 * MAX_PAGES)

    def open_one(_):
        barrier.wait(60)
        page = stack.enter_context(server.open_socket())
        return unpack_message(page.recv(timeout=60))[0]["kind"]  # "busy" while Keras starts, or "problem"

    with contextlib.ExitStack() as stack, ThreadPoolExecutor(3 * MAX_PAGES) as pool:
        opened = list(pool.map(open_one, range(3 * MAX_PAGES)))
        assert opened.count("problem") == 2 * MAX_PAGES


def test_too_large_message_closes_only_its_page(server):
    with server.open_socket() as page, server.open_socket() as other:
        content = base64.b64encode(b"a,b,kind\n" + b"1,2,x\n2,3,y\n" * 1000).decode()
        largest = {"kind": "upload", "name": "a.csv", "content": content}
        largest["more"] = "x" * (MAX_MESSAGE_BYTES - len(json.dumps({"id": 1, **largest})) - 20)
        ask(page, "table", **largest)
        with contextlib.suppress(ConnectionClosed):  # the server may close it before everything is sent
            page.send("x" * (MAX_MESSAGE_BYTES + 1))
        with pytest.raises(ConnectionClosed) as closed:
            read_all(page)
        assert closed.value.rcvd.code == 1009
        assert_trains(other)


def test_four_simultaneous_pages_get_their_own_networks(server):
    values = [
        {"random_state": 1},
        {"data": "blobs", "activation": "tanh"},
        {"drawn": [[0, 0.5, 1]], "erased": [2, 3], "epochs": 9},
        {"data": "xor", "learning_rate": 0.05, "n_samples": 60},
    ]
    with contextlib.ExitStack() as stack:
        pages = [stack.enter_context(server.open_socket()) for _ in values]
        barrier = threading.Barrier(len(pages))

        def use(page, settings):
            barrier.wait(60)
            for request_id in range(1, 9):
                assert_trains(page, request_id, **{**settings, "noise": request_id / 20})

        with ThreadPoolExecutor(len(pages)) as pool:
            for result in [pool.submit(use, page, settings) for page, settings in zip(pages, values, strict=True)]:
                result.result(120)


def test_closing_page_ends_its_training(server):
    def session_threads():
        return [thread for thread in threading.enumerate() if thread.name == "moonnet-explorer"]

    before = len(session_threads())
    with server.open_socket() as page:
        page.send(json.dumps({"kind": "train", "settings": LONG}))
        page.recv(timeout=60)
        assert len(session_threads()) == before + 1
    assert eventually(lambda: len(session_threads()) == before)


def test_closed_page_leaves_no_session_and_no_file(server, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    sessions = []

    class CountedSession(Session):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            sessions.append(weakref.ref(self))

    monkeypatch.setattr(_server, "Session", CountedSession)
    gc.collect()
    gc.disable()
    try:
        for end in ("closed", "lost"):
            with server.open_socket() as page:
                content = base64.b64encode(b"a,b,kind\n" + b"1,2,x\n2,3,y\n" * 8).decode()
                ask(page, "table", kind="upload", name="a.csv", content=content)
                ask(page, "film", kind="train", settings={**SMALL, "data": "own"})
                page.send(json.dumps({"kind": "train", "settings": {**LONG, "data": "own"}}))
                page.recv(timeout=60)
                if end == "lost":
                    page.socket.shutdown(socket.SHUT_RDWR)
            assert eventually(lambda: [session() for session in sessions] == [None] * len(sessions)), end
        assert len(sessions) == 2
        assert not list(tmp_path.iterdir())
    finally:
        gc.enable()


def test_page_can_reconnect_to_restarted_server():
    first = RunningServer()
    try:
        with first.open_socket() as page:
            assert_trains(page)
            page.send(json.dumps({"kind": "train", "id": 2, "settings": LONG}))
            first.stop()
            with pytest.raises(ConnectionClosed) as closed:
                read_all(page)
            assert closed.value.rcvd.code == 1001
    finally:
        first.stop()
    second = RunningServer(port=first.port)
    try:
        assert second.address == first.address
        with second.open_socket() as page:
            ask(page, "controls", kind="hello")
            assert_trains(page)
    finally:
        second.stop()


# Hostile messages


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


class HostileMessages:
    """Random messages, most of which no page would send."""

    def __init__(self, seed):
        self._random = random.Random(seed)

    def message(self):
        """Return a random message as text or bytes."""
        kinds = [
            self.random_bytes,
            self.nested,
            self.unknown_kind,
            self.truncated,
            self.no_object,
            self.random_values,
            self.upload,
        ]
        return self._random.choice([*kinds, self.train, self.train, self.train])()

    def value(self, depth=0):
        kind = self._random.randrange(4 if depth < 3 else 2)
        if kind == 2:
            return [self.value(depth + 1) for _ in range(self._random.randrange(4))]
        if kind == 3:
            return {name: self.value(depth + 1) for name in self._random.sample(["kind", "x", "data"], 2)}
        return self._random.choice(VALUES)

    def random_bytes(self):
        return self._random.randbytes(self._random.randrange(200))

    def nested(self):
        return self._random.choice(["[", '{"a":', '"']) * self._random.choice([1, 500, 20_000])

    def unknown_kind(self):
        kind = self._random.choice(["fly", "", None, 1, ["train"], {}, "__class__"])
        return json.dumps({"kind": kind, "id": self.value()})

    def truncated(self):
        return self.train()[: self._random.randrange(60)]

    def no_object(self):
        return json.dumps(self.value())

    def random_values(self):
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
def test_server_survives_ten_thousand_hostile_messages(server, caplog):
    messages = HostileMessages(seed=0)
    with server.open_socket() as page, server.open_socket() as bystander:
        assert_trains(page)
        reading = threading.Thread(target=lambda: [None for _ in page], daemon=True)
        reading.start()
        for _ in range(10_000):
            page.send(messages.message())
        # The server still answers the other page, which stayed connected
        assert_trains(bystander)
        page.close()
        reading.join(60)
    with server.open_socket() as page:
        assert_trains(page, random_state=9)
    assert server.get(f"/{TOKEN}/").status == 200
    assert not [record for record in caplog.records if "could not answer" in record.message]


@pytest.mark.parametrize(
    "sent",
    [b"\xff" * 100, b"\x81\x05abcde", b"\x81\xff" + b"\xff" * 8, b"\x89\xfe\x01\x00" + b"x" * 300],
    ids=["nonsense", "not masked", "too long", "a long ping"],
)
def test_invalid_websocket_frame_closes_only_its_page(server, sent):
    with server.open_socket() as other:
        with server.open_socket() as page:
            page.socket.sendall(sent)
            with pytest.raises(ConnectionClosed):
                read_all(page)
        assert_trains(other)


# Pages that do not read their answers


@pytest.mark.slow
def test_page_that_does_not_read_skips_answers_and_uses_no_memory(server, monkeypatch):
    outboxes = []

    class MeasuredOutbox(_Outbox):
        def __init__(self):
            super().__init__()
            self.max_bytes = self.n_bytes = self.n_pictures = 0
            outboxes.append(self)

        def put(self, kind, answer):
            super().put(kind, answer)
            self.n_bytes += len(answer)
            self.n_pictures += kind == "picture"
            self.max_bytes = max(self.max_bytes, sum(map(len, self._answers.values())))

    monkeypatch.setattr(_server, "_Outbox", MeasuredOutbox)
    with server.open_socket(max_queue=1) as page, server.open_socket() as other:
        n_requests = 150
        for index in range(1, n_requests + 1):
            page.send(json.dumps({"kind": "train", "id": index, "settings": {**SMALL, "random_state": index}}))
            # Wait until the outbox has received a picture for each request
            assert eventually(functools.partial(lambda index: outboxes[0].n_pictures >= index, index))
        assert outboxes[0].n_bytes > 20 * outboxes[0].max_bytes
        assert outboxes[0].max_bytes < 2**19  # a picture, a film and small answers
        ask(other, "controls", kind="hello")
        # When the page reads again, it soon gets the newest picture
        last = n_read = 0
        while last < n_requests:
            n_read += 1
            header, _ = unpack_message(page.recv(timeout=60))
            last = header["id"] if header["kind"] == "picture" else last
        assert n_read < n_requests / 2


def test_outbox_stores_newest_answer_of_each_kind():
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
        await asyncio.sleep(0)  # now the first picture is being sent
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


def test_token_is_private_and_persistent(token_file):
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
        lambda path: path.write_text("é" * 40),  # which a browser would escape in the address
        lambda path: path.write_bytes(b"\xff" * 40),
    ],
)
def test_readable_or_invalid_token_file_is_replaced(token_file, spoil):
    before = _load_token()
    spoil(token_file)
    token = _load_token()
    assert re.fullmatch("[0-9a-f]{48}", token)
    assert token != before
    assert token_file.stat().st_mode & 0o777 == 0o600
    assert _load_token() == token


def test_token_is_created_if_state_folder_is_not_writable(token_file):
    token_file.parent.parent.write_text("a file where a folder should be")
    assert re.fullmatch("[0-9a-f]{48}", _load_token())


def test_token_is_stored_in_state_folder_of_user(tmp_path, monkeypatch):
    for name in ("XDG_STATE_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    token = _load_token()
    (file,) = (path for path in tmp_path.rglob("explore-token"))
    assert file.read_text() == token


# The function explore


def read_redirect(address):
    """Return the address to which the page at a file's address redirects."""
    path = Path(urlparse(address).path)
    return re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', path.read_text())[1]


@pytest.fixture
def start_explore(monkeypatch):
    """Return a function that runs explore in a thread and returns the address that it opens in the browser."""
    opened, loops = [], []

    def open_browser(address):
        opened.append(read_redirect(address))

    monkeypatch.setattr(_server.webbrowser, "open", open_browser)

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


def test_explore_uses_default_port_or_another_if_it_is_in_use(start_explore, monkeypatch, capsys):
    port = free_port()
    monkeypatch.setattr(_server, "DEFAULT_PORT", port)
    first = start_explore()
    assert first == f"http://127.0.0.1:{port}/{TOKEN}/"
    assert f"The explorer is running at {first}\nPress Ctrl-C to stop it." in capsys.readouterr().out
    second = start_explore()
    assert second != first
    assert second.endswith(f"/{TOKEN}/")


def test_explore_uses_requested_port_or_raises(start_explore):
    port = free_port()
    assert start_explore(port=port) == f"http://127.0.0.1:{port}/{TOKEN}/"
    with pytest.raises(ValueError, match=rf"--port must be an available port\. Got {port}: .*in use"):
        asyncio.run(explore(port=port, open_browser=False, token=TOKEN))


def test_browser_is_started_with_private_redirect_instead_of_token(tmp_path, monkeypatch):
    """Other users of the machine can read command lines."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    opened, browser_is_closed = [], threading.Event()

    async def open_page():
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()

        def open_browser(address):
            opened.append((address, read_redirect(address), Path(urlparse(address).path).parent.stat().st_mode))
            loop.call_soon_threadsafe(task.cancel)
            browser_is_closed.wait(60)

        monkeypatch.setattr(_server.webbrowser, "open", open_browser)
        await explore(token=TOKEN, port=0)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(open_page())
    browsers = [thread for thread in threading.enumerate() if thread.name.endswith("(open_browser)")]
    assert browsers  # the server does not wait for the browser
    browser_is_closed.set()
    browsers[0].join(60)
    [(address, target, mode)] = opened
    assert TOKEN not in address
    assert re.fullmatch(rf"http://127\.0\.0\.1:\d+/{TOKEN}/", target)
    assert mode & 0o077 == 0
    assert not list(tmp_path.iterdir())  # when the server has stopped
