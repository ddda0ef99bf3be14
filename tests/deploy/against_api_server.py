#!/usr/bin/env python3
"""Apply the definitions, the base and the examples to a real API server, and have it refuse what is wrong.

usage: tests/deploy/against_api_server.py [PROGRAMS]

PROGRAMS is the folder with etcd and kube-apiserver; left out, it is the one that tests/e2e/build-tools fills. Uses the
control plane of tests/e2e/harness. The last line is "N passed, M failed".
"""
import copy
import http.client
import json
import os
import subprocess
import sys
import tempfile

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
sys.dont_write_bytecode = True

from harness import kubernetes  # noqa: E402
from harness.control_plane import ControlPlane  # noqa: E402
from harness.processes import Supervisor  # noqa: E402
from harness.subject import base_manifests  # noqa: E402
from harness.waiting import Refused, until  # noqa: E402

GROUP = "notification.toolkit.fluxcd.io"
counts = {True: 0, False: 0}


def check(what, good, seen=""):
    counts[bool(good)] += 1
    print(("PASS  " if good else "FAIL  ") + what + ("" if good else f"\n      saw: {seen}"), flush=True)


def documents(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as stream:
        return [document for document in yaml.safe_load_all(stream) if document]


def wait_served(client, plural, versions):
    def served():
        for version in versions:
            client.request("GET", f"/apis/{GROUP}/{version}/{plural}")
        return True
    until(f"{plural} to be served as {', '.join(versions)}", served, 30)


def json_patch(client, name, patch):
    path = client.path("CustomResourceDefinition", None, name)
    return client.request("PATCH", path, json.dumps(patch), "application/json-patch+json")


def good_trace():
    return {
        "apiVersion": GROUP + "/v1", "kind": "Trace", "metadata": {"name": "wrong", "namespace": "default"},
        "spec": {"providerRef": {"name": "jaeger"}, "eventSources": [{"kind": "Kustomization", "name": "apps"}]}}


def definitions(client):
    for document in documents("deploy", "crds", "traces.yaml") + documents("deploy", "crds-provider", "providers.yaml"):
        client.apply(document)
        check(f"{document['metadata']['name']} is accepted", True)
    wait_served(client, "traces", ["v1", "v1beta1"])
    wait_served(client, "providers", ["v1", "v1beta3", "v1beta2", "v1beta1"])
    for name in ("traces", "providers"):
        crd = client.get("CustomResourceDefinition", None, f"{name}.{GROUP}")
        conditions = {c["type"]: c for c in crd["status"]["conditions"]}
        check(f"{name}: the schema is structural", "NonStructuralSchema" not in conditions, conditions)


def examples(client):
    for name in sorted(os.listdir(os.path.join(ROOT, "deploy", "examples"))):
        if not name.endswith(".yaml"):
            continue
        for document in documents("deploy", "examples", name):
            try:
                client.apply(document, manager="example-" + name)
                check(f"{name}: {document['kind']} {document['metadata']['name']} is accepted", True)
            except Refused as error:
                check(f"{name}: {document['kind']} {document['metadata']['name']} is accepted", False, error)
    trace = client.get("Trace", "default", "webapp")
    spec = trace["spec"]
    check("defaults are filled in", (spec["export"], spec["settleAfter"], spec["timeout"], spec["scope"], spec["suspend"], spec["sampling"])
          == ("OnSettle", "10s", "30m", "Change", False, {"ratio": 1, "keepErrors": False, "keepChanged": False}), spec)
    old = client.request("GET", client.path("Trace", "default", "webapp", api_version=GROUP + "/v1beta1"))
    check("v1beta1 shows the same spec", old["spec"] == spec, old["spec"])
    with_groups = good_trace()
    with_groups["metadata"]["name"] = "with-groups"
    with_groups["spec"]["eventSources"] = [
        {"apiVersion": version, "kind": kind, "name": "*"} for version, kind in (
            ("source.toolkit.fluxcd.io/v1", "GitRepository"), ("source.toolkit.fluxcd.io/v1beta2", "OCIRepository"),
            ("source.extensions.fluxcd.io/v1beta1", "ArtifactGenerator"), ("kustomize.toolkit.fluxcd.io/v1", "Kustomization"),
            ("helm.toolkit.fluxcd.io/v2", "HelmRelease"), ("image.toolkit.fluxcd.io/v1", "ImageUpdateAutomation"), ("apps/v1", "StatefulSet"))]
    try:
        client.create(with_groups)
        check("every kind is accepted with its apiVersion", True)
    except Refused as error:
        check("every kind is accepted with its apiVersion", False, error)


def refusals(client):
    for case in documents("tests", "deploy", "refused-traces.yaml")[0]:
        trace = copy.deepcopy(good_trace())
        trace["spec"].update(case["spec"])
        trace["spec"] = {key: value for key, value in trace["spec"].items() if value is not None}
        try:
            client.create(trace)
            client.delete("Trace", "default", "wrong")
            check(f"refused: {case['what']}", False, "it was accepted")
        except Refused as error:
            missing = [text for text in case["says"] if text not in str(error)]
            check(f"refused: {case['what']}", not missing, f"{error}; without {missing}")
            print("        " + str(error).splitlines()[0][:300])
    for what, spec, says in (
            ("a Provider of an unknown type", {"type": "tempo", "address": "http://x"}, "Unsupported value"),
            ("a Provider for traces without an address", {"type": "jaeger"}, "needs an address")):
        try:
            client.create({"apiVersion": GROUP + "/v1", "kind": "Provider", "metadata": {"name": "wrong", "namespace": "default"}, "spec": spec})
            check("refused: " + what, False, "it was accepted")
        except Refused as error:
            check("refused: " + what, says in str(error), error)


def status(client):
    client.patch_status("Trace", "default", "webapp", {
        "observedGeneration": 1, "activeChanges": 1, "exportedChanges": 2, "sampledChanges": 0, "droppedChanges": 0,
        "lastExportedTrace": {"traceID": "0" * 31 + "1", "changeKey": "sha1:" + "a" * 40, "revision": "main@sha1:" + "a" * 40,
                              "time": "2026-01-02T03:04:05Z"},
        "exportedUntil": "2026-01-02T03:04:05Z", "deliveredSpans": [{"traceID": "0" * 31 + "1", "spans": "APBnqgupArc="}],
        "conditions": [{"type": "Ready", "status": "True", "observedGeneration": 1, "reason": "Succeeded", "message": "tracing",
                        "lastTransitionTime": "2026-01-02T03:04:05Z"}]})
    trace = client.get("Trace", "default", "webapp")
    check("the status keeps every field", len(trace["status"]) == 9 and len(trace["status"]["lastExportedTrace"]) == 4, trace["status"])
    path = client.path("Trace", "default", "webapp") + "/status"
    for uid, what in ((trace["metadata"]["uid"], "taken for the Trace"), ("00000000-0000-0000-0000-000000000000", "refused for another UID")):
        patch = [{"op": "test", "path": "/metadata/uid", "value": uid}, {"op": "add", "path": "/status/activeChanges", "value": 9}]
        try:
            client.request("PATCH", path, json.dumps(patch), "application/json-patch+json")
            outcome = "taken for the Trace"
        except Refused as error:
            outcome = "refused for another UID" if "422" in str(error) else str(error)
        check(f"a status patch is {what}", outcome == what, outcome)
    fresh = good_trace()
    fresh["metadata"]["name"] = "fresh"
    client.create(fresh)
    patch = [{"op": "add", "path": "/status/activeChanges", "value": 1}]
    client.request("PATCH", client.path("Trace", "default", "fresh") + "/status", json.dumps(patch), "application/json-patch+json")
    check("a Trace without a status takes one", client.get("Trace", "default", "fresh")["status"] == {"observedGeneration": -1, "activeChanges": 1},
          client.get("Trace", "default", "fresh")["status"])
    check("a status patch leaves the generation alone", trace["metadata"]["generation"] == 1, trace["metadata"])
    table = client_table(client, "traces")
    check("kubectl shows Age, Ready, Status, Last Trace", table["columns"] == ["Name", "Age", "Ready", "Status", "Last Trace"], table["columns"])
    row = next(row for row in table["rows"] if row[0] == "webapp")
    check("with their values", row[2:] == ["True", "tracing", "0" * 31 + "1"], row)
    names = client.request("GET", f"/apis/{GROUP}/v1")["resources"]
    categories = next(r for r in names if r["name"] == "traces")["categories"]
    check("the categories are Flux's", categories == ["all", "fluxcd", "fluxcd-notifications"], categories)


def client_table(client, plural):
    connection = http.client.HTTPSConnection("127.0.0.1", client.port, timeout=10, context=client._tls)
    connection.request("GET", f"/apis/{GROUP}/v1/namespaces/default/{plural}",
                       headers={"Authorization": "Bearer " + client._token, "Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"})
    table = json.loads(connection.getresponse().read())
    connection.close()
    return {"columns": [c["name"] for c in table["columnDefinitions"]], "rows": [r["cells"] for r in table["rows"]]}


def base(client):
    for manifest in base_manifests(ROOT):
        what = f"deploy/base: {manifest['kind']} {manifest['metadata']['name']} is accepted"
        try:
            client.apply(manifest)
            check(what, True)
        except Refused as error:
            check(what, False, error)
    allowed = [
        (True, "list", "source.toolkit.fluxcd.io", "gitrepositories", ""), (True, "watch", "apps", "daemonsets", ""),
        (True, "watch", "", "events", ""), (True, "create", "", "events", ""), (True, "patch", GROUP, "traces", "status"),
        (True, "get", "", "secrets", ""), (False, "list", "", "secrets", ""), (False, "watch", "", "secrets", ""),
        (False, "update", GROUP, "traces", ""), (False, "delete", GROUP, "traces", ""), (False, "patch", "apps", "deployments", ""),
        (False, "list", "", "pods", ""), (False, "list", "", "configmaps", ""), (False, "create", "apps", "deployments", "")]
    for want, verb, group, resource, subresource in allowed:
        review = client.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"user": "system:serviceaccount:flux-system:trace-controller", "resourceAttributes": {
                "verb": verb, "group": group, "resource": resource, "subresource": subresource, "namespace": "default"}}})
        check(f"the ServiceAccount {'may' if want else 'may not'} {verb} {resource}{'/' * bool(subresource)}{subresource}",
              review["status"].get("allowed", False) == want, review["status"])


