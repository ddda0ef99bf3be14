"""Faults in the middle of changes, all in one run of the cluster: no trace may be lost, none doubled under a new ID.

Each fault has a commit of its own that is held in its health check (the harness decides when a Deployment becomes available), so that
the fault strikes while the change is open.
"""

import json

from ..kubernetes import condition
from ..waiting import Refused, until
from ..world import NAMESPACE, WORKLOADS
from . import checks, content
from .commits import APP, RELEASES, SOURCE, push, settled


def all_faults(world):
    report = world.report
    if not world.commits:  # chosen alone
        world.await_applied("app", push(world, content.files(web="3", frontend="3"), "feat: something to start from"))
    # Long enough for every fault. A new generation at the same revision is a reconciliation that no change caused: it is in no trace.
    app = next(manifest for manifest in content.flux_objects("120s") if manifest["metadata"]["name"] == "app")
    world.admin.apply(app)
    world.await_kustomization("app", lambda o: o["status"]["observedGeneration"] == o["metadata"]["generation"]
                              and condition(o, "Ready").get("status") == "True", "to have observed its new time-out")
    world.version = 100
    for title, fault in (("a watch is cut", watch_cut), ("the network stalls", stalled), ("the API server is killed", apiserver_killed),
                         ("etcd is compacted while the program is cut off", compacted), ("the program is killed", program_killed),
                         ("the program is dead while the change ends", program_dead)):
        report.say(f" - {title}")
        fault(world, title)
    settled(world)
    received = world.received()
    report.equal("faults: exactly one trace for each commit, and no other", received.trace_ids(), {commit.trace_id for commit in world.commits})
    for commit in world.commits:
        tree = received.trace(commit.trace_id)
        doubled = doubled_runs(world, tree, commit)
        report.check(f"faults: no run of {commit} was doubled", not doubled, "one span for each attempt", f"{doubled}\n{tree.draw()}")
    moved = [(a, b) for a, b in received.conflicts if a.parent_id != b.parent_id or a.outcome != b.outcome or abs(a.start - b.start) > 150_000_000
             or abs(a.end - b.end) > 150_000_000]
    report.check("faults: a span sent again after a restart says the same", not moved, "same parent, outcome and times", moved[:3])


def held_change(world, title):
    """Commits a new version whose rollout does not finish yet, and waits until app is in the middle of it."""
    world.version += 1
    world.workloads.hold(WORKLOADS, "web")
    commit = push(world, content.files(web=str(world.version), frontend="3"), f"fault: {title}")
    world.await_health_check("app", commit)
    return commit


def let_finish(world, commit):
    world.workloads.release(WORKLOADS, "web")
    world.await_applied("app", commit)
    world.await_applied("releases", commit)


def verify(world, title, commit, undisturbed=True, seen_live=True):
    """The change has its one trace: a successful run of app and of releases, and what came before the success is explained.

    `undisturbed` says that Flux's controllers themselves were not hit, so that every attempt ended in the status. Without `seen_live`
    the program knows part of the change from its first lists only, where times are cut to whole seconds and Events may be missing.
    """
    report = world.report
    tree = world.await_trace(commit, 120)
    root = checks.shape(report, title, tree, commit, slack=0.0 if seen_live else 1.0)
    if not root:
        return
    report.equal(f"{title}: the change succeeded", root.a.get("flux.change.outcome"), "succeeded")
    for kind, name in (APP, RELEASES):
        outcomes, said = [run.outcome for run in tree.of(kind, name)], failures_said(world, kind, name, commit)
        if undisturbed:
            good = outcomes == ["failed"] * said + ["succeeded"]
        else:
            good = outcomes[-1:] == ["succeeded"] and set(outcomes[:-1]) <= {"failed", "incomplete"} and outcomes.count("failed") <= said
        report.check(f"{title}: {name} has one successful run, and failed ones only as its controller reported ({said})", good, "[…, succeeded]",
                     f"{outcomes}\n{tree.draw()}")
    checks.parents(report, title, tree, {APP: SOURCE, RELEASES: SOURCE})
    if undisturbed:
        checks.finished_run(report, world, title, tree, "app", commit, phases=(), slack=1.0 if seen_live else 1.5)


