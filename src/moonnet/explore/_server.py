"""The page in a browser: three files and a socket on this machine alone, behind a secret address."""

import asyncio
import contextlib
import logging
import secrets
import webbrowser
from http import HTTPStatus
from pathlib import Path
from typing import Any

try:
    import platformdirs
    from websockets.asyncio.server import ServerConnection, serve
    from websockets.datastructures import Headers
    from websockets.exceptions import ConnectionClosed
    from websockets.http11 import Request, Response
except ImportError as error:
    raise ImportError("moonnet explore needs websockets: pip install 'moonnet[explore]'") from error

from moonnet.explore._datasets import OwnTable
from moonnet.explore._protocol import packed
from moonnet.explore._session import Session
from moonnet.explore._user_tables import MOST_BYTES

HOST = "127.0.0.1"
DEFAULT_PORT = 8642
MOST_PAGES = 8
TOO_MANY_PAGES = 4000  # why a socket is closed; the page knows the number
# A file of the most bytes in Base64, and what is around it
MOST_MESSAGE_BYTES = MOST_BYTES * 4 // 3 + 2**16

_PAGE = Path(__file__).parent / "page"
_FILES = {
    "": ("index.html", "text/html; charset=utf-8"),
    "explorer.js": ("explorer.js", "text/javascript; charset=utf-8"),
    "explorer.css": ("explorer.css", "text/css; charset=utf-8"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
}


async def explore(
    own: OwnTable | None = None, port: int | None = None, *, opens_browser: bool = True, token: str | None = None
) -> None:
    """Serve the page until cancelled.

    ``port`` None is the usual one, or where that is taken any that is free. ``token`` None is the user's own. Raises
    ValueError where there is no listening on the port.
    """
    server = _Server(own, _user_token() if token is None else token)
    async with contextlib.AsyncExitStack() as stack:
        try:
            address = await stack.enter_async_context(server.listening(DEFAULT_PORT if port is None else port))
        except OSError as error:
            if port is not None:
                raise ValueError(f"--port must be one to listen on. Got {port}: {error.strerror}") from error
            address = await stack.enter_async_context(server.listening(0))
        if own is not None:
            address += "#data=own"
        print(f"The explorer is at {address}\nCtrl-C ends it.", flush=True)
        if opens_browser:
            await asyncio.to_thread(webbrowser.open, address)
        await asyncio.get_running_loop().create_future()  # which nothing ends but Ctrl-C


def _user_token() -> str:
    """Return this user's secret, the same each time, so that a page that is open finds a server started again."""
    path = platformdirs.user_state_path("moonnet") / "explore-token"
    try:
        token = path.read_text()
        if len(token) >= 32 and token.isascii() and token.isalnum() and path.stat().st_mode & 0o077 == 0:
            return token
    except (OSError, ValueError):
        pass
    token = secrets.token_hex(24)
    with contextlib.suppress(OSError):  # then it serves this time alone
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(token)
    return token


class _Server:
    def __init__(self, own: OwnTable | None, token: str) -> None:
        self._own = own
        self._token = token
        self._n_pages = 0

    @contextlib.asynccontextmanager
    async def listening(self, port: int) -> Any:
        """Listen on a port, 0 for any; yield the address of the page."""
        quiet = logging.getLogger("moonnet.explore.server")
        quiet.addHandler(logging.NullHandler())
        quiet.propagate = False  # do not log malformed requests
        async with serve(
            self._serve_page,
            HOST,
            port,
            process_request=self._answer_request,
            max_size=MOST_MESSAGE_BYTES,
            compression=None,  # on one machine, it takes longer than it saves
            server_header=None,
            logger=quiet,
        ) as server:
            port = server.sockets[0].getsockname()[1]
            self._hosts = {f"{HOST}:{port}", f"localhost:{port}"}
            yield f"http://{HOST}:{port}/{self._token}/"

    def _answer_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Return a file of the page, or an error; None lets a page open its socket."""
        # DNS rebinding: a page of another host whose name points here still names that host
        if request.headers.get_all("Host") not in [[host] for host in self._hosts]:
            return self._response(HTTPStatus.MISDIRECTED_REQUEST)
        if getattr(request, "method", "GET") != "GET":  # older versions of websockets answer no other
            return self._response(HTTPStatus.METHOD_NOT_ALLOWED)
        token, slash, name = request.path.removeprefix("/").partition("/")
        if not secrets.compare_digest(token.encode("utf-8", "replace"), self._token.encode()):
            return self._response(HTTPStatus.FORBIDDEN)
        if name == "socket":
            origins = request.headers.get_all("Origin")
            if origins not in [[f"http://{host}"] for host in self._hosts]:
                return self._response(HTTPStatus.FORBIDDEN)
            return None
        if not slash or name not in _FILES:  # without a slash, the page's links would lead elsewhere
            return self._response(HTTPStatus.NOT_FOUND)
        file, content_type = _FILES[name]
        return self._response(HTTPStatus.OK, (_PAGE / file).read_bytes(), content_type)

    def _response(self, status: HTTPStatus, body: bytes = b"", content_type: str = "text/plain") -> Response:
        if status != HTTPStatus.OK:
            body = f"{status.value} {status.phrase}: open the address that moonnet explore has printed.\n".encode()
        sockets = " ".join(f"ws://{host}" for host in sorted(self._hosts))
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            f"connect-src {sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        headers = Headers(
            {
                "Content-Type": content_type,
                "Content-Length": str(len(body)),
                "Content-Security-Policy": policy,
                "Cross-Origin-Opener-Policy": "same-origin",
                "Cross-Origin-Resource-Policy": "same-origin",
                "Referrer-Policy": "no-referrer",
                "X-Content-Type-Options": "nosniff",
                "Cache-Control": "no-store",
                "Connection": "close",
            }
        )
        return Response(status.value, status.phrase, headers, body)

    async def _serve_page(self, socket: ServerConnection) -> None:
        """Pass on what a page asks and what its session answers."""
        if self._n_pages >= MOST_PAGES:
            problem = f"At most {MOST_PAGES} pages may be open at once. Close one, and load this one again."
            await socket.send(packed({"kind": "problem", "id": 0, "message": problem}))
            await socket.close(TOO_MANY_PAGES)
            return
        loop, outbox = asyncio.get_running_loop(), _Outbox()

        def send(kind: str, answer: bytes) -> None:
            with contextlib.suppress(RuntimeError):  # the server has ended
                loop.call_soon_threadsafe(outbox.put, kind, answer)

        self._n_pages += 1
        session = Session(send, self._own)
        sending = asyncio.create_task(outbox.send_to(socket))
        try:
            with contextlib.suppress(ConnectionClosed):
                async for message in socket:
                    session.receive(message)
        finally:
            sending.cancel()
            await asyncio.to_thread(session.close)
            self._n_pages -= 1


class _Outbox:
    """Answers for a page, the newest of each kind: a page that reads slowly misses some."""

    def __init__(self) -> None:
        self._answers: dict[str, bytes] = {}
        self._filled = asyncio.Event()

    def put(self, kind: str, answer: bytes) -> None:
        """Put an answer in, behind those of other kinds."""
        self._answers.pop(kind, None)
        self._answers[kind] = answer
        self._filled.set()

    async def send_to(self, socket: ServerConnection) -> None:
        """Send answers until cancelled."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._filled.wait()
                self._filled.clear()
                while self._answers:
                    await socket.send(self._answers.pop(next(iter(self._answers))))
