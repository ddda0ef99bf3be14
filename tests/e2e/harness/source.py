"""The stand-in source: plays source-controller, which cannot be built here.

It packs manifests and charts into tarballs, serves them over loopback HTTP, and does to the objects what source-controller does, in
its order: the Reconciling condition, the event (core/v1 and HTTP post), then the artifact. kustomize-controller and helm-controller
cannot tell the difference.
"""

import datetime
import gzip
import hashlib
import http.server
import io
import json
import os
import tarfile
import threading
import time
import urllib.request

import yaml

from .network import serve
from .waiting import ANSWER, Refused


def utc(seconds=None):
    return datetime.datetime.fromtimestamp(seconds or time.time(), datetime.timezone.utc)


def stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def tarball(files):
    """A deterministic .tar.gz of {path: text}."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for path in sorted(files):
            entry = tarfile.TarInfo(path)
            data = files[path].encode()
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="w", mtime=0) as stream:
        stream.write(raw.getvalue())
    return packed.getvalue()


class Commit:
    """One commit of the pretended Git repository."""

    def __init__(self, sha, revision, key, message, at):
        self.sha, self.revision, self.key, self.message, self.at = sha, revision, key, message, at
        # The trace ID that the design derives from the change key, computed here independently of the program.
        self.trace_id = hashlib.sha256(key.encode()).hexdigest()[:32]

    def __repr__(self):
        return f"{self.sha[:8]} ({self.message})"


class StandInSource:
    def __init__(self, client, posts_url):
        self._client = client
        self._posts_url = posts_url
        self._blobs = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        blobs = self._blobs

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                data = blobs.get(self.path.lstrip("/"))
                self.send_response(200 if data is not None else 404)
                self.send_header("Content-Length", str(len(data or b"")))
                self.end_headers()
                self.wfile.write(data or b"")

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        self._server, self.port = serve(Handler)
        self._repositories = {}  # (namespace, name) -> sha of the latest commit
        self._contents = {}  # (kind, namespace, name) -> (revision, files) of what it has fetched
        self._images = {}  # OCI URL -> (revision, bytes) of what was pushed there last
        self._charts = {}  # chart name -> {version: bytes}
        self._chart_thread = None

    # --- Git ---------------------------------------------------------------------------------------------------------

    def commit(self, namespace, name, files, message, patience=60.0, ref="main"):
        """Lets the GitRepository namespace/name fetch a new commit with these files. Returns the Commit.

        The object must exist. An API server that is away is waited for, as source-controller would retry.
        """
        at = utc()
        parent = self._repositories.get((namespace, name), "")
        sha = hashlib.sha1(json.dumps([namespace, parent, files, message, at.isoformat()], sort_keys=True).encode()).hexdigest()
        commit = Commit(sha, f"{ref}@sha1:{sha}", f"sha1:{sha}", message, at)
        self.fetch(namespace, name, commit, files, patience)
        return commit

    def fetch(self, namespace, name, commit, files, patience=60.0):
        """Lets the GitRepository namespace/name fetch this commit, which another one may have fetched before."""
        data, path = tarball(files), f"gitrepository/{namespace}/{name}/{commit.sha}.tar.gz"
        self._blobs[path] = data
        self._publish("GitRepository", namespace, name, path, commit.revision, data, f"stored artifact for revision '{commit.revision}'",
                      "NewArtifact", "Succeeded", f"new upstream revision '{commit.revision}'", "NewRevision",
                      f"stored artifact for commit '{commit.message.splitlines()[0][:50]}'", {}, patience)
        self._repositories[(namespace, name)] = commit.sha
        self._contents[("GitRepository", namespace, name)] = (commit.revision, files)

    # --- other sources -----------------------------------------------------------------------------------------------

    def fill_bucket(self, namespace, name, files, patience=60.0):
        """Lets the Bucket namespace/name fetch these files. Returns what it fetched, as a Commit whose hash is that of the content."""
        digest = hashlib.sha256(json.dumps([namespace, files], sort_keys=True).encode()).hexdigest()
        revision, data, path = f"sha256:{digest}", tarball(files), f"bucket/{namespace}/{name}/{digest}.tar.gz"
        self._blobs[path] = data
        message = f"stored artifact with {len(files)} fetched files from 'manifests' bucket"
        self._publish("Bucket", namespace, name, path, revision, data, f"stored artifact: revision '{revision}'", "NewArtifact", "Succeeded",
                      f"new upstream revision '{revision}'", "NewRevision", message, {}, patience)
        self._contents[("Bucket", namespace, name)] = (revision, files)
        return Commit(digest, revision, revision, message, utc())

    # --- OCI artifacts: fetched by whichever OCIRepository names the URL, as soon as it appears -----------------------

    def push_image(self, url, files, tag="latest"):
        """Pushes these files to a registry under a new digest. Returns them as a Commit, whose key is that of an artifact without an origin."""
        digest = hashlib.sha256(json.dumps([url, files, utc().isoformat()], sort_keys=True).encode()).hexdigest()
        self._images[url] = (f"{tag}@sha256:{digest}", tarball(files))
        return Commit(digest, f"{tag}@sha256:{digest}", f"sha256:{digest}", f"push of {url}", utc())

    def _fetch_image(self, repository):
        meta, url = repository["metadata"], repository["spec"]["url"]
        if url not in self._images:
            return
        revision, data = self._images[url]
        if repository.get("status", {}).get("artifact", {}).get("revision") == revision:
            return
        path = f"ocirepository/{meta['namespace']}/{meta['name']}/{revision.rpartition(':')[2]}.tar.gz"
        self._blobs[path] = data
        stored = f"stored artifact for digest '{revision}'"
        self._publish("OCIRepository", meta["namespace"], meta["name"], path, revision, data, stored, "NewArtifact", "Succeeded",
                      f"new revision '{revision}' for '{url}'", "NewRevision", f"stored artifact with revision '{revision}' from '{url}'", {}, 5.0)

    # --- source-watcher ------------------------------------------------------------------------------------------------

    def generate(self, namespace, generator, name, files, origin=None):
        """Lets the ArtifactGenerator make the ExternalArtifact `name` of these files, as source-watcher does: the object, its artifact, then
        the generator's own status and event. `origin` is the Commit that spec.artifacts[].originRevision names. Returns the revision."""
        source = self._client.get("ArtifactGenerator", namespace, generator)
        data = tarball(files)
        content = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
        digest, revision = "sha256:" + hashlib.sha256(data).hexdigest(), f"latest@sha256:{content}"
        path = f"externalartifact/{namespace}/{name}/{content}.tar.gz"
        self._blobs[path] = data
        made = {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "ExternalArtifact", "metadata": {
            "name": name, "namespace": namespace, "labels": {"source.extensions.fluxcd.io/generator": source["metadata"]["uid"]}},
            "spec": {"sourceRef": {"apiVersion": source["apiVersion"], "kind": source["kind"], "name": generator, "namespace": namespace}}}
        made = self._client.apply(made, "source-watcher")
        artifact = self._artifact(digest, path, revision, data)
        if origin:
            artifact["metadata"] = {"org.opencontainers.image.revision": origin.revision}
        ready = {"type": "Ready", "status": "True", "reason": "Succeeded", "message": "Artifact is ready", "lastTransitionTime": stamp(utc()),
                 "observedGeneration": made["metadata"]["generation"]}
        self._client.patch_status("ExternalArtifact", namespace, name, {"artifact": artifact, "conditions": [ready]})
        told = f"external artifacts reconciled: {namespace}/{name} ({digest})"
        self._event(source, "Ready", told, {}, "source-watcher")
        self._client.patch_status("ArtifactGenerator", namespace, generator, {
            "inventory": [{"name": name, "namespace": namespace, "digest": digest, "filename": f"{content}.tar.gz"}],
            "observedSourcesDigest": "sha256:" + hashlib.sha256(revision.encode()).hexdigest(),
            "conditions": [{**ready, "message": "reconciliation succeeded, generated 1 artifact(s)", "observedGeneration": source["metadata"]["generation"]}]})
        return revision

    # --- image-automation-controller -----------------------------------------------------------------------------------

    def commit_by_automation(self, namespace, automation, name, files, message, fetched_first=False):
        """Lets the ImageUpdateAutomation push a commit, and the GitRepository fetch it: before or after the automation's status tells of it."""
        if fetched_first:
            commit = self.commit(namespace, name, files, message)
            self._tell_of_push(namespace, automation, commit, commit.at)
            return commit
        at = utc()
        sha = hashlib.sha1(json.dumps([namespace, automation, files, message, at.isoformat()], sort_keys=True).encode()).hexdigest()
        commit = Commit(sha, f"main@sha1:{sha}", f"sha1:{sha}", message, at)
        self._tell_of_push(namespace, automation, commit, at)
        self.fetch(namespace, name, commit, files)
        return commit

    def _tell_of_push(self, namespace, automation, commit, at):
        current = self._client.get("ImageUpdateAutomation", namespace, automation)
        now, generation = stamp(utc()), current["metadata"]["generation"]
        self._client.patch_status("ImageUpdateAutomation", namespace, automation, {
            "lastAutomationRunTime": now, "lastPushCommit": commit.sha, "lastPushTime": stamp(at), "observedGeneration": generation,
            "observedSourceRevision": commit.revision, "conditions": [
                {"type": "Ready", "status": "True", "reason": "Succeeded", "message": "repository up-to-date", "lastTransitionTime": now,
                 "observedGeneration": generation}]})
        self._event(current, "Succeeded", f"pushed commit '{commit.sha[:7]}' to branch 'main'\n{commit.message}", {}, "image-automation-controller")

    # --- charts ------------------------------------------------------------------------------------------------------

    def add_chart(self, name, version, templates, values):
        """Makes a chart version available in every HelmRepository."""
        files = {f"{name}/Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: {version}\nappVersion: {version}\n",
                 f"{name}/values.yaml": values}
        files.update({f"{name}/templates/{path}": text for path, text in templates.items()})
        self._charts.setdefault(name, {})[version] = tarball(files)

    def serve_charts(self):
        """From now on answers each HelmRepository, HelmChart and OCIRepository that appears or changes, until closed."""
        self._chart_thread = threading.Thread(target=self._follow_charts, daemon=True)
        self._chart_thread.start()

    def _follow_charts(self):
        while not self._stop.wait(0.2):
            try:
                for repository in self._client.list("HelmRepository")["items"]:
                    if not repository.get("status", {}).get("artifact"):
                        self._publish_index(repository)
                for repository in self._client.list("OCIRepository")["items"]:
                    self._fetch_image({"kind": "OCIRepository", **repository})
                for chart in self._client.list("HelmChart")["items"]:
                    if self._is_behind(chart):
                        self._publish_chart(chart)
            except (OSError, Refused, ValueError):
                pass  # the API server is away: the next round sees the same

    def _publish_index(self, repository):
        meta = repository["metadata"]
        data = json.dumps({"apiVersion": "v1", "entries": {name: sorted(versions) for name, versions in self._charts.items()}}).encode()
        digest = hashlib.sha256(data).hexdigest()
        path = f"helmrepository/{meta['namespace']}/{meta['name']}/index-{digest}.yaml"
        self._blobs[path] = data
        revision = f"sha256:{digest}"
        self._publish("HelmRepository", meta["namespace"], meta["name"], path, revision, data, f"stored artifact: revision '{revision}'",
                      "NewArtifact", "Succeeded", f"new index revision '{revision}'", "NewRevision",
                      f"stored fetched index of size {len(data)}B from '{repository['spec']['url']}'", {}, 5.0)

    def _source_of(self, chart):
        """Revision and files of the GitRepository or Bucket that holds this chart; (None, None) for a chart of a HelmRepository."""
        reference = chart["spec"]["sourceRef"]
        return self._contents.get((reference["kind"], chart["metadata"]["namespace"], reference["name"]), (None, None))

    def _is_behind(self, chart):
        status, revision = chart.get("status", {}), self._source_of(chart)[0]
        if not revision and chart["spec"]["sourceRef"]["kind"] != "HelmRepository":
            return False  # its source has nothing yet
        if self._has_failed(chart) and chart["spec"]["version"] in self._charts[chart["spec"]["chart"]]:
            return True  # the repository has it now
        return status.get("observedGeneration") != chart["metadata"]["generation"] or (
            revision is not None and status.get("observedSourceArtifactRevision") != revision)

    def _publish_chart(self, chart):
        meta, spec = chart["metadata"], chart["spec"]
        revision, files = self._source_of(chart)
        if revision:
            self._package_chart(chart, revision, files)
            return
        data = self._charts[spec["chart"]].get(spec["version"])
        if data is None:
            self._fail_chart(chart)
            return
        path = f"helmchart/{meta['namespace']}/{meta['name']}/{spec['chart']}-{spec['version']}.tgz"
        self._blobs[path] = data
        message = f"pulled '{spec['chart']}' chart with version '{spec['version']}'"
        self._publish("HelmChart", meta["namespace"], meta["name"], path, spec["version"], data, message, "ChartPullSucceeded",
                      "ChartPullSucceeded", message, "NewChart", message, {"observedChartName": spec["chart"]}, 5.0)

    @staticmethod
    def _has_failed(chart):
        return any(each["type"] == "FetchFailed" for each in chart.get("status", {}).get("conditions", []))

    def _fail_chart(self, chart):
        """What source-controller says of a version that the repository does not have: it waits for another index or another spec."""
        meta, spec, now = chart["metadata"], chart["spec"], stamp(utc())
        message = (f"invalid chart reference: failed to get chart version for remote reference: no '{spec['chart']}' chart with version matching "
                   f"'{spec['version']}' found")
        conditions = [{"type": kind, "status": status, "reason": "InvalidChartReference", "message": message, "lastTransitionTime": now,
                       "observedGeneration": meta["generation"]} for kind, status in (("Stalled", "True"), ("Ready", "False"), ("FetchFailed", "True"))]
        stored = [each for each in chart.get("status", {}).get("conditions", []) if each["type"] == "ArtifactInStorage"]
        self._event(chart, "InvalidChartReference", message, {}, severity="error")
        self._client.patch_status("HelmChart", meta["namespace"], meta["name"],
                                  {"conditions": conditions + stored, "observedGeneration": meta["generation"]})

    def _package_chart(self, chart, revision, files):
        """Packages a chart that lies in a repository, as the strategy Revision does: the version names the source's revision."""
        meta, folder = chart["metadata"], os.path.normpath(chart["spec"]["chart"]) + "/"
        inside = {path[len(folder):]: text for path, text in files.items() if path.startswith(folder)}
        facts = yaml.safe_load(inside["Chart.yaml"])
        name, version = facts["name"], f"{facts['version']}+{revision.rsplit(':', 1)[1][:12]}"
        inside["Chart.yaml"] = yaml.safe_dump({**facts, "version": version})
        data = tarball({f"{name}/{path}": text for path, text in inside.items()})
        path = f"helmchart/{meta['namespace']}/{meta['name']}/{name}-{version}.tgz"
        self._blobs[path] = data
        message = f"packaged '{name}' chart with version '{version}'"
        self._publish("HelmChart", meta["namespace"], meta["name"], path, version, data, message, "ChartPackageSucceeded", "ChartPackageSucceeded",
                      message, "NewChart", message, {"observedChartName": name, "observedSourceArtifactRevision": revision}, 5.0)

    # --- what source-controller does to an object --------------------------------------------------------------------

    def _publish(self, kind, namespace, name, path, revision, data, stored, event_reason, ready_reason, outdated, outdated_reason,
                 event_message, more_status, patience):
        deadline = time.monotonic() + patience
        while True:
            try:
                self._publish_once(kind, namespace, name, path, revision, data, stored, event_reason, ready_reason, outdated,
                                   outdated_reason, event_message, more_status)
                return
            except (OSError, Refused):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _publish_once(self, kind, namespace, name, path, revision, data, stored, event_reason, ready_reason, outdated, outdated_reason,
                      event_message, more_status):
        current = self._client.get(kind, namespace, name)
        generation = current["metadata"]["generation"]
        now = stamp(utc())

        def entry(condition_type, status, reason, message):
            return {"type": condition_type, "status": status, "reason": reason, "message": message, "lastTransitionTime": now,
                    "observedGeneration": generation}

        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        artifact = self._artifact(digest, path, revision, data)  # stored, then told of, then in the status, as source-controller
        building = "building artifact: " + outdated
        first = [entry("Reconciling", "True", "Progressing", building), entry("Ready", "Unknown", "Progressing", building)]
        if current.get("status", {}).get("artifact"):
            first.append(entry("ArtifactOutdated", "True", outdated_reason, outdated))
        self._client.patch_status(kind, namespace, name, {"conditions": first})
        if current.get("status", {}).get("artifact", {}).get("digest") != digest:  # as source-controller: never for the same bytes
            self._event(current, event_reason, event_message, {"source.toolkit.fluxcd.io/digest": digest, "source.toolkit.fluxcd.io/revision": revision})
        done = [entry("Ready", "True", ready_reason, stored), entry("ArtifactInStorage", "True", ready_reason, stored)]
        stored_before = current.get("status", {}).get("artifact", {})
        if (stored_before.get("revision"), stored_before.get("digest")) == (revision, digest):
            artifact = stored_before  # as source-controller: what is stored already is up to date
        self._client.patch_status(kind, namespace, name, {
            "artifact": artifact, "conditions": done, "observedGeneration": generation,
            "url": f"http://127.0.0.1:{self.port}/{path.rsplit('/', 1)[0]}/latest.tar.gz", **more_status} if kind != "GitRepository" else {
            "artifact": artifact, "conditions": done, "observedGeneration": generation})

    def _artifact(self, digest, path, revision, data):
        return {"digest": digest, "lastUpdateTime": stamp(utc()), "path": path, "revision": revision, "size": len(data),
                "url": f"http://127.0.0.1:{self.port}/{path}"}

    def _event(self, obj, reason, message, facts, controller="source-controller", severity="info"):
        """A core/v1 Event and its HTTP post; `facts` are the annotations of the one and the metadata of the other."""
        meta = obj["metadata"]
        now = time.time_ns()
        second = stamp(utc(now / 1e9))
        involved = {"kind": obj["kind"], "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"],
                    "apiVersion": obj["apiVersion"], "resourceVersion": meta["resourceVersion"]}
        self._client.create({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": f"{meta['name']}.{now:x}", "namespace": meta["namespace"], "annotations": facts},
            "involvedObject": involved, "reason": reason, "message": message, "source": {"component": controller},
            "firstTimestamp": second, "lastTimestamp": second, "count": 1, "type": "Normal" if severity == "info" else "Warning",
            "reportingComponent": controller, "reportingInstance": ""})
        body = {"involvedObject": involved, "severity": severity, "timestamp": second, "message": message, "reason": reason,
                "metadata": facts, "reportingController": controller, "reportingInstance": "e2e"}
        request = urllib.request.Request(self._posts_url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=ANSWER).close()

    def close(self):
        self._stop.set()
        if self._chart_thread:
            self._chart_thread.join(10)
        self._server.shutdown()
