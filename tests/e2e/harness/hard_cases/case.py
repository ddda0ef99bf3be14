"""One hard case: its namespace, its recorder, and the truth, which is written down as the harness acts."""

import json
import os
import time

from ..kubernetes import condition
from ..spans import Received
from ..waiting import until
from . import objects

WATCHED = ("GitRepository", "HelmChart", "Kustomization", "HelmRelease", "Deployment", "Event")


class Case:
    def __init__(self, world, name, play):
        self.world, self.name, self.play = world, name, play
        self.namespace = "hard-" + name
        self.folder = os.path.join(world.work, "hard-cases", name)
        os.makedirs(self.folder)
        self.stream = os.path.join(self.folder, "stream.jsonl")
        self.changes = []  # the truth, in the words of tests/recordings/README.md
        self.actions = []
        self.notes = []  # of what belongs to no change
        self.error = None

    # --- the stage -----------------------------------------------------------------------------------------------------

    def start(self):
        """Makes the namespace and its Trace, and records before anything happens in it."""
        admin = self.world.admin
        admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})
        admin.apply(objects.provider(self.namespace, self.world.collector.url(self.namespace)))
        admin.apply(objects.trace(self.namespace))
        self.recorder = self.world.subject.start_other("record-" + self.name, "record", "--kubeconfig", self.world.direct_kubeconfig,
                                                       "--namespace", self.namespace, "--output", self.stream)
        until(f"record to watch {self.namespace}", self._watching, 60, logs=[self.recorder], needs=self.recorder)
        until(f"the Trace of {self.namespace} to be Ready",
              lambda: condition(admin.get("Trace", self.namespace, "all"), "Ready").get("status") == "True", 60, logs=[self.world.subject.child])

    def _watching(self):
        with open(self.stream, encoding="utf-8") as stream:
            lines = stream.read().splitlines()
        seen = {json.loads(line)["object"]["kind"] for line in lines[:-1] if '"BOOKMARK"' in line}
        return seen >= set(WATCHED)

    def stop(self):
        """Waits until the program has settled every change of the case, then ends the recording and writes the folder."""
        def settled():
            status = self.world.admin.get("Trace", self.namespace, "all").get("status", {})
            return status.get("activeChanges", 0) == 0 and status.get("exportedChanges", 0) >= len(self.changes) and status

        try:
            until(f"the changes of {self.name} to settle and to be exported", settled, 60, 0.3, [self.world.subject.child])
        finally:
            self.recorder.terminate(grace=60)
            self._write()

    def _write(self):
        with open(os.path.join(self.folder, "truth.json"), "w", encoding="utf-8") as stream:
            json.dump({"changes": self.changes, "notInAnyChange": self.notes, "notes": self.play.__doc__}, stream, indent=1)
            stream.write("\n")
        with open(os.path.join(self.folder, "posts.jsonl"), "w", encoding="utf-8") as stream, \
                open(os.path.join(self.world.work, "posts.jsonl"), encoding="utf-8") as posts:
            stream.writelines(line for line in posts if json.loads(line)["body"]["involvedObject"]["namespace"] == self.namespace)
        with open(os.path.join(self.folder, "README.md"), "w", encoding="utf-8") as stream:
            stream.write(f"# {self.name}\n\n{self.play.__doc__}\n\nWhat was done:\n\n" + "".join(f"{i}. {what}\n" for i, what in enumerate(self.actions, 1)))

    def live(self):
        return Received(self.world.collector.files[self.namespace])

    # --- acting --------------------------------------------------------------------------------------------------------

    def did(self, what):
        self.actions.append(what)

    def apply(self, *manifests):
        for manifest in manifests:
            self.world.admin.apply(manifest)
            self.did(f"kubectl apply {manifest['kind']}/{manifest['metadata']['name']}")

    def push(self, files, message, name="demo", ref="main"):
        commit = self.world.source.commit(self.namespace, name, files, message, ref=ref)
        self.did(f"commit {commit.sha[:8]} to {name}: {message}")
        return commit

    def fill_bucket(self, files, name):
        content = self.world.source.fill_bucket(self.namespace, name, files)
        self.did(f"new content {content.sha[:8]} in bucket {name}")
        return content

    def add_chart(self, version):
        """A version of the chart of these cases comes into every HelmRepository."""
        self.world.source.add_chart(objects.CHART, version, objects.TEMPLATES, objects.VALUES)
        self.did(f"chart version {version} appears in the repository")

    def push_by_automation(self, automation, files, message, fetched_first, name="demo"):
        commit = self.world.source.commit_by_automation(self.namespace, automation, name, files, message, fetched_first)
        self.did(f"{automation} pushes commit {commit.sha[:8]} to {name}: {message}")
        return commit

    def push_image(self, url, files):
        content = self.world.source.push_image(url, files)
        self.did(f"push {content.revision[:22]} to {url}")
        return content

    def generate(self, generator, name, files, origin):
        revision = self.world.source.generate(self.namespace, generator, name, files, origin)
        self.did(f"{generator} makes {revision[:22]} of its sources")
        return revision

    def kill_controller(self, name):
        self.world.controllers.children[name].kill()
        self.did(f"kill -9 {name}")

    def add_finalizer(self, kind, name, finalizer):
        finalizers = self.get(kind, name)["metadata"].get("finalizers", []) + [finalizer]
        self.world.admin.patch(kind, self.namespace, name, {"metadata": {"finalizers": finalizers}})
        self.did(f"a finalizer of somebody else's is added to {kind}/{name}")

    def remove_finalizers(self, kind, name):
        self.world.admin.patch(kind, self.namespace, name, {"metadata": {"finalizers": None}})
        self.did(f"the last finalizer of {kind}/{name} is removed")

    def second_passes(self, seconds=1.1):
        """Time passes in which nothing happens: what controllers write has whole seconds."""
        time.sleep(seconds)

    def fetch(self, commit, files, name):
        self.world.source.fetch(self.namespace, name, commit, files)
        self.did(f"{name} fetches {commit.sha[:8]} too")

    def request(self, kind, name):
        """What `flux reconcile` does."""
        self._requested = str(len(self.actions))
        self.world.admin.patch(kind, self.namespace, name, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": self._requested}}})
        self.did(f"flux reconcile {kind}/{name}")

    def await_handled(self, kind, name):
        self.await_object(kind, name, lambda o: o["status"].get("lastHandledReconcileAt") == self._requested
                          and condition(o, "Ready").get("status") == "True", "to have handled the request")

    def suspend(self, kind, name, yes):
        """What `flux suspend` and `flux resume` do."""
        self.world.admin.patch(kind, self.namespace, name, {"spec": {"suspend": yes}})
        self.did(f"flux {'suspend' if yes else 'resume'} {kind}/{name}")

    def delete(self, kind, name):
        self.world.admin.delete(kind, self.namespace, name)
        self.did(f"kubectl delete {kind}/{name}")

    def await_gone(self, kind, name):
        until(f"{kind} {self.namespace}/{name} to be gone", lambda: self.world.admin.find(kind, self.namespace, name) is None, 60)

    def get(self, kind, name):
        return self.world.admin.get(kind, self.namespace, name)

    def await_object(self, kind, name, predicate, what, seconds=90):
        controller = "helm-controller" if kind == "HelmRelease" else "kustomize-controller"
        return until(f"{kind} {self.namespace}/{name} {what}", lambda: _if(self.get(kind, name), predicate), seconds,
                     logs=[self.world.controllers.children[controller]])

    def await_applied(self, name, commit, seconds=90):
        return self.await_object("Kustomization", name, lambda o: o["status"].get("lastAppliedRevision") == commit.revision
                                 and condition(o, "Ready").get("status") == "True", f"to have applied {commit}", seconds)

    def posts_of(self, kind, name, commit, reason):
        """What controllers posted about this object at this commit."""
        return [body for _, body in self.world.posts.of(kind, name, commit.revision, reason) if body["involvedObject"]["namespace"] == self.namespace]

    def await_post(self, kind, name, commit, reason, seconds=90):
        until(f"{reason} of {kind} {self.namespace}/{name} at {commit}", lambda: self.posts_of(kind, name, commit, reason), seconds)

    def await_release(self, name, reason, seconds=90, **status):
        """Waits until the release rests with this reason, for its newest generation, and with these fields of its status."""
        def resting(release):
            state = release["status"]
            return (condition(release, "Ready").get("reason") == reason and state.get("observedGeneration") == release["metadata"]["generation"]
                    and condition(release, "Ready").get("observedGeneration") == release["metadata"]["generation"]
                    and condition(release, "Reconciling").get("reason") != "Progressing"
                    and all(state.get(field) == value for field, value in status.items()))

        return self.await_object("HelmRelease", name, resting, f"to rest with {reason}", seconds)

    def await_given_up(self, name, remedy, seconds=120):
        """Waits until the controller has remedied the failed release for the last time and tries no more."""
        return self.await_object("HelmRelease", name, lambda o: condition(o, "Remediated").get("reason") == remedy
                                 and condition(o, "Stalled").get("status") == "True"
                                 and o["status"].get("observedGeneration") == o["metadata"]["generation"], f"to be given up after {remedy}", seconds)

    # --- the truth -----------------------------------------------------------------------------------------------------

    def named(self, kind, name):
        return {"kind": kind, "namespace": self.namespace, "name": name}

    def run(self, kind, name, parent, *outcomes, failures=0, phases=(), attribution=None):
        """A run that must be there; `parent` is a (kind, name). `phases` are steps that its attempts must show, in this order."""
        return {**self.named(kind, name), "parent": self.named(*parent), "outcomes": list(outcomes) or ["Succeeded"],
                **({"attempts": [failures]} if failures else {}), **({"phases": list(phases)} if phases else {}),
                **({"attribution": attribution} if attribution else {})}

    def change(self, content, root, runs, workloads=(), status="succeeded", **more):
        """What must be one trace: its content, its root, exactly these runs, and at least these workloads ({name: parent})."""
        change = {"key": content.key, "revision": content.revision, "root": self.named(*root), "runs": runs, "workloads": [
            {**self.named("Deployment", name), "parent": self.named(*parent)} for name, parent in dict(workloads).items()], "status": status, **more}
        self.changes.append(change)
        return change

    def in_no_change(self, what):
        self.notes.append(what)


def _if(obj, predicate):
    try:
        return obj if predicate(obj) else None
    except KeyError:
        return None