def flux_provider(client):
    """deploy/provider-types against the shape of Flux's own definition."""
    name = "providers." + GROUP
    client.delete("CustomResourceDefinition", None, name)
    until("the Provider definition to be gone", lambda: client.find("CustomResourceDefinition", None, name) is None, 30)
    stand_in = documents("deploy", "crds-provider", "providers.yaml")[0]
    stand_in["spec"]["versions"] = [v for v in stand_in["spec"]["versions"] if v["name"] == "v1beta3"]
    kinds = stand_in["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["type"]
    kinds["enum"] = [kind for kind in kinds["enum"] if kind not in ("otlp", "jaeger", "zipkin")]
    real = os.environ.get("FLUX_PROVIDER_CRD")  # the file of notification-controller, where there is one
    client.apply(kubernetes.manifests_of(real)[0] if real else stand_in)
    wait_served(client, "providers", ["v1beta3"])
    patch = documents("deploy", "provider-types", "provider-types.yaml")[0]
    crd = json_patch(client, name, patch)
    check("the patch is accepted", [v["name"] for v in crd["spec"]["versions"]] == ["v1beta3", "v1", "v1beta1"], crd["spec"]["versions"])
    wait_served(client, "providers", ["v1", "v1beta1", "v1beta3"])
    for file in ("proposal-v1beta1.yaml", "proposal-v1.yaml"):
        for document in documents("deploy", "examples", file):
            try:
                until("the new schema to be in force", lambda d=document: client.apply(d, manager="patched"), 20)
                check(f"{file}: {document['kind']} is accepted beside Flux's definition", True)
            except Exception as error:  # noqa: BLE001
                check(f"{file}: {document['kind']} is accepted beside Flux's definition", False, error)
    try:
        json_patch(client, name, [{"op": "test", "path": "/spec/versions/0/name", "value": "v1beta1"}])
        check("the patch's test fails on another definition", False, "it passed")
    except Refused:
        check("the patch's test fails on another definition", True)


def main():
    if len(sys.argv) > 1:
        programs = sys.argv[1]
    else:
        programs = subprocess.run([os.path.join(ROOT, "tests", "e2e", "build-tools"), "--print-dir"], check=True, text=True,
                                  stdout=subprocess.PIPE).stdout.strip()
    if not all(os.access(os.path.join(programs, name), os.X_OK) for name in ("etcd", "kube-apiserver")):
        print(f"no etcd and kube-apiserver in {programs}: tests/e2e/build-tools builds them")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    with tempfile.TemporaryDirectory(prefix="trace-controller-deploy-") as work:
        supervisor = Supervisor(work)
        try:
            plane = ControlPlane(supervisor, programs, work)
            plane.start()
            client = plane.admin()
            for namespace in ("default", "flux-system"):
                client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
            for part in (definitions, examples, refusals, status, base, flux_provider):
                print("== " + part.__name__, flush=True)
                part(client)
        finally:
            supervisor.stop_all()
    print(f"{counts[True]} passed, {counts[False]} failed")
    return 1 if counts[False] else 0


sys.exit(main())
