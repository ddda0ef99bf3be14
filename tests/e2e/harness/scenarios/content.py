"""What the pretended Git repository holds, and the Flux objects that follow it."""

from ..workloads import HEALTH
from ..world import NAMESPACE, WORKLOADS

CHART, CHART_VERSION = "podless", "0.1.0"


def deployment(name, version, health=None):
    annotations = f"\n      annotations:\n        {HEALTH}: {health}" if health else ""
    return f"""apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: {WORKLOADS}
spec:
  replicas: 1
  selector:
    matchLabels:
      app: {name}
  template:
    metadata:
      labels:
        app: {name}{annotations}
    spec:
      containers:
        - name: main
          image: registry.k8s.io/pause:3.10
          env:
            - name: VERSION
              value: "{version}"
"""


HELM_REPOSITORY = f"""apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata:
  name: charts
  namespace: {NAMESPACE}
spec:
  interval: 1h
  url: http://127.0.0.1:9/charts
"""


def helm_release(version):
    return f"""apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata:
  name: frontend
  namespace: {NAMESPACE}
spec:
  interval: 1h
  timeout: 60s
  targetNamespace: {WORKLOADS}
  releaseName: frontend
  chart:
    spec:
      chart: {CHART}
      version: {CHART_VERSION}
      interval: 1h
      sourceRef:
        kind: HelmRepository
        name: charts
  values:
    version: "{version}"
"""


def add_charts(source):
    template = deployment("frontend", "{{ .Values.version }}").replace('"{{ .Values.version }}"', "{{ .Values.version | quote }}")
    source.add_chart(CHART, CHART_VERSION, {"deployment.yaml": template}, "version: unset\n")


def files(web, frontend, health=None):
    """The repository at one commit: the version of the plain Deployment, that of the HelmRelease's values, and whether it gets healthy."""
    return {
        "app/web.yaml": deployment("web", web, health),
        "app/settings.yaml": f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n  namespace: {WORKLOADS}\ndata:\n  web: \"{web}\"\n",
        "releases/repository.yaml": HELM_REPOSITORY,
        "releases/frontend.yaml": helm_release(frontend),
    }


def flux_objects(timeout):
    """The source and the two Kustomizations: `app` waits for its workloads, `releases` applies the HelmRelease."""
    def kustomization(name, path, **more):
        return {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": name, "namespace": NAMESPACE},
                "spec": {"interval": "1h", "retryInterval": "10s", "path": path, "prune": True,
                         "sourceRef": {"kind": "GitRepository", "name": "demo"}, **more}}

    return [
        {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": {"name": "demo", "namespace": NAMESPACE},
         "spec": {"interval": "1h", "url": "https://git.example.com/team/demo.git", "ref": {"branch": "main"}}},
        kustomization("app", "./app", wait=True, timeout=timeout),
        kustomization("releases", "./releases"),
    ]


def provider(name, url):
    return {"apiVersion": "notification.toolkit.fluxcd.io/v1", "kind": "Provider", "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"type": "otel", "address": url}}


def trace(name, provider_name):
    kinds = ("GitRepository", "OCIRepository", "Bucket", "HelmRepository", "HelmChart", "ExternalArtifact", "Kustomization", "HelmRelease")
    return {"apiVersion": "notification.toolkit.fluxcd.io/v1", "kind": "Trace", "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"providerRef": {"name": provider_name}, "settleAfter": "3s",
                     "eventSources": [{"kind": kind, "name": "*"} for kind in kinds]}}
