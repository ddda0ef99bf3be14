"""The real kustomize-controller and helm-controller, and the CRDs of Flux."""

import glob
import os
import urllib.request

from .kubernetes import condition, manifests_of
from .network import free_port
from .waiting import until


def install_crds(client, files):
    """Applies CustomResourceDefinitions and waits until the API server serves them."""
    names = []
    for path in files:
        for manifest in manifests_of(path):
            client.apply(manifest)
            names.append(manifest["metadata"]["name"])
    for name in names:
        until(f"CRD {name} to be established",
              lambda n=name: condition(client.get("CustomResourceDefinition", None, n), "Established").get("status") == "True", 60)
    return names


def flux_crds(programs):
    return sorted(glob.glob(os.path.join(programs, "crds", "*.yaml")))


class Controllers:
    """Started with short delays, so that a failed attempt is retried within seconds."""

    def __init__(self, supervisor, programs, work, kubeconfig, events_url):
        self._supervisor, self._programs, self._work = supervisor, programs, work
        self._kubeconfig, self._events_url = kubeconfig, events_url
        self.children = {}

    def start(self, name):
        health, metrics = free_port(), free_port()
        scratch = os.path.join(self._work, name)
        os.makedirs(scratch, exist_ok=True)
        environment = {**os.environ, "KUBECONFIG": self._kubeconfig, "HOME": scratch, "TMPDIR": scratch, "RUNTIME_NAMESPACE": "flux-system"}
        child = self._supervisor.start(name, [
            os.path.join(self._programs, name), f"--events-addr={self._events_url}", f"--health-addr=127.0.0.1:{health}",
            f"--metrics-addr=127.0.0.1:{metrics}", "--log-level=debug", "--log-encoding=json", "--requeue-dependency=2s",
            "--watch-all-namespaces=true", "--interval-jitter-percentage=0"], environment)
        self.children[name] = child
        until(f"{name} to be healthy", lambda: urllib.request.urlopen(f"http://127.0.0.1:{health}/readyz", timeout=2).status == 200, 60,
              logs=[child])
        return child
