"""Stands in for our own servers: takes their arguments, answers 200 to whoever shows the key or asks for health."""

import argparse
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        key = os.environ["READINGROOM_ENGINE_KEY"]
        allowed = self.path == "/readyz" or self.headers.get("api-key") == key
        body = str(os.getpid()).encode()
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _stop(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--path", "--graph-from", "--model", "--reranker", "--dtype", "--host"):
        parser.add_argument(name)
    parser.add_argument("--any", action="store_true")
    parser.add_argument("--port", type=int)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _stop)
    with ThreadingHTTPServer((options.host, options.port), _Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
