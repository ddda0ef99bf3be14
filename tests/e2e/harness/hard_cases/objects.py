"""The Flux objects and the chart of the hard cases. Everything of a case, its workloads too, is in the case's own namespace."""

import yaml

from ..workloads import HEALTH

CHART = "hard"
KINDS = ("GitRepository", "OCIRepository", "Bucket", "HelmRepository", "HelmChart", "ExternalArtifact", "ArtifactGenerator", "ImageUpdateAutomation",
         "Kustomization", "HelmRelease")


def text(*manifests):
    return yaml.safe_dump_all(manifests, sort_keys=False)


def provider(namespace, url):
    return {"apiVersion": "notification.toolkit.fluxcd.io/v1", "kind": "Provider", "metadata": {"name": "collector", "namespace": namespace},
            "spec": {"type": "otel", "address": url}}


def trace(namespace, kinds=KINDS):
    return {"apiVersion": "notification.toolkit.fluxcd.io/v1", "kind": "Trace", "metadata": {"name": "all", "namespace": namespace},
            "spec": {"providerRef": {"name": "collector"}, "settleAfter": "5s", "eventSources": [{"kind": kind, "name": "*"} for kind in kinds]}}


def git_repository(namespace, name="demo", **ref):
    return {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": {"name": name, "namespace": namespace},
            "spec": {"interval": "1h", "url": f"https://git.example.com/team/{name}.git", "ref": ref or {"branch": "main"}}}


def oci_repository(namespace, name, url):
    return {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "OCIRepository", "metadata": {"name": name, "namespace": namespace},
            "spec": {"interval": "1h", "url": url, "ref": {"tag": "latest"}}}


def artifact_generator(namespace, name, sources, artifact, origin):
    """Copies everything of its sources, {alias: name of a GitRepository}, into one ExternalArtifact."""
    return {"apiVersion": "source.extensions.fluxcd.io/v1beta1", "kind": "ArtifactGenerator", "metadata": {"name": name, "namespace": namespace},
            "spec": {"sources": [{"alias": alias, "kind": "GitRepository", "name": of} for alias, of in sources.items()], "artifacts": [
                {"name": artifact, "originRevision": f"@{origin}",
                 "copy": [{"from": f"@{alias}/**", "to": f"@artifact/{alias}/"} for alias in sources]}]}}


def image_update_automation(namespace, name, source="demo"):
    return {"apiVersion": "image.toolkit.fluxcd.io/v1", "kind": "ImageUpdateAutomation", "metadata": {"name": name, "namespace": namespace},
            "spec": {"interval": "1h", "sourceRef": {"kind": "GitRepository", "name": source}, "update": {"strategy": "Setters", "path": "./app"},
                     "git": {"checkout": {"ref": {"branch": "main"}}, "commit": {"author": {"email": "flux@example.com", "name": "flux"}}}}}


def bucket(namespace, name):
    return {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "Bucket", "metadata": {"name": name, "namespace": namespace},
            "spec": {"interval": "1h", "endpoint": "minio.example.com", "bucketName": "manifests"}}


def kustomization(namespace, name, path, source="demo", kind="GitRepository", **more):
    return {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": name, "namespace": namespace},
            "spec": {"interval": "1h", "retryInterval": "4s", "timeout": "60s", "path": path, "prune": True,
                     "sourceRef": {"kind": kind, "name": source}, **more}}


def config_map(namespace, name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def deployment(namespace, name, version, health=None):
    annotations = {"annotations": {HEALTH: health}} if health else {}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": {
                "metadata": {"labels": {"app": name}, **annotations},
                "spec": {"containers": [{"name": "main", "image": "registry.k8s.io/pause:3.10", "env": [{"name": "VERSION", "value": version}]}]}}}}


def helm_repository(namespace):
    return {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "HelmRepository", "metadata": {"name": "charts", "namespace": namespace},
            "spec": {"interval": "1h", "url": "http://127.0.0.1:9/charts"}}


def helm_release(namespace, name, values, chart=None, **more):
    """A release of the chart of this file, from the HelmRepository unless `chart` says otherwise."""
    chart = chart or {"chart": CHART, "version": "0.1.0", "interval": "1h", "sourceRef": {"kind": "HelmRepository", "name": "charts"}}
    return {"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": {"name": name, "namespace": namespace},
            "spec": {"interval": "1h", "timeout": "30s", "releaseName": name, "chart": {"spec": chart}, "values": values, **more}}


_DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: 1
  selector:
    matchLabels:
      app: {{ .Release.Name }}
  template:
    metadata:
      labels:
        app: {{ .Release.Name }}
      annotations:
        HEALTH: {{ .Values.health | quote }}
    spec:
      containers:
        - name: main
          image: registry.k8s.io/pause:3.10
          env:
            - name: VERSION
              value: {{ .Values.version | quote }}
""".replace("HEALTH", HEALTH)

_TEST = """{{- if .Values.test }}
apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}-test
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation
    HEALTH: {{ .Values.test | quote }}
spec:
  restartPolicy: Never
  containers:
    - name: main
      image: registry.k8s.io/pause:3.10
{{- end }}
""".replace("HEALTH", HEALTH)

TEMPLATES = {"deployment.yaml": _DEPLOYMENT, "test.yaml": _TEST}
VALUES = "version: unset\nhealth: good\ntest: \"\"\n"


def chart_files(folder, version, default):
    """The chart as files of a repository; `default` is the value that only a new version of the chart changes."""
    return {f"{folder}/Chart.yaml": f"apiVersion: v2\nname: {CHART}\nversion: {version}\nappVersion: {version}\n",
            f"{folder}/values.yaml": f"version: \"{default}\"\nhealth: good\ntest: \"\"\n",
            **{f"{folder}/templates/{path}": template for path, template in TEMPLATES.items()}}
