"""A reverse proxy as notebooks have one: it shows what another server has below a prefix, and tells its own host."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit


@contextmanager
def proxy(url: str, prefix: str) -> Iterator[int]:
    """Show `url` below `prefix`, on a port of this machine, until the block ends; anything else is not found there."""
    place = urlsplit(url)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(f"{prefix}/"):
                self.send_error(404)
                return
            behind = http.client.HTTPConnection(place.hostname, place.port, timeout=30)
            behind.request("GET", self.path.removeprefix(prefix), headers=dict(self.headers))
            answer = behind.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.read())
            behind.close()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()
