#!/usr/bin/env python3
"""Check deploy/ without a cluster: what must be equal is equal, what must be there is there.

usage: tests/deploy/check_manifests.py [PROGRAM]      (PROGRAM: build/trace-controller, to compare its libraries with the image's)

What only an API server can say is in against_api_server.py.
"""
import os
import re
import shutil
import subprocess
import sys

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEPLOY = os.path.join(ROOT, "deploy")
problems = []


def expect(good, problem):
    if not good:
        problems.append(problem)


def documents(*path):
    with open(os.path.join(DEPLOY, *path), encoding="utf-8") as stream:
        return [document for document in yaml.safe_load_all(stream) if document]


def versions_of(crd):
    return {version["name"]: version for version in crd["spec"]["versions"]}


def same_schema(file, names, stored):
    """Every version of a definition has the same schema, and one of them is stored."""
    versions = versions_of(documents(*file)[0])
    expect(set(versions) == set(names), f"{file}: has the versions {sorted(versions)}, should have {names}")
    first = versions[names[0]]
    for name, version in versions.items():
        expect(version["served"], f"{file}: {name} is not served")
        expect(version["storage"] == (name == stored), f"{file}: {stored} alone is stored, {name} says {version['storage']}")
        for field in ("schema", "additionalPrinterColumns"):
            expect(version[field] == first[field], f"{file}: {field} of {name} differs from that of {names[0]}")


def described(schema, where):
    """Every field of a schema says what it is."""
    for name, field in schema.get("properties", {}).items():
        here = f"{where}.{name}"
        if here not in (".metadata",):
            expect(field.get("description"), f"deploy/crds: {here} has no description")
        described(field, here)
        if isinstance(field.get("items"), dict):
            described(field["items"], here + "[]")


def unknown_fields(value, schema, where):
    """Fields of a manifest that its schema does not have."""
    found = []
    if isinstance(value, dict) and "properties" in schema:
        for key, inner in value.items():
            if key not in schema["properties"]:
                found.append(f"{where}.{key}")
            elif key != "metadata":
                found += unknown_fields(inner, schema["properties"][key], f"{where}.{key}")
        found += [f"{where}.{key} is required" for key in schema.get("required", []) if key not in value]
    if isinstance(value, list):
        for number, inner in enumerate(value):
            found += unknown_fields(inner, schema.get("items", {}), f"{where}[{number}]")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where}: {value} is none of {schema['enum']}")
    return found


def examples(schemas, folder, text_of):
    count = 0
    for name in sorted(os.listdir(folder)):
        for text in text_of(os.path.join(folder, name)):
            for document in yaml.safe_load_all(text):
                if not document or document.get("kind") not in schemas:
                    continue
                count += 1
                version = document["apiVersion"].split("/")[1]
                served = schemas[document["kind"]]
                if version not in served:
                    problems.append(f"{name}: {document['kind']} is not served as {version}")
                    continue
                for field in unknown_fields(document, served[version]["schema"]["openAPIV3Schema"], ""):
                    problems.append(f"{name}: {document['kind']} {document['metadata']['name']}: {field}")
    return count


def whole(path):
    if path.endswith(".yaml"):
        with open(path, encoding="utf-8") as stream:
            yield stream.read()


def fenced(path):
    if path.endswith(".md"):
        with open(path, encoding="utf-8") as stream:
            yield from re.findall(r"^```yaml\n(.*?)^```", stream.read(), re.M | re.S)


def watched_kinds():
    """(group, kind, plural) of everything that kube/resources.cpp watches."""
    for name in ("resources.cpp", "resources.hpp"):
        path = os.path.join(ROOT, "kube", name)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as stream:
                text = stream.read()
            constants = dict(re.findall(r'constexpr std::string_view (\w+) = ("[^"]*")', text))
            rows = re.findall(r'\{\s*("[a-z.]*"|\w+),\s*"([A-Z][A-Za-z]+)",\s*"([a-z]+)"', text)
            if rows:
                return [(constants.get(group, group).strip('"'), kind, plural) for group, kind, plural in rows]
    return []


def least_privilege():
    roles = [d for d in documents("base", "rbac.yaml") if d["kind"] == "ClusterRole"]
    readable = set()
    for role in roles:
        for rule in role["rules"]:
            expect("*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"], f"rbac.yaml: a rule with a star: {rule}")
            expect("secrets" not in rule["resources"], "rbac.yaml: Secrets belong into rbac-secrets.yaml, which can be left out")
            writes = set(rule["verbs"]) - {"get", "list", "watch"}
            may_write = {"events": {"create"}, "traces/status": {"patch"}, "leases": {"create", "update", "patch"}}
            for resource in rule["resources"]:
                expect(writes <= may_write.get(resource, set()), f"rbac.yaml: {sorted(writes)} on {resource}")
                if {"get", "list", "watch"} <= set(rule["verbs"]):
                    readable |= {(group, resource) for group in rule["apiGroups"]}
    watched = {(group, plural) for group, _, plural in watched_kinds()}
    readable -= {(group, plural) for group, plural in readable if plural == "leases"}
    if watched:
        expect(readable == watched, f"rbac.yaml reads {sorted(readable - watched)} too much and {sorted(watched - readable)} too little "
                                    "against kube/resources")
    for component, reads in (("leader-election", "get"), ("shared-shards", "list")):
        for role in (d for d in documents("components", component, "rbac.yaml") if d["kind"] == "Role"):
            for rule in role["rules"]:
                expect(rule["resources"] == ["leases"] and set(rule["verbs"]) == {reads, "create", "update"}, f"{component}/rbac.yaml: {rule}")
    for role in (d for d in documents("base", "rbac-secrets.yaml") if d["kind"] == "ClusterRole"):
        for rule in role["rules"]:
            expect(rule["resources"] == ["secrets"] and rule["verbs"] == ["get"], f"rbac-secrets.yaml: {rule}")


