"""The real kustomize-controller and helm-controller, and the CRDs of Flux."""

import glob
import os
import urllib.request

from .kubernetes import condition, manifests_of
from .network import free_port
from .waiting import until


def install_crds(client, files):
    """Applies CustomResourceDefinitions and waits until the API server serves them."""
    manifests = [manifest for path in files for manifest in manifests_of(path)]
    for manifest in manifests:
        client.apply(manifest)
    for manifest in manifests:
        name, spec = manifest["metadata"]["name"], manifest["spec"]
        until(f"CRD {name} to be established",
              lambda n=name: condition(client.get("CustomResourceDefinition", None, n), "Established").get("status") == "True", 60)
        # Discovery comes a moment later, and a controller that starts in between gives up.
        for version in (version["name"] for version in spec["versions"] if version["served"]):
            until(f"discovery to list {spec['names']['plural']} {version}", lambda s=spec, v=version: _discovered(client, s, v), 60)


def _discovered(client, spec, version):
    """Whether both ways of discovery know the resource: that of the group version, and the aggregated one that new clients ask."""
    plural, group = spec["names"]["plural"], spec["group"]
    listed = client.request("GET", f"/apis/{group}/{version}")["resources"]
    aggregated = client.request("GET", "/apis", accept="application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
    found = [resource["resource"] for item in aggregated["items"] if item["metadata"]["name"] == group
             for served in item["versions"] if served["version"] == version for resource in served["resources"]]
    return plural in found and any(resource["name"] == plural for resource in listed)


def flux_crds(programs):
    """Those of the controllers that run, and of the two that the stand-ins play."""
    played = os.path.join(os.path.dirname(os.path.abspath(__file__)), "crds")
    return sorted(glob.glob(os.path.join(programs, "crds", "*.yaml"))) + sorted(glob.glob(os.path.join(played, "*.yaml")))


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
            "--watch-all-namespaces=true", "--interval-jitter-percentage=0", "--feature-gates=ExternalArtifact=true"], environment)
        self.children[name] = child
        until(f"{name} to be ready", lambda: urllib.request.urlopen(f"http://127.0.0.1:{health}/readyz", timeout=2).status == 200, 60,
              logs=[child], needs=child)
        return child
