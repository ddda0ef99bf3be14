"""Plays the Deployment controller: a rollout makes progress, and becomes available when the test lets it.

Without nodes nothing would ever run; with this the moment of success is the test's to choose, which is what makes "in the middle of
a change" a place and not a guess.
"""

import threading
import time

from .source import stamp, utc
from .waiting import Refused

HEALTH = "e2e/health"  # annotation of the pod template: "never" keeps that generation unavailable; of a Pod: "never" lets it fail


class Workloads:
    def __init__(self, client, rollout_seconds=1.0):
        self._client = client
        self._rollout = rollout_seconds
        self._held = set()
        self._seen = {}  # (uid, generation) -> when its rollout started, monotonic
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def hold(self, namespace, name):
        """Keeps the Deployment's next rollouts from finishing until released."""
        self._held.add((namespace, name))

    def release(self, namespace, name):
        self._held.discard((namespace, name))

    def _run(self):
        while not self._stop.wait(0.1):
            try:
                for deployment in self._client.list("Deployment")["items"]:
                    self._advance(deployment)
                for pod in self._client.list("Pod")["items"]:
                    self._end(pod)
            except (OSError, Refused, ValueError):
                pass  # the API server is away or the object moved on: the next round sees the present state

    def _advance(self, deployment):
        meta, spec, status = deployment["metadata"], deployment["spec"], deployment.get("status", {})
        generation, replicas = meta["generation"], spec.get("replicas", 1)
        key = (meta["uid"], generation)
        if status.get("observedGeneration") != generation:
            self._seen.setdefault(key, time.monotonic())
            self._patch(deployment, self._rolling(generation, replicas, status))
            return
        if status.get("updatedReplicas") == replicas and status.get("replicas") == replicas and status.get("availableReplicas") == replicas:
            return
        never = (spec["template"]["metadata"].get("annotations") or {}).get(HEALTH) == "never"
        started = self._seen.setdefault(key, time.monotonic())
        if never or (meta["namespace"], meta["name"]) in self._held or time.monotonic() - started < self._rollout:
            return
        self._patch(deployment, self._available(generation, replicas, meta["name"]))

    def _end(self, pod):
        """A Pod runs for a while and ends as its annotation says: the Pods of this cluster are tests of Helm releases."""
        meta, phase = pod["metadata"], pod.get("status", {}).get("phase", "Pending")
        if phase == "Pending":
            self._seen[(meta["uid"], 0)] = time.monotonic()
            self._client.patch_status("Pod", meta["namespace"], meta["name"], {"phase": "Running"})
        elif phase == "Running" and time.monotonic() - self._seen.setdefault((meta["uid"], 0), time.monotonic()) >= self._rollout:
            good = (meta.get("annotations") or {}).get(HEALTH) != "never"
            self._client.patch_status("Pod", meta["namespace"], meta["name"], {"phase": "Succeeded" if good else "Failed"})

    def _patch(self, deployment, status):
        meta = deployment["metadata"]
        self._client.patch_status("Deployment", meta["namespace"], meta["name"], status)

    def _rolling(self, generation, replicas, before):
        """The new pods are started; the old ones, if any, still serve."""
        serving = before.get("availableReplicas", 0)
        return {"observedGeneration": generation, "replicas": replicas + serving, "updatedReplicas": replicas, "readyReplicas": serving,
                "availableReplicas": serving, "unavailableReplicas": replicas, "conditions": [
                    self._condition("Available", bool(serving), "MinimumReplicasAvailable" if serving else "MinimumReplicasUnavailable",
                                    "Deployment has minimum availability." if serving else "Deployment does not have minimum availability."),
                    self._condition("Progressing", True, "ReplicaSetUpdated", "ReplicaSet is progressing.")]}

    def _available(self, generation, replicas, name):
        return {"observedGeneration": generation, "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas,
                "availableReplicas": replicas, "unavailableReplicas": None, "conditions": [
                    self._condition("Available", True, "MinimumReplicasAvailable", "Deployment has minimum availability."),
                    self._condition("Progressing", True, "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.')]}

    def _condition(self, kind, status, reason, message):
        now = stamp(utc())
        return {"type": kind, "status": "True" if status else "False", "reason": reason, "message": message, "lastUpdateTime": now,
                "lastTransitionTime": now}

    def close(self):
        self._stop.set()
        self._thread.join(10)
