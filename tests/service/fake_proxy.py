"""A proxy that logs people in and names them to the server behind it, as oauth2-proxy does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx

from components.registry.proxy_login import KEY_HEADER

NAMES = (KEY_HEADER.lower(), "x-forwarded-email", "host", "connection", "content-length")


@contextmanager
def proxied(server: str, key: str) -> Iterator[str]:
    """Serve `server` to people who send a cookie `session=NAME`; yield the proxy's address."""

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            name = self.headers.get("Cookie", "").removeprefix("session=")
            if not name:
                self.send_error(401)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            sent = {k: v for k, v in self.headers.items() if k.lower() not in NAMES}
            sent |= {"X-Forwarded-Email": name, KEY_HEADER: key}
            answer = httpx.request(
                self.command, f"{server}{self.path}", headers=sent, content=body, timeout=60
            )
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do

        def log_message(self, *_: object) -> None:
            pass

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{proxy.server_address[1]}"
    finally:
        proxy.shutdown()
        proxy.server_close()
