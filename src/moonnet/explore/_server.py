"""The page in a browser: a local server for its files and its socket, at an address that contains a secret token."""

import asyncio
import contextlib
import logging
import secrets
import threading
import webbrowser
from html import escape
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

try:
    import platformdirs
    from websockets.asyncio.server import ServerConnection, serve
    from websockets.datastructures import Headers
    from websockets.exceptions import ConnectionClosed
    from websockets.http11 import Request, Response
except ImportError as error:
    raise ImportError("moonnet explore needs websockets: pip install 'moonnet[explore]'") from error

from moonnet.explore._blas import SingleBlasThread
from moonnet.explore._bundle import PAGE, bundle
from moonnet.explore._datasets import UserTable
from moonnet.explore._protocol import pack_message
from moonnet.explore._session import Session
from moonnet.explore._user_tables import MAX_FILE_BYTES

HOST = "127.0.0.1"
DEFAULT_PORT = 8642
MAX_PAGES = 8
TOO_MANY_PAGES = 4000  # close code of the socket; page/socket.js knows it too
# The largest file in Base64, and the rest of its message
MAX_MESSAGE_BYTES = MAX_FILE_BYTES * 4 // 3 + 2**16

# What the page may load: a file, or None for the bundle
_FILES = {
    "": ("index.html", "text/html; charset=utf-8"),
    "bundle.js": (None, "text/javascript; charset=utf-8"),
    "explorer.css": ("explorer.css", "text/css; charset=utf-8"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
}


async def explore(
    table: UserTable | None = None, port: int | None = None, *, open_browser: bool = True, token: str | None = None
) -> None:
    """Serve the page until cancelled.

    ``port`` None means the default port or, if that is in use, any free one; 0 means any free one. ``token`` None means
    the user's stored token. Raises ValueError if the port is not available.
    """
    server = _Server(table, _load_token() if token is None else token)
    async with contextlib.AsyncExitStack() as stack:
        try:
            address = await stack.enter_async_context(server.listen(DEFAULT_PORT if port is None else port))
        except OSError as error:
            if port is not None:
                raise ValueError(f"--port must be an available port. Got {port}: {error.strerror}") from error
            address = await stack.enter_async_context(server.listen(0))
        if table is not None:
            address += "#data=own"
        print(f"The explorer is running at {address}\nPress Ctrl-C to stop it.", flush=True)
        if open_browser:
            with contextlib.suppress(OSError):  # the user can open the address
                redirect = _write_redirect(Path(stack.enter_context(TemporaryDirectory(prefix="moonnet-"))), address)
                # On a daemon thread, because some browsers return only when the user closes them
                threading.Thread(target=webbrowser.open, args=(redirect,), daemon=True).start()
        await asyncio.get_running_loop().create_future()  # until Ctrl-C


def _write_redirect(folder: Path, address: str) -> str:
    """Write a page that redirects to the address, and return the page's own address."""
    # Other users of the machine can read the browser's command line, but not files in a temporary folder
    path, link = folder / "explorer.html", escape(address)
    path.write_text(
        f'<!doctype html><title>moonnet explorer</title><meta name="referrer" content="no-referrer">\n'
        f'<meta http-equiv="refresh" content="0; url={link}">\n<a href="{link}">moonnet explorer</a>\n'
    )
    return path.as_uri()


def _load_token() -> str:
    """Return the user's secret token; it is stored, so that an open page can reconnect to a restarted server."""
    path = platformdirs.user_state_path("moonnet") / "explore-token"
    try:
        token = path.read_text()
        if len(token) >= 32 and token.isascii() and token.isalnum() and path.stat().st_mode & 0o077 == 0:
            return token
    except (OSError, ValueError):
        pass
    token = secrets.token_hex(24)
    with contextlib.suppress(OSError):  # then the token is for this run only
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(token)
    return token


class _Server:
    def __init__(self, table: UserTable | None, token: str) -> None:
        self._table = table
        self._token = token
        self._n_pages = 0
        # Only here, where the process is the explorer's own: in a notebook, other code may change BLAS's threads, too
        self._single_blas_thread = SingleBlasThread()

    @contextlib.asynccontextmanager
    async def listen(self, port: int) -> Any:
        """Listen on a port (0 for any free one); yield the address of the page."""
        logger = logging.getLogger("moonnet.explore.server")
        logger.addHandler(logging.NullHandler())
        logger.propagate = False  # do not log malformed requests
        async with serve(
            self._serve_page,
            HOST,
            port,
            process_request=self._answer_request,
            max_size=MAX_MESSAGE_BYTES,
            compression=None,  # slower than sending, on one machine
            server_header=None,
            logger=logger,
        ) as server:
            port = server.sockets[0].getsockname()[1]
            self._host = f"{HOST}:{port}"
            yield f"http://{self._host}/{self._token}/"

    def _answer_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Return a file of the page or an error; return None to let a page open its socket."""
        # Against DNS rebinding: requests by another host name that resolves to this machine still carry that name. A
        # browser tries [::1] first for localhost, where another user's server would receive the token.
        if request.headers.get_all("Host") != [self._host]:
            return self._make_response(HTTPStatus.MISDIRECTED_REQUEST)
        if getattr(request, "method", "GET") != "GET":  # older versions of websockets accept only GET
            return self._make_response(HTTPStatus.METHOD_NOT_ALLOWED)
        token, slash, name = request.path.removeprefix("/").partition("/")
        if not secrets.compare_digest(token.encode("utf-8", "replace"), self._token.encode()):
            return self._make_response(HTTPStatus.FORBIDDEN)
        if name == "socket":
            if request.headers.get_all("Origin") != [f"http://{self._host}"]:
                return self._make_response(HTTPStatus.FORBIDDEN)
            return None
        if not slash or name not in _FILES:  # without the slash, the page's relative links would break
            return self._make_response(HTTPStatus.NOT_FOUND)
        file, content_type = _FILES[name]
        content = bundle().encode() if file is None else (PAGE / file).read_bytes()
        return self._make_response(HTTPStatus.OK, content, content_type)

    def _make_response(self, status: HTTPStatus, body: bytes = b"", content_type: str = "text/plain") -> Response:
        if status != HTTPStatus.OK:
            body = f"{status.value} {status.phrase}: open the address that moonnet explore printed.\n".encode()
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            f"connect-src ws://{self._host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
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
        """Pass a page's requests to a session of its own, and the answers back."""
        if self._n_pages >= MAX_PAGES:
            problem = f"At most {MAX_PAGES} pages can be open at the same time. Close one, then reload this page."
            await socket.send(pack_message({"kind": "problem", "id": 0, "message": problem}))
            await socket.close(TOO_MANY_PAGES)
            return
        loop, outbox = asyncio.get_running_loop(), _Outbox()

        def send(kind: str, answer: bytes) -> None:
            with contextlib.suppress(RuntimeError):  # the server has ended
                loop.call_soon_threadsafe(outbox.put, kind, answer)

        self._n_pages += 1
        session = Session(send, self._table, self._single_blas_thread)
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
    """Answers that wait to be sent, the latest of each kind: a slow page skips the older ones."""

    def __init__(self) -> None:
        self._answers: dict[str, bytes] = {}
        self._filled = asyncio.Event()

    def put(self, kind: str, answer: bytes) -> None:
        """Append an answer; an older one of the same kind is dropped."""
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
