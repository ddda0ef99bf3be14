"""A recorder of the HTTP events that Flux controllers post to --events-addr: the witness of what really happened."""

import datetime
import http.server
import json
import re
import threading

from .network import serve


class PostRecorder:
    """Answers 202 to every post and remembers it, with the time of its arrival. Also writes them down, in the format of a recording."""

    def __init__(self, path):
        self._lock = threading.Lock()
        self._posts = []
        self._file = open(path, "w", encoding="utf-8")
        recorder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(202)
                self.send_header("Content-Length", "0")  # a reply with a body would cost the controllers a connection each
                self.end_headers()
                recorder.add(self.path, dict(self.headers), json.loads(body))

            def log_message(self, *_):
                pass

        self._server, self.port = serve(Handler)
        self.url = f"http://127.0.0.1:{self.port}/"

    def add(self, path, headers, body):
        now = datetime.datetime.now(datetime.timezone.utc)
        line = {"receivedAt": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "path": path, "headers": headers, "body": body}
        with self._lock:
            self._posts.append((now.timestamp(), body))
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()

    def of(self, kind, name, revision=None, reason=None):
        """Returns [(arrival, body)] of one object, in order of arrival."""
        with self._lock:
            posts = list(self._posts)
        return [(at, body) for at, body in posts
                if body["involvedObject"]["kind"] == kind and body["involvedObject"]["name"] == name
                and (revision is None or revision_of(body) == revision) and (reason is None or body["reason"] == reason)]

    def close(self):
        self._server.shutdown()
        self._file.close()


def revision_of(body):
    """The revision that a post carries, "" for none."""
    for key, value in (body.get("metadata") or {}).items():
        if key.endswith("/revision"):
            return value
    return ""


_UNIT = {"h": 3600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def seconds_of(text):
    """Seconds of a Go duration, for example "1m2.5s"."""
    return sum(float(number) * _UNIT[unit] for number, unit in re.findall(r"([\d.]+)(h|ms|us|µs|ns|m|s)", text))


def reported_duration(body):
    """The duration that a finish or health-check message states, in seconds; None when it states none."""
    found = re.search(r"(?:finished in|passed in|failed after) ([0-9hmsunµ.]+s)\b", body["message"])
    return seconds_of(found[1]) if found else None
