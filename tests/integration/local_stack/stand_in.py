"""A stand-in for a service: answers 200 on UNION_HTTP_PORT, and obeys a few words given as arguments."""

import http.server
import os
import signal
import subprocess
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


words = sys.argv[1:]
if "die" in words:
    print("\n".join(f"line {number}" for number in range(1, 101)), flush=True)
    sys.exit(3)
if "stubborn" in words:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "parent" in words:
    subprocess.Popen(["sleep", "1000"])
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["UNION_HTTP_PORT"])), Handler).serve_forever()
