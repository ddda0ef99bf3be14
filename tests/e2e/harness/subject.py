"""The program under test: its ServiceAccount and RBAC from deploy/base, and its subcommands."""

import os
import re
import urllib.error
import urllib.request

from .kubernetes import manifests_of
from .network import free_port
from .waiting import ANSWER, until

CLUSTER_SCOPED = ("ClusterRole", "ClusterRoleBinding", "Namespace", "CustomResourceDefinition")


def base_manifests(repository):
    """The objects of deploy/base as `kustomize build` would give them, as far as the base uses kustomize: resources and namespace."""
    base = os.path.join(repository, "deploy", "base")
    kustomization = manifests_of(os.path.join(base, "kustomization.yaml"))[0]
    namespace = kustomization.get("namespace")
    found = []
    for entry in kustomization.get("resources", []):
        path = os.path.normpath(os.path.join(base, entry))
        if os.path.isdir(path):
            inner = manifests_of(os.path.join(path, "kustomization.yaml"))[0]
            files = [os.path.join(path, file) for file in inner.get("resources", [])]
        else:
            files = [path]
        for file in files:
            found += manifests_of(file)
    for manifest in found:
        if namespace and manifest["kind"] not in CLUSTER_SCOPED:
            manifest["metadata"]["namespace"] = namespace
        for subject in manifest.get("subjects", []):
            if namespace and subject["kind"] == "ServiceAccount":
                subject["namespace"] = namespace
    return found


class Subject:
    """Runs build/trace-controller. `port` of a kubeconfig may be that of a proxy."""

    def __init__(self, binary, supervisor, work):
        self.binary, self._supervisor, self._work = binary, supervisor, work
        self.dead_letters = os.path.join(work, "dead-letters")
        self._started = 0
        self.child = None
        self.health = self.metrics_port = None

    def run(self, kubeconfig, *flags, name="trace-controller"):
        """Starts `run`. The caller waits for readiness."""
        self._started += 1
        self.health, self.metrics_port = free_port(), free_port()
        self.child = self._supervisor.start(name, [
            self.binary, "run", "--kubeconfig", kubeconfig, "--health-addr", f"127.0.0.1:{self.health}", "--metrics-addr",
            f"127.0.0.1:{self.metrics_port}", "--log-encoding", "json", "--cluster-name", "e2e",
            "--dead-letter-dir", self.dead_letters, "--shutdown-timeout", "60s", *flags])
        return self.child

    def wait_ready(self, seconds=60):
        until("trace-controller to answer /readyz with 200",
              lambda: urllib.request.urlopen(f"http://127.0.0.1:{self.health}/readyz", timeout=2).status == 200, seconds, logs=[self.child],
              needs=self.child)

    def healthz(self):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.health}/healthz", timeout=ANSWER).status
        except urllib.error.HTTPError as error:
            return error.code

    def metrics(self):
        """Returns {name with labels: value} of /metrics."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=ANSWER) as answer:
            text = answer.read().decode()
        return {match[1]: float(match[2]) for match in re.finditer(r"^([a-zA-Z_:][^\s]*(?:\{.*\})?) ([^\s#]+)$", text, re.M)}

    def metric(self, name):
        """The sum of one family over its labels."""
        family = "trace_controller_" + name
        return sum(value for series, value in self.metrics().items() if series == family or series.startswith(family + "{"))

    def start_other(self, name, *arguments):
        """Starts another subcommand beside, for example `record`."""
        return self._supervisor.start(name, [self.binary, *arguments])
