"""The real trace backends: an OpenTelemetry Collector that writes to files and forwards to Jaeger, and Jaeger all-in-one."""

import json
import os
import urllib.error
import urllib.request

import yaml

from .network import free_port
from .waiting import until


class Jaeger:
    def __init__(self, supervisor, programs):
        self.otlp_grpc, self._query, self._admin = free_port(), free_port(), free_port()
        loopback = {"collector.otlp.grpc.host-port": self.otlp_grpc, "collector.otlp.http.host-port": free_port(),
                    "query.http-server.host-port": self._query, "query.grpc-server.host-port": free_port(),
                    "admin.http.host-port": self._admin, "collector.grpc-server.host-port": free_port(),
                    "collector.http-server.host-port": free_port()}
        environment = {**os.environ, "SPAN_STORAGE_TYPE": "memory", "JAEGER_DISABLED": "true"}
        self.child = supervisor.start("jaeger", [os.path.join(programs, "jaeger-all-in-one"), "--collector.otlp.enabled=true",
                                                 *(f"--{flag}=127.0.0.1:{port}" for flag, port in loopback.items())], environment)

    def wait(self):
        until("Jaeger to be healthy", lambda: urllib.request.urlopen(f"http://127.0.0.1:{self._admin}/", timeout=2).status == 200, 60,
              logs=[self.child], needs=self.child)

    def trace(self, trace_id):
        """Returns the spans that Jaeger's API shows for a trace, [] when it knows none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._query}/api/traces/{trace_id}", timeout=5) as answer:
                return json.load(answer)["data"][0]["spans"]
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return []
            raise

    def services(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self._query}/api/services", timeout=5) as answer:
            return json.load(answer)["data"] or []


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
