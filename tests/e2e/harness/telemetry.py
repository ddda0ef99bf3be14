"""The real trace backends: an OpenTelemetry Collector that writes to files and forwards to Jaeger, Jaeger all-in-one, and Zipkin."""

import json
import os
import urllib.error
import urllib.request

import yaml

from .network import free_port
from .waiting import ANSWER, until


class Jaeger:
    """Jaeger all-in-one with its memory. With an `address` it listens on its usual ports there: OTLP on 4317 and 4318, Zipkin on 9411."""

    def __init__(self, supervisor, programs, address=None, name="jaeger"):
        self.address = address
        self.otlp_grpc, self._query, self._admin = free_port(), free_port(), free_port()
        loopback = {"query.http-server.host-port": self._query, "query.grpc-server.host-port": free_port(),
                    "admin.http.host-port": self._admin, "collector.grpc-server.host-port": free_port(),
                    "collector.http-server.host-port": free_port()}
        flags = [f"--{flag}=127.0.0.1:{port}" for flag, port in loopback.items()]
        if address:
            flags += [f"--collector.otlp.grpc.host-port={address}:4317", f"--collector.otlp.http.host-port={address}:4318",
                      f"--collector.zipkin.host-port={address}:9411"]
        else:
            flags += [f"--collector.otlp.grpc.host-port=127.0.0.1:{self.otlp_grpc}", f"--collector.otlp.http.host-port=127.0.0.1:{free_port()}"]
        environment = {**os.environ, "SPAN_STORAGE_TYPE": "memory", "JAEGER_DISABLED": "true"}
        self.child = supervisor.start(name, [os.path.join(programs, "jaeger-all-in-one"), "--collector.otlp.enabled=true", *flags], environment)

    def wait(self):
        until("Jaeger to be healthy", lambda: urllib.request.urlopen(f"http://127.0.0.1:{self._admin}/", timeout=2).status == 200, 60,
              logs=[self.child], needs=self.child)

    def trace(self, trace_id):
        """Returns the spans that Jaeger's API shows for a trace, [] when it knows none."""
        return self.whole_trace(trace_id).get("spans", [])

    def whole_trace(self, trace_id):
        """Returns spans and processes of a trace, {} when there is none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._query}/api/traces/{trace_id}", timeout=ANSWER) as answer:
                return json.load(answer)["data"][0]
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return {}
            raise

    def services(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self._query}/api/services", timeout=ANSWER) as answer:
            return json.load(answer)["data"] or []


class Zipkin:
    """Zipkin's own server, with its memory. `missing(programs)` says why it cannot be had, "" when it can."""

    def __init__(self, supervisor, programs):
        self.port = free_port()
        self.child = supervisor.start("zipkin", ["java", "-Xmx256m", "-jar", os.path.join(programs, "zipkin.jar")], {
            **os.environ, "QUERY_PORT": str(self.port), "ARMERIA_OPTS": "", "STORAGE_TYPE": "mem", "SELF_TRACING_ENABLED": "false",
            "SERVER_ADDRESS": "127.0.0.1"})

    @staticmethod
    def missing(programs):
        if os.path.exists(os.path.join(programs, "zipkin.jar")):
            return ""
        try:
            with open(os.path.join(programs, "zipkin.why"), encoding="utf-8") as stream:
                return stream.read().strip()
        except OSError:
            return "tests/e2e/build-tools has not fetched it"

    def wait(self):
        until("Zipkin to be healthy", lambda: urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=2).status == 200, 90,
              logs=[self.child], needs=self.child)

    def trace(self, trace_id):
        """Returns the spans that Zipkin's API shows for a trace, [] when it knows none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v2/trace/{trace_id}", timeout=ANSWER) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return []
            raise


class Collector:
    """One OTLP/HTTP endpoint per name, each with a file of its own: OTLP/JSON, one ExportTraceServiceRequest a line."""

    def __init__(self, supervisor, programs, work, jaeger, names):
        self.files = {name: os.path.join(work, f"collector-{name}.jsonl") for name in names}
        self._ports = {name: free_port() for name in names}
        config = {
            "receivers": {f"otlp/{name}": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}} for name, port in self._ports.items()},
            "exporters": {f"file/{name}": {"path": path, "flush_interval": "200ms"} for name, path in self.files.items()},
            "service": {"telemetry": {"metrics": {"level": "none"}}, "pipelines": {}},
        }
        config["exporters"]["otlp/jaeger"] = {"endpoint": f"127.0.0.1:{jaeger.otlp_grpc}", "tls": {"insecure": True}}
        for name in names:
            config["service"]["pipelines"][f"traces/{name}"] = {
                "receivers": [f"otlp/{name}"], "exporters": [f"file/{name}", "otlp/jaeger"]}
        path = os.path.join(work, "otelcol.yaml")
        with open(path, "w", encoding="utf-8") as stream:
            yaml.safe_dump(config, stream)
        self.child = supervisor.start("otelcol", [os.path.join(programs, "otelcol"), "--config", path])

    def wait(self):
        for name, port in self._ports.items():
            until(f"the collector's endpoint {name} to answer", lambda p=port: _answers(p), 60, logs=[self.child], needs=self.child)

    def url(self, name):
        return f"http://127.0.0.1:{self._ports[name]}/v1/traces"


def _answers(port):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/traces", b"{}", {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=2) as answer:
        return answer.status == 200
