"""A second OpenTelemetry Collector, behind TLS and credentials as users have them in front of theirs: an endpoint for each way in, each with a
file of its own."""

import http.client
import json
import os
import socket
import ssl

import yaml

from .network import free_port
from .waiting import ANSWER, until

BASIC_USER, BASIC_PASSWORD = "flux", "planted-basic:p@ss/word"


class SecuredCollector:
    ENDPOINTS = ("grpc-mtls", "http-basic", "http-bearer", "http-rotating", "letters", "zipkin")

    def __init__(self, supervisor, programs, work, authority):
        self._dir = os.path.join(work, "secured-collector")
        os.makedirs(self._dir)
        self._authority = authority.certificate
        self.client_certificate = authority.issue("client", "clientAuth")
        self.ports = {name: free_port() for name in self.ENDPOINTS}
        self.files = {name: os.path.join(self._dir, f"{name}.jsonl") for name in self.ENDPOINTS}
        self.token = "planted-bearer-token"
        self.rotating_token = "planted-first-token"
        self._write_rotating()
        certificate, key = authority.issue("collector", "serverAuth")
        tls = {"cert_file": certificate, "key_file": key}

        def http(name, authenticator):
            return {"protocols": {"http": {"endpoint": self._address(name), "tls": tls, "auth": {"authenticator": authenticator}}}}

        receivers = {
            "otlp/grpc-mtls": {"protocols": {"grpc": {"endpoint": self._address("grpc-mtls"), "tls": {**tls, "client_ca_file": self._authority}}}},
            "otlp/http-basic": http("http-basic", "basicauth"),
            "otlp/http-bearer": http("http-bearer", "bearertokenauth"),
            "otlp/http-rotating": http("http-rotating", "bearertokenauth/rotating"),
            "otlp/letters": {"protocols": {"http": {"endpoint": self._address("letters")}}},
            "zipkin": {"endpoint": self._address("zipkin")},
        }
        config = {
            "extensions": {"basicauth": {"htpasswd": {"inline": f"{BASIC_USER}:{BASIC_PASSWORD}"}},
                           "bearertokenauth": {"token": self.token},
                           "bearertokenauth/rotating": {"filename": self._rotating_file}},
            "receivers": receivers,
            "exporters": {f"file/{name}": {"path": path, "flush_interval": "200ms"} for name, path in self.files.items()},
            "service": {"extensions": ["basicauth", "bearertokenauth", "bearertokenauth/rotating"], "telemetry": {"metrics": {"level": "none"}},
                        "pipelines": {f"traces/{name}": {"receivers": [name if name in receivers else f"otlp/{name}"],
                                                         "exporters": [f"file/{name}"]} for name in self.ENDPOINTS}},
        }
        path = os.path.join(self._dir, "otelcol.yaml")
        with open(path, "w", encoding="utf-8") as stream:
            yaml.safe_dump(config, stream)
        self.child = supervisor.start("otelcol-secured", [os.path.join(programs, "otelcol"), "--config", path])

    def wait(self):
        until("the secured collector to answer", lambda: self.status("http-bearer") == 401 and self.status("http-rotating") == 401, 60,
              logs=[self.child], needs=self.child)

    def rotate(self, token):
        """From now on only the new token is good at http-rotating. Returns when the Collector has read it."""
        old, self.rotating_token = self.rotating_token, token
        self._write_rotating()
        until("the collector to refuse the old token", lambda: self.status("http-rotating", f"Bearer {old}") == 401, 30, logs=[self.child])

    def status(self, name, authorization=None, certificate=None):
        """Returns how an endpoint over HTTP answers an empty request, 0 when the connection ends without an answer."""
        context = ssl.create_default_context(cafile=self._authority)
        if certificate:
            context.load_cert_chain(*certificate)
        connection = http.client.HTTPSConnection("127.0.0.1", self.ports[name], timeout=ANSWER, context=context)
        headers = {"Content-Type": "application/json", **({"Authorization": authorization} if authorization else {})}
        try:
            connection.request("POST", "/v1/traces", json.dumps({}), headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def lets_in(self, name, certificate=None):
        """Whether a TLS handshake with that client certificate, or none, leads anywhere. A server may refuse only after its own part is done."""
        context = ssl.create_default_context(cafile=self._authority)
        context.set_alpn_protocols(["h2"])
        if certificate:
            context.load_cert_chain(*certificate)
        try:
            with context.wrap_socket(_connect(self.ports[name]), server_hostname="127.0.0.1") as stream:
                stream.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
                return bool(stream.recv(1))
        except OSError:
            return False

    def _address(self, name):
        return f"127.0.0.1:{self.ports[name]}"

    @property
    def _rotating_file(self):
        return os.path.join(self._dir, "token")

    def _write_rotating(self):
        with open(self._rotating_file, "w", encoding="utf-8") as stream:
            stream.write(self.rotating_token)


def _connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=ANSWER)
