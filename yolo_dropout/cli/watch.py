"""`yolo-dropout watch`: a study's report in the browser of this machine, drawn anew only when someone looks."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Collection, Iterator
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Lock, Thread
from typing import Any

from yolo_dropout.base.text import cut, printable, whole_number
from yolo_dropout.cli.output import FINISHED
from yolo_dropout.errors import SpecError, YoloDropoutError
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.report.page import render_report
from yolo_dropout.study import load_study

ADDRESS = "127.0.0.1"
# Names that are this machine's own wherever they are looked up. A tunnel may give them another port: a web site that
# points its name to this machine can choose the port, and not the name.
_OWN_NAMES = (ADDRESS, "localhost", "[::1]")
# A page that took t seconds is not drawn again before 20 t have passed: at most 5 % of one core.
REST = 20.0
# A browser asks for one thing at a time, and at once. Who only holds connections open would take files from the study.
MOST_CONNECTIONS, PATIENCE_S = 32, 5.0


def watch(options: Namespace) -> int:
    """Serve the report until Ctrl-C."""
    if (port := whole_number(options.port)) is None:
        raise SpecError(f"port: must be a whole number, got {options.port!r}; leave it out to take a free one")
    for given in options.host_name:
        if not _name_of(given):
            must = "must be a host's name as the browser's address bar shows it, without https:// and without a path"
            raise SpecError(f"--host-name: {must}, got {given!r}; for instance --host-name hub.example.org")
    folder = StudyFolder.at(options.folder, "DIR")
    load_study(folder.path)
    with serve(live_page(folder), port, options.host_name) as address:
        print(f"{address} shows {folder.path}; Ctrl-C ends this, not the study", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return FINISHED


def live_page(folder: StudyFolder) -> LivePage:
    """The report of a study as it now stands; its version is the newest record's time and their number."""

    def render(version: str) -> str:
        return render_report(load_study(folder.path), live_version=version)

    def version() -> str:
        times = [path.stat().st_mtime_ns for path in folder.runs.glob("*/run.json")]
        return f"{len(times)}-{max(times, default=0)}"

    return LivePage(render, version)


class LivePage:
    """Keeps the page that was drawn last, and draws a newer one when that is due.

    Args:
        render: State of the study -> HTML. A `YoloDropoutError` (no run has finished yet) is shown as text.
        version: The study's present state as a short text; called often, so it must be cheap.
        clock: Seconds, monotonic.
    """

    def __init__(
        self, render: Callable[[str], str], version: Callable[[], str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._render, self._version, self._clock = render, version, clock
        self._lock = Lock()
        self._drawn: tuple[str, str] | None = None
        self._due = 0.0

    def version(self) -> str:
        """The state that a request for the page would now show."""
        return self._version() if self._drawn is None or self._clock() >= self._due else self._drawn[0]

    def html(self) -> str:
        """The page, newly drawn if the study has changed and drawing is due."""
        with self._lock:
            version = self.version()
            if self._drawn is None or self._drawn[0] != version:
                started = self._clock()
                self._drawn, now = (version, self._draw(version)), self._clock()
                self._due = now + REST * (now - started)
            return self._drawn[1]

    def _draw(self, version: str) -> str:
        try:
            return self._render(version)
        except YoloDropoutError as error:
            head = '<meta charset="utf-8"><meta http-equiv="refresh" content="5"><title>Study</title>'
            return f'<!doctype html><html lang="en"><head>{head}</head><body><p>{escape(str(error))}</p></body></html>'


@contextlib.contextmanager
def serve(page: LivePage, port: int = 0, hosts: Collection[str] = (), patience_s: float = PATIENCE_S) -> Iterator[str]:
    """Serve a page on 127.0.0.1, from a thread, until the block ends.

    Requests that name another host than this machine or one of `hosts`, where a proxy shows it, are refused, so that no
    web site can read the page through a name that it points to this machine. Nothing but the page and its version can
    be asked for.

    Yields:
        The page's address; port 0 takes a free one.

    Raises:
        SpecError: The port is taken or not allowed.
    """
    try:
        server = _Server((ADDRESS, port), _handler(page, {*_OWN_NAMES, *map(_name_of, hosts)} - {""}, patience_s))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SpecError(f"port: must be a free port, got {port} ({reason}); choose another or 0") from error
    with server:
        # Every tenth of a second it looks whether to end; with the usual half, everything that is served ends later.
        thread = Thread(target=server.serve_forever, args=(0.1,), name="live report", daemon=True)
        thread.start()
        try:
            yield f"http://{ADDRESS}:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    """Serves a few connections at a time, closes what is more, and leaves the terminal alone."""

    allow_reuse_address = sys.platform != "win32"  # where it would let two programs have the same port
    request_queue_size = MOST_CONNECTIONS  # what finds the usual five waiting asks again a second later

    def __init__(self, *args: Any) -> None:
        self._room = BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__(*args)

    def verify_request(self, *_request: Any) -> bool:
        return self._room.acquire(blocking=False)

    def process_request_thread(self, *request: Any) -> None:
        try:
            super().process_request_thread(*request)
        finally:
            self._room.release()

    def handle_error(self, *_request: Any) -> None:
        """Stay silent: a reader that has gone away is no fault of the study's."""


def _name_of(host: str) -> str:
    """The name in what a request says of its host, without a port; empty where that is none."""
    found = re.fullmatch(r"([\w.-]+|\[[\da-f:.]+\])(:\d+)?", host.lower(), re.ASCII)
    return found[1] if found else ""


def _handler(page: LivePage, names: Collection[str], patience_s: float) -> type[BaseHTTPRequestHandler]:
    answers = {"/": (page.html, "text/html"), "/version": (page.version, "text/plain")}

    class Handler(BaseHTTPRequestHandler):
        timeout = patience_s

        def do_GET(self) -> None:
            name = _name_of(host := self.headers.get("Host", ""))
            if name not in names:
                way_out = f"if it is where you look at it, give yolo-dropout watch --host-name {name or 'NAME'}"
                refused = cut(printable(f"{host or 'no host'}: this page does not answer to that host; {way_out}"))
                self._answer(HTTPStatus.FORBIDDEN, f"{refused}\n")
            elif (path := self.path.partition("?")[0]) not in answers:  # what follows is for a proxy, such as a token
                self._answer(HTTPStatus.NOT_FOUND, "There is nothing here.")
            else:
                content, kind = answers[path]
                self._answer(HTTPStatus.OK, content(), kind)

        def _answer(self, status: HTTPStatus, text: str, kind: str = "text/plain") -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("X-Frame-Options", "DENY")
            self.end_headers()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent: the terminal belongs to the study."""

    return Handler
