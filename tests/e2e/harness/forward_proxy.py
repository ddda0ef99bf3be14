"""An HTTP proxy that asks for credentials: CONNECT tunnels and plain forwarding. It remembers the head of every request it got."""

import base64
import select
import socket
import threading
import urllib.parse

from .waiting import ANSWER


class ForwardProxy:
    def __init__(self, username, password):
        self._expected = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
        self.heads = []  # whole heads as text, in order of arrival
        self.served = []  # request lines of those with the right credentials
        self.refused = 0
        self._lock = threading.Lock()
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            try:
                client.settimeout(30)
                while self._one(client):
                    pass
            except (OSError, ValueError):
                pass

    def _one(self, client):
        """Serves one request. Returns whether the connection goes on."""
        received = b""
        while b"\r\n\r\n" not in received:
            more = client.recv(65536)
            if not more:
                return False
            received += more
        head, _, body = received.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        method, target, _ = lines[0].split(" ", 2)
        with self._lock:
            self.heads.append(head.decode("latin-1"))
            good = fields.get("proxy-authorization") == self._expected
            if good:
                self.served.append(lines[0])
            else:
                self.refused += 1
        if not good:
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"e2e\"\r\n"
                           b"Content-Length: 0\r\nConnection: close\r\n\r\n")
            return False
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            with socket.create_connection((host, int(port)), timeout=ANSWER) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                _pump(client, server)
            return False
        # Forwarding: the absolute URL becomes a path, what is meant for the proxy stays here, and the server closes at the end.
        parts = urllib.parse.urlsplit(target)
        kept = [line for line in lines[1:] if line.partition(":")[0].strip().lower() not in ("proxy-authorization", "proxy-connection", "connection",
                                                                                         "expect")]
        if fields.get("expect", "").lower() == "100-continue":
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(body) < int(fields.get("content-length", 0)):
            more = client.recv(65536)
            if not more:
                return False
            body += more
        path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        with socket.create_connection((parts.hostname, parts.port or 80), timeout=ANSWER) as server:
            server.sendall("\r\n".join([f"{method} {path} HTTP/1.1", *kept, "Connection: close", "", ""]).encode("latin-1") + body)
            while answer := server.recv(65536):
                client.sendall(answer)
        return False


def _pump(one, other):
    """Carries bytes both ways until one side ends."""
    pairs = {one: other, other: one}
    for end in pairs:
        end.settimeout(None)
    while True:
        for source in select.select(list(pairs), [], [], 60)[0]:
            data = source.recv(65536)
            if not data:
                return
            pairs[source].sendall(data)
