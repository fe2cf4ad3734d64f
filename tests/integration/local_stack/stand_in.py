"""A stand-in for a service: answers 200 on UNION_HTTP_PORT, and 503 from a SIGUSR1 on.

Words given as arguments make it die at once, ignore SIGTERM or have a child.
"""

import http.server
import os
import signal
import subprocess
import sys

answer = http.HTTPStatus.OK


def fall_ill(*_: object) -> None:
    global answer
    answer = http.HTTPStatus.SERVICE_UNAVAILABLE


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(answer)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


signal.signal(signal.SIGUSR1, fall_ill)
words = sys.argv[1:]
if "die" in words:
    print("\n".join(f"line {number}" for number in range(1, 101)), flush=True)
    sys.exit(3)
if "stubborn" in words:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "parent" in words:
    subprocess.Popen(["sleep", "1000"])
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["UNION_HTTP_PORT"])), Handler).serve_forever()
