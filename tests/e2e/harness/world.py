"""Everything that runs during the tests, put together: one cluster, its controllers, the backends and the program under test."""

import glob
import json
import os

from .control_plane import ControlPlane
from .flux import Controllers, flux_crds, install_crds
from .kubernetes import KINDS, condition
from .network import Proxy
from .posts import PostRecorder
from .processes import Supervisor
from .source import StandInSource, utc
from .spans import Received
from .subject import Subject, base_manifests
from .telemetry import Collector, Jaeger
from .waiting import Timeout, until
from .workloads import Workloads

NAMESPACE = "flux-system"  # of the Flux objects
WORKLOADS = "apps"  # of what they apply


class World:
    def __init__(self, repository, programs, binary, work, report, endpoints=()):
        self.repository, self.programs, self.work, self.report = repository, programs, work, report
        self.logs = os.path.join(work, "logs")
        os.makedirs(self.logs)
        self.supervisor = Supervisor(self.logs)
        self.subject = Subject(binary, self.supervisor, work)
        self._closers = []
        self._endpoints = endpoints  # further endpoints of the Collector, each with a file of its own
        self._snapshots = 0

    def start(self):
        say = self.report.say
        say("starting etcd and kube-apiserver")
        self.control_plane = ControlPlane(self.supervisor, self.programs, self.work)
        self.control_plane.start()
        self.admin = self.control_plane.admin()
        say("starting Jaeger and the OpenTelemetry Collector")
        self.jaeger = Jaeger(self.supervisor, self.programs)
        self.collector = Collector(self.supervisor, self.programs, self.work, self.jaeger, ["main", "late", *self._endpoints])
        say("installing the CRDs")
        install_crds(self.admin, flux_crds(self.programs))
        crds = sorted(glob.glob(os.path.join(self.repository, "deploy", "crds*", "*.yaml")))
        install_crds(self.admin, [path for path in crds if os.path.basename(path) != "kustomization.yaml"])
        for name in (NAMESPACE, WORKLOADS, "default"):
            self.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        say("starting the stand-in source, kustomize-controller and helm-controller")
        self.posts = self.closing(PostRecorder(os.path.join(self.work, "posts.jsonl")))
        self.source = self.closing(StandInSource(self.admin, self.posts.url))
        self.source.serve_charts()
        self.workloads = self.closing(Workloads(self.admin))
        self.controllers = Controllers(self.supervisor, self.programs, self.work, self.control_plane.admin_kubeconfig(), self.posts.url)
        self.controllers.start("kustomize-controller")
        self.controllers.start("helm-controller")
        self.jaeger.wait()
        self.collector.wait()
        self.proxy = self.closing(Proxy(self.control_plane.port))

    def install_subject(self):
        """Applies deploy/base (not its Deployment: the program runs as a process here) and makes kubeconfigs for its ServiceAccount."""
        account = None
        for manifest in base_manifests(self.repository):
            if manifest["kind"] in ("Deployment", "Service", "NetworkPolicy", "CustomResourceDefinition"):
                continue
            self.admin.apply(manifest)
            if manifest["kind"] == "ServiceAccount":
                account = manifest["metadata"]
        answer = self.admin.request("POST", self.admin.path("ServiceAccount", account["namespace"], account["name"], "token"),
                                    {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 7200}})
        self.subject_token = answer["status"]["token"]
        self.subject_account = f"system:serviceaccount:{account['namespace']}:{account['name']}"
        self.direct_kubeconfig = self.control_plane.kubeconfig_for(self.subject_token, "subject-direct")
        self.proxied_kubeconfig = self.control_plane.kubeconfig_for(self.subject_token, "subject-proxied", self.proxy.port)

    def received(self, name="main"):
        return Received(self.collector.files[name])

    # --- waiting for what Flux does ------------------------------------------------------------------------------------

    def await_kustomization(self, name, predicate, what, seconds=90):
        return until(f"Kustomization {name} {what}", lambda: _if(self.admin.get("Kustomization", NAMESPACE, name), predicate), seconds,
                     logs=[self.controllers.children["kustomize-controller"]])

    def await_applied(self, name, commit, seconds=90):
        return self.await_kustomization(
            name, lambda o: o["status"].get("lastAppliedRevision") == commit.revision and condition(o, "Ready").get("status") == "True",
            f"to have applied {commit}", seconds)

    def await_health_check(self, name, commit, seconds=60):
        """Waits for the middle of a change: applied, and waiting for the workloads."""
        return self.await_kustomization(
            name, lambda o: o["status"].get("lastAttemptedRevision") == commit.revision
            and "health checks" in condition(o, "Reconciling").get("message", ""), f"to be in the health check of {commit}", seconds)

    def await_release(self, name, predicate, what, seconds=90):
        return until(f"HelmRelease {name} {what}", lambda: _if(self.admin.get("HelmRelease", NAMESPACE, name), predicate), seconds,
                     logs=[self.controllers.children["helm-controller"]])

    def await_trace(self, commit, seconds=90, predicate=None, file="main"):
        """Waits until the collector has the whole trace of a commit: a root and no orphans. Returns the Tree."""
        def arrived():
            tree = self.received(file).trace(commit.trace_id)
            return tree if tree.roots and not tree.orphans and (predicate is None or predicate(tree)) else None

        try:
            return until(f"the trace {commit.trace_id} of commit {commit} in the collector's file", arrived, seconds, 0.3,
                         logs=[self.subject.child])
        except Timeout as error:
            raise Timeout(f"{error}\n  what the cluster shows now is in {self.snapshot()}, as a recording") from error

    def snapshot(self):
        """Writes all objects as a program that starts now would list them: `replay --stream` on it shows what can be known."""
        self._snapshots += 1
        path = os.path.join(self.work, f"snapshot-{self._snapshots}.jsonl")
        with open(path, "w", encoding="utf-8") as stream:
            for kind in ("GitRepository", "HelmRepository", "HelmChart", "Kustomization", "HelmRelease", "Deployment", "Event"):
                for item in self.admin.list(kind)["items"]:
                    item = {"apiVersion": KINDS[kind][0], "kind": kind, **item}
                    stream.write(json.dumps({"receivedAt": utc().strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "type": "ADDED", "object": item}) + "\n")
        return path

    def closing(self, thing):
        self._closers.append(thing)
        return thing

    def close(self):
        """Ends everything. Returns the names of the programs that would not end."""
        left = self.supervisor.stop_all()
        for thing in reversed(self._closers):
            try:
                thing.close()
            except OSError:
                pass
        return left


def _if(obj, predicate):
    try:
        return obj if predicate(obj) else None
    except KeyError:
        return None