def failures_said(world, kind, name, commit):
    """How many failed attempts at this commit the controller posted."""
    return sum(body["severity"] == "error" for _, body in world.posts.of(kind, name, commit.revision))


def doubled_runs(world, tree, commit):
    """Objects with more runs than attempts: more than one success, or more failures than their controller posted."""
    doubled = []
    for kind, name in sorted({span.object for span in tree.spans if span.span_kind == "run"}):
        outcomes = [span.outcome for span in tree.of(kind, name)]
        if outcomes.count("succeeded") > 1 or outcomes.count("failed") > failures_said(world, kind, name, commit):
            doubled.append((name, outcomes))
    return doubled


def watch_cut(world, title):
    commit = held_change(world, title)
    world.report.check(f"{title}: connections were open and are cut", world.proxy.cut() > 0, "open connections", 0)
    let_finish(world, commit)
    verify(world, title, commit)


def stalled(world, title):
    """No byte passes while the change ends; then everything arrives at once, late."""
    commit = held_change(world, title)
    world.proxy.stall()
    let_finish(world, commit)
    world.proxy.resume()
    verify(world, title, commit)


def apiserver_killed(world, title):
    commit = held_change(world, title)
    world.control_plane.kill_apiserver()
    world.control_plane.start_apiserver()
    world.report.check(f"{title}: the program survived", world.subject.child.alive(), "alive", "ended")
    let_finish(world, commit)
    # The controllers may have lost an attempt with the server, and repeat it: what they could not write, nobody can know.
    verify(world, title, commit, undisturbed=False)


def compacted(world, title):
    """The program sees the start of the change, is cut off while it ends, and comes back to a server that no longer knows its place."""
    report = world.report
    commit = held_change(world, title)
    old = world.admin.list("Kustomization", NAMESPACE)["metadata"]["resourceVersion"]
    old_event = world.admin.list("Event", NAMESPACE)["metadata"]["resourceVersion"]
    world.proxy.refuse(True)
    world.proxy.cut()
    let_finish(world, commit)
    world.control_plane.compact()
    world.control_plane.kill_apiserver()
    world.control_plane.start_apiserver()  # a server that keeps no history of its own from before
    for kind, version in (("Kustomization", old), ("Event", old_event)):
        until(f"a watch of {kind} from before to be answered 410", lambda k=kind, v=version: gone(world, k, v), 30, 0.3)
        report.check(f"{title}: a watch of {kind} from before is answered 410", True)
    world.proxy.refuse(False)
    verify(world, title, commit)


def gone(world, kind, version):
    """Whether the API server answers 410 to a watch from that version: as a status, or as the first event of the stream."""
    try:
        text = world.admin.request("GET", world.admin.path(kind, NAMESPACE), query={"watch": "true", "resourceVersion": version, "timeoutSeconds": "2"})
    except Refused as error:
        return error.status == 410
    first = text if isinstance(text, dict) else json.loads((text.splitlines() or ["{}"])[0])
    return first.get("object", {}).get("code") == 410


def program_killed(world, title):
    commit = held_change(world, title)
    world.subject.child.kill()
    world.subject.run(world.proxied_kubeconfig, "--backfill", "5m")
    world.subject.wait_ready()
    let_finish(world, commit)
    verify(world, title, commit, seen_live=False)


def program_dead(world, title):
    commit = held_change(world, title)
    world.subject.child.kill()
    let_finish(world, commit)
    world.subject.run(world.proxied_kubeconfig, "--backfill", "5m")
    world.subject.wait_ready()
    verify(world, title, commit, seen_live=False)
    until("the Trace to be Ready again", lambda: condition(world.admin.get("Trace", NAMESPACE, "all"), "Ready").get("status") == "True", 30,
          logs=[world.subject.child])
