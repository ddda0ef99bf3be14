"""Loopback networking: free ports, small HTTP servers, and a TCP proxy whose connections can be cut, stalled or refused."""

import http.server
import random
import select
import socket
import threading

from .waiting import ANSWER


_held = []  # for as long as this process lives: a server may be started again on its port


def free_port():
    """Returns a port that no other process gets. Servers that cannot bind port 0 and report it need one.

    A socket keeps it that never listens: Linux gives such a port to nobody who asks for any, and lets those have it who ask for it by number with
    SO_REUSEADDR, as servers do.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    _held.append(held)
    return held.getsockname()[1]


def free_address(*ports):
    """Returns a loopback address on which these very ports are free: for what is told by its port. All of 127.0.0.0/8 is loopback on Linux, and by
    chance nobody else comes upon the same of its 16 million addresses."""
    while True:
        address = f"127.{random.randint(1, 254)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
        try:
            for port in ports:
                with socket.socket() as probe:
                    probe.bind((address, port))
            return address
        except OSError:
            continue


def serve(handler):
    """Starts a threaded HTTP server on a free loopback port. Returns (server, port)."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    return server, server.server_address[1]


class Proxy:
    """Forwards TCP connections to one loopback port. Between the program under test and the API server it plays the bad network."""

    def __init__(self, target_port):
        self._target = target_port
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._pairs = set()
        self._open = threading.Event()  # set: bytes flow
        self._open.set()
        self._refusing = False
        self.accepted = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        """Resets every open connection. New ones are served. Returns how many were cut."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            for end in pair:
                _reset(end)
        return len(pairs)

    def refuse(self, refusing):
        """While refusing, new connections are reset at once; open ones are left alone."""
        self._refusing = refusing

    def stall(self):
        """Holds back all bytes in both directions; connections stay open, as behind a router that drops packets."""
        self._open.clear()

    def resume(self):
        self._open.set()

    def close(self):
        self._listener.close()
        self.resume()
        self.cut()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refusing:
                _reset(client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._target), timeout=ANSWER)
            except OSError:
                _reset(client)
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.accepted += 1
            pair = (client, server)
            with self._lock:
                self._pairs.add(pair)
            threading.Thread(target=self._pump, args=(pair,), daemon=True).start()

    def _pump(self, pair):
        client, server = pair
        other = {client: server, server: client}
        try:
            while True:
                readable, _, _ = select.select(pair, [], [], 1.0)
                for source in readable:
                    self._open.wait()
                    data = source.recv(65536)
                    if not data:
                        return
                    other[source].sendall(data)
        except (OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._pairs.discard(pair)
            for end in pair:
                end.close()


def _reset(end):
    """Closes with RST instead of FIN: the peer sees a broken connection, not an orderly end."""
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    try:
        end.close()
    except OSError:
        pass