def selectable_kinds():
    """A Trace may name exactly the kinds that are watched and that take changes."""
    source = documents("crds", "traces.yaml")[0]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["eventSources"]
    rule = next(r["rule"] for r in source["items"]["x-kubernetes-validations"] if r["rule"].startswith("self.kind in"))
    accepted = set(re.findall(r"'(\w+)'", rule))
    watched = {kind for _, kind, _ in watched_kinds()} - {"Event", "Alert", "Trace", "Provider"}
    expect(accepted == watched, f"traces.yaml accepts {sorted(accepted - watched)} too much and {sorted(watched - accepted)} too little "
                                "against kube/resources")


def deployment():
    pod = documents("base", "deployment.yaml")[0]["spec"]["template"]
    container = pod["spec"]["containers"][0]
    security = container["securityContext"]
    expect(pod["spec"]["securityContext"]["runAsNonRoot"], "deployment.yaml: runs as root")
    expect(pod["spec"]["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault", "deployment.yaml: no seccomp profile")
    expect(security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"], "deployment.yaml: may write or escalate")
    expect(security["capabilities"]["drop"] == ["ALL"], "deployment.yaml: keeps capabilities")
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    expect(ports == {"http-prom": 8080, "healthz": 9440}, f"deployment.yaml: ports {ports}")
    expect(container["args"][0] == "run", "deployment.yaml: does not run")
    for probe, path in (("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        expect(container[probe]["httpGet"] == {"path": path, "port": "healthz"}, f"deployment.yaml: {probe}")
    expect("requests" in container["resources"] and "limits" in container["resources"], "deployment.yaml: no resources")
    return container["args"]


def flags(program, arguments):
    """The program knows every flag that the Deployment gives it."""
    said = subprocess.run([program, "run", "--help"], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).stdout
    for argument in arguments[1:]:
        name = argument.split("=")[0]
        expect(name in said, f"deployment.yaml: the program has no flag {name}")


def kustomizations():
    """Every file that a kustomization names exists, and every manifest is named by one."""
    for folder, _, files in os.walk(DEPLOY):
        if "kustomization.yaml" not in files:
            continue
        kustomization = documents(os.path.relpath(os.path.join(folder, "kustomization.yaml"), DEPLOY))[0]
        named = kustomization.get("resources", []) + [p["path"] for p in kustomization.get("patches", []) if "path" in p]
        for entry in named:
            expect(os.path.exists(os.path.join(folder, entry)), f"{folder}: {entry} does not exist")
        for file in files:
            if file.endswith(".yaml") and file != "kustomization.yaml":
                expect(file in named, f"{folder}: kustomization.yaml does not name {file}")


def component_flags():
    """The arguments that a component adds to the Deployment."""
    found = []
    for folder, _, files in os.walk(DEPLOY):
        for file in files:
            if file.endswith(".yaml"):
                for document in documents(os.path.relpath(os.path.join(folder, file), DEPLOY)):
                    if isinstance(document, list):
                        found += [step["value"] for step in document if step["path"].endswith("/args/-")]
    return found


def image_libraries(program):
    """The image installs every package whose library the program loads."""
    if not shutil.which("dpkg-query") or not shutil.which("ldd"):
        return
    with open(os.path.join(DEPLOY, "Dockerfile"), encoding="utf-8") as stream:
        installed = set(re.findall(r"^  ([a-z0-9.+-]+) \\$", stream.read(), re.M))
    dynamic = subprocess.run(["readelf", "-d", program], check=True, text=True, stdout=subprocess.PIPE).stdout
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", dynamic))
    linked = dict(re.findall(r"^\s*(\S+) => (/\S+)", subprocess.run(["ldd", program], text=True, stdout=subprocess.PIPE, check=True).stdout, re.M))
    always = {"libc6", "libgcc-s1", "libstdc++6"}
    for library in needed:
        path = os.path.realpath(linked.get(library, library))
        for candidate in (path, path.replace("/usr/lib/", "/lib/")):
            owner = subprocess.run(["dpkg-query", "-S", candidate], text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
            if owner:
                package = owner.split(":")[0]
                expect(package in installed | always, f"Dockerfile: does not install {package}, which has {library}")
                break


def main():
    same_schema(("crds", "traces.yaml"), ["v1", "v1beta1"], "v1")
    same_schema(("crds-provider", "providers.yaml"), ["v1", "v1beta3", "v1beta2", "v1beta1"], "v1beta3")
    schemas = {}
    for file in (("crds", "traces.yaml"), ("crds-provider", "providers.yaml")):
        crd = documents(*file)[0]
        schemas[crd["spec"]["names"]["kind"]] = versions_of(crd)
        described(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], "")
    expect(examples(schemas, os.path.join(DEPLOY, "examples"), whole) >= 8, "deploy/examples: fewer manifests than there were")
    examples(schemas, os.path.join(ROOT, "docs"), fenced)
    examples(schemas, ROOT, fenced)
    least_privilege()
    selectable_kinds()
    arguments = deployment()
    kustomizations()
    program = sys.argv[1] if len(sys.argv) > 1 else None
    if program and os.access(program, os.X_OK):
        flags(program, arguments + component_flags())
        image_libraries(program)
    for problem in problems:
        print(problem)
    print(f"deploy/: {len(problems)} problems")
    sys.exit(1 if problems else 0)


main()
