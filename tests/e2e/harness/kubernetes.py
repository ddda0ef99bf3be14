"""A small Kubernetes API client: just what the harness needs, with names of kinds instead of paths."""

import base64
import http.client
import json
import ssl
import time
import urllib.parse

import yaml

from .waiting import ANSWER, Refused

# kind -> (apiVersion, plural, namespaced)
KINDS = {
    "Namespace": ("v1", "namespaces", False),
    "ConfigMap": ("v1", "configmaps", True),
    "Secret": ("v1", "secrets", True),
    "Pod": ("v1", "pods", True),
    "Event": ("v1", "events", True),
    "ServiceAccount": ("v1", "serviceaccounts", True),
    "Service": ("v1", "services", True),
    "Deployment": ("apps/v1", "deployments", True),
    "ClusterRole": ("rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": ("rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
    "Role": ("rbac.authorization.k8s.io/v1", "roles", True),
    "RoleBinding": ("rbac.authorization.k8s.io/v1", "rolebindings", True),
    "NetworkPolicy": ("networking.k8s.io/v1", "networkpolicies", True),
    "CustomResourceDefinition": ("apiextensions.k8s.io/v1", "customresourcedefinitions", False),
    "GitRepository": ("source.toolkit.fluxcd.io/v1", "gitrepositories", True),
    "OCIRepository": ("source.toolkit.fluxcd.io/v1", "ocirepositories", True),
    "Bucket": ("source.toolkit.fluxcd.io/v1", "buckets", True),
    "ExternalArtifact": ("source.toolkit.fluxcd.io/v1", "externalartifacts", True),
    "ArtifactGenerator": ("source.extensions.fluxcd.io/v1beta1", "artifactgenerators", True),
    "ImageUpdateAutomation": ("image.toolkit.fluxcd.io/v1", "imageupdateautomations", True),
    "HelmRepository": ("source.toolkit.fluxcd.io/v1", "helmrepositories", True),
    "HelmChart": ("source.toolkit.fluxcd.io/v1", "helmcharts", True),
    "Kustomization": ("kustomize.toolkit.fluxcd.io/v1", "kustomizations", True),
    "HelmRelease": ("helm.toolkit.fluxcd.io/v2", "helmreleases", True),
    "Trace": ("notification.toolkit.fluxcd.io/v1", "traces", True),
    "Provider": ("notification.toolkit.fluxcd.io/v1", "providers", True),
}


class Client:
    """Talks to one API server with one bearer token."""

    def __init__(self, port, ca_file, token, timeout=ANSWER):
        self.port = port
        self._token = token
        self._timeout = timeout
        self._tls = ssl.create_default_context(cafile=ca_file)

    def request(self, method, path, body=None, content_type="application/json", query=None, accept="application/json"):
        """Returns the decoded JSON answer. Raises Refused for an HTTP error and OSError when there is no server.

        One that has too much to do, or has just been started, says so: it is asked again, as every client of an API server does.
        """
        deadline = time.monotonic() + ANSWER
        while True:
            try:
                return self._request(method, path, body, content_type, query, accept)
            except Refused as error:
                # 409: somebody else was faster with each of the API server's own attempts to patch.
                if time.monotonic() > deadline or not (error.status in (429, 503, 504) or (error.status == 409 and method == "PATCH")):
                    raise
            time.sleep(0.2)

    def _request(self, method, path, body, content_type, query, accept):
        if query:
            path += "?" + urllib.parse.urlencode(query)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=self._timeout, context=self._tls)
        try:
            headers = {"Authorization": "Bearer " + self._token, "Accept": accept}
            if body is not None:
                body = body if isinstance(body, (str, bytes)) else json.dumps(body)
                headers["Content-Type"] = content_type
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise Refused(answer.status, _message_of(text))
        try:
            return json.loads(text)
        except ValueError:
            return text  # "ok" of a health check, or several events of a watch

    def path(self, kind, namespace=None, name=None, subresource=None, api_version=None):
        default_version, plural, namespaced = KINDS[kind]
        version = api_version or default_version
        path = ("/apis/" if "/" in version else "/api/") + version
        if namespaced and namespace:
            path += "/namespaces/" + namespace
        path += "/" + plural
        if name:
            path += "/" + name
        return path + ("/" + subresource if subresource else "")

    def get(self, kind, namespace, name):
        return self.request("GET", self.path(kind, namespace, name))

    def find(self, kind, namespace, name):
        """Returns the object, or None when there is none."""
        try:
            return self.get(kind, namespace, name)
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def list(self, kind, namespace=None, **query):
        return self.request("GET", self.path(kind, namespace), query=query)

    def apply(self, manifest, manager="e2e"):
        """Server-side apply with strict field validation: a field that the schema does not know is an error, not a silent loss."""
        meta = manifest["metadata"]
        path = self.path(manifest["kind"], meta.get("namespace"), meta["name"], api_version=manifest["apiVersion"])
        query = {"fieldManager": manager, "force": "true", "fieldValidation": "Strict"}
        return self.request("PATCH", path, json.dumps(manifest), "application/apply-patch+yaml", query)

    def create(self, manifest):
        meta = manifest["metadata"]
        return self.request("POST", self.path(manifest["kind"], meta.get("namespace"), api_version=manifest["apiVersion"]), manifest,
                            query={"fieldValidation": "Strict"})

    def patch_status(self, kind, namespace, name, status, content_type="application/merge-patch+json"):
        return self.patch(kind, namespace, name, {"status": status}, "status", content_type)

    def patch(self, kind, namespace, name, body, subresource=None, content_type="application/merge-patch+json"):
        return self.request("PATCH", self.path(kind, namespace, name, subresource), body, content_type)

    def delete(self, kind, namespace, name):
        try:
            return self.request("DELETE", self.path(kind, namespace, name))
        except Refused as error:
            if error.status != 404:
                raise
            return None


def condition(obj, kind):
    """Returns the condition of that type, {} when there is none."""
    for entry in (obj or {}).get("status", {}).get("conditions") or []:
        if entry.get("type") == kind:
            return entry
    return {}


def manifests_of(path):
    """Returns the documents of a YAML file."""
    with open(path, encoding="utf-8") as stream:
        return [document for document in yaml.safe_load_all(stream) if document]


def kubeconfig(port, ca_file, token, path):
    """Writes a kubeconfig with a bearer token and the authority embedded. Returns the path."""
    with open(ca_file, "rb") as stream:
        authority = base64.b64encode(stream.read()).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "e2e", "cluster": {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": authority}}],
        "users": [{"name": "e2e", "user": {"token": token}}],
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "e2e"}}],
        "current-context": "e2e",
    }
    with open(path, "w", encoding="utf-8") as stream:
        yaml.safe_dump(config, stream)
    return path


def _message_of(text):
    try:
        return json.loads(text).get("message", text)
    except ValueError:
        return text
