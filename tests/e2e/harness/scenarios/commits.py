"""The main run: a good commit, one that fails its health check, and its fix, which also upgrades a HelmRelease."""

import json
import os

from ..kubernetes import condition
from ..posts import reported_duration, seconds_of
from ..waiting import Timeout, until
from ..world import NAMESPACE
from . import checks, content

APP, RELEASES, FRONTEND = ("Kustomization", "app"), ("Kustomization", "releases"), ("HelmRelease", "frontend")
SOURCE = ("GitRepository", "demo")


def setup(world):
    """Starts the program under exactly the RBAC of deploy/base, with `record` beside it."""
    report = world.report
    world.commits = []
    world.install_subject()
    for verb, resource, group, allowed in (("list", "secrets", "", False), ("delete", "events", "", False), ("create", "pods", "", False), ("patch", "deployments", "apps", False),
                                           ("watch", "kustomizations", "kustomize.toolkit.fluxcd.io", True),
                                           ("patch", "traces/status", "notification.toolkit.fluxcd.io", True)):
        seen = may(world, verb, resource, group)
        report.check(f"deploy/base {'lets' if allowed else 'does not let'} the controller {verb} {resource}", seen == allowed, allowed, seen)
    content.add_charts(world.source)
    for manifest in content.flux_objects(timeout="30s"):
        world.admin.apply(manifest)
    world.admin.apply(content.provider("collector", world.collector.url("main")))
    world.admin.apply(content.trace("all", "collector"))
    world.recording = os.path.join(world.work, "recording.jsonl")
    world.recorder = world.subject.start_other("record", "record", "--kubeconfig", world.direct_kubeconfig, "--output", world.recording)
    until("record to have written the objects that are there", lambda: _recorded(world.recording, "Kustomization"), 60, logs=[world.recorder])
    world.subject.run(world.proxied_kubeconfig, "--backfill", "5m")
    world.subject.wait_ready()
    report.check("the program is ready", True)
    report.equal("/healthz answers 200", world.subject.healthz(), 200)
    report.check("the watches go through the proxy", world.proxy.accepted > 0, "connections", world.proxy.accepted)
    trace = until("Trace all to be Ready", lambda: _ready(world, "all"), 30, logs=[world.subject.child])
    report.equal("Trace all: observedGeneration is the generation", trace["status"].get("observedGeneration"), trace["metadata"]["generation"])


def may(world, verb, resource, group):
    """Whether the program's ServiceAccount may do this, in the API server's own words."""
    name, _, subresource = resource.partition("/")
    answer = world.admin.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": world.subject_account, "groups": ["system:serviceaccounts", "system:authenticated"], "resourceAttributes": {
            "verb": verb, "resource": name, "subresource": subresource, "group": group, "namespace": "" if verb != "patch" else NAMESPACE}}})
    return answer["status"].get("allowed", False)


def push(world, files, message):
    commit = world.source.commit(NAMESPACE, "demo", files, message)
    world.commits.append(commit)
    world.report.say(f"  commit {commit}, trace {commit.trace_id}")
    return commit


def three_commits(world):
    report = world.report
    good = push(world, content.files(web="1", frontend="1"), "feat: first version")
    world.await_applied("app", good)
    installed = world.await_release("frontend", lambda o: condition(o, "Ready").get("reason") == "InstallSucceeded", "to be installed")

    # Two failed attempts; the fix arrives between the second and the third.
    bad = push(world, content.files(web="2", frontend="1", health="never"), "feat: second version, broken")
    until("the second failed health check of app", lambda: len(failures(world, bad)) >= 2, 120, 0.02,
          [world.controllers.children["kustomize-controller"]])
    world.await_kustomization("app", lambda o: condition(o, "Reconciling").get("reason") == "ProgressingWithRetry", "to wait for its next retry")
    fix = push(world, content.files(web="3", frontend="3"), "fix: repair the second version")
    world.await_applied("app", fix)
    upgraded = world.await_release("frontend", lambda o: condition(o, "Ready").get("reason") == "UpgradeSucceeded", "to be upgraded")

    trees = {}
    for label, commit in (("good", good), ("bad", bad), ("fix", fix)):
        trees[label] = world.await_trace(commit)
        report.check(f"{label}: one trace with the ID of SHA-256({commit.key[:14]}…)", True)
    settled(world)

    check_good(world, trees["good"], good, installed)
    check_bad(world, trees["bad"], bad)
    check_fix(world, trees["fix"], fix, upgraded)
    for label, tree in trees.items():
        checks.in_jaeger(report, world, label, tree)
    services = set(world.jaeger.services())
    report.check("Jaeger groups the spans by controller", {"source-controller", "kustomize-controller", "helm-controller"} <= services,
                 "the three controllers", services)
    received = world.received()
    report.equal("there is no trace but those of the commits", received.trace_ids(), {commit.trace_id for commit in world.commits})
    report.check("no span was sent twice with other content", not received.conflicts, "none", received.conflicts[:3])


def failures(world, commit):
    return world.posts.of("Kustomization", "app", commit.revision, "HealthCheckFailed")


def settled(world):
    """The status says that nothing is open any more: only then is what arrived all there is to come."""
    def nothing_open():
        status = world.admin.get("Trace", NAMESPACE, "all")["status"]
        return status.get("activeChanges", 0) == 0 and status

    return until("Trace all to have no active change", nothing_open, 60, logs=[world.subject.child])


def check_good(world, tree, commit, release):
    report = world.report
    root = checks.shape(report, "good", tree, commit)
    if not root:
        return
    report.equal("good: the change succeeded", root.a.get("flux.change.outcome"), "succeeded")
    checks.runs(report, "good", tree, {APP: ["succeeded"], RELEASES: ["succeeded"], FRONTEND: ["succeeded"]})
    checks.parents(report, "good", tree, {APP: SOURCE, RELEASES: SOURCE, FRONTEND: RELEASES, ("Deployment", "web"): APP,
                                          ("Deployment", "frontend"): FRONTEND})
    checks.finished_run(report, world, "good", tree, "app", commit, ("build", "apply", "health check"))
    checks.finished_run(report, world, "good", tree, "releases", commit)
    health(world, "good", tree, commit)
    helm(world, "good", tree, release, "install")


def check_bad(world, tree, commit):
    report = world.report
    root = checks.shape(report, "bad", tree, commit)
    if not root:
        return
    failed = failures(world, commit)
    report.equal("bad: the change failed", root.a.get("flux.change.outcome"), "failed")
    report.equal("bad: the root's status is an error", root.status, checks.ERROR)
    checks.runs(report, "bad", tree, {APP: ["failed"] * len(failed), RELEASES: ["succeeded"]})
    checks.parents(report, "bad", tree, {APP: SOURCE, RELEASES: SOURCE})
    attempts = tree.of(*APP)
    report.equal("bad: the attempts are counted", [run.a.get("flux.attempt") for run in attempts], list(range(1, len(failed) + 1)))
    for run, (_, body) in zip(attempts, failed):
        attempt = run.a.get("flux.attempt")
        report.equal(f"bad: the reason of attempt {attempt}", run.a.get("flux.reason"), "HealthCheckFailed")
        report.check(f"bad: attempt {attempt} is an error with the controller's message",
                     run.status == checks.ERROR and run.message.startswith("health check failed after"), "the message", (run.status, run.message[:80]))
        reported = reported_duration(body)
        report.check(f"bad: attempt {attempt} lasts at least its health check and not much longer", reported - 0.15 <= run.seconds <= reported + 3,
                     f"{reported:.3f} s to {reported + 3:.3f} s", f"{run.seconds:.3f} s")
        checks.phases_fit(report, "bad", tree, run)
        checks.phase_duration(report, "bad", tree, run, "health check", reported)
    checks.finished_run(report, world, "bad", tree, "releases", commit)
    unchanged = tree.of(*RELEASES)
    report.equal("bad: releases had nothing to apply", [run.a.get("flux.changed") for run in unchanged], [False])


def check_fix(world, tree, commit, release):
    report = world.report
    root = checks.shape(report, "fix", tree, commit)
    if not root:
        return
    report.equal("fix: the change succeeded", root.a.get("flux.change.outcome"), "succeeded")
    checks.runs(report, "fix", tree, {APP: ["succeeded"], RELEASES: ["succeeded"], FRONTEND: ["succeeded"]})
    checks.parents(report, "fix", tree, {APP: SOURCE, RELEASES: SOURCE, FRONTEND: RELEASES, ("Deployment", "web"): APP,
                                         ("Deployment", "frontend"): FRONTEND})
    checks.finished_run(report, world, "fix", tree, "app", commit, ("build", "apply", "health check"))
    checks.finished_run(report, world, "fix", tree, "releases", commit)
    health(world, "fix", tree, commit)
    helm(world, "fix", tree, release, "upgrade")


def health(world, label, tree, commit):
    """The health check phase lasts what "Health check passed in …" says."""
    passed = [body for _, body in world.posts.of("Kustomization", "app", commit.revision) if body["message"].startswith("Health check passed in")]
    run = next((run for run in tree.of(*APP) if run.outcome == "succeeded"), None)
    if run and passed:
        checks.phase_duration(world.report, label, tree, run, "health check", reported_duration(passed[0]))
    else:
        world.report.check(f"{label}: the controller reported a passed health check", False, "a post", (run, len(passed)))


def helm(world, label, tree, release, action):
    """The release's run says what Helm did, and that step lasts what helm-controller wrote into the status."""
    report = world.report
    run = next(iter(tree.of(*FRONTEND)), None)
    if not run:
        return
    report.equal(f"{label}: the release's action", run.a.get("flux.action"), action)
    report.equal(f"{label}: the release's revision is the chart version", run.a.get("flux.revision"), content.CHART_VERSION)
    took = release["status"].get("lastAttemptedReleaseActionDuration")
    if took:
        checks.phase_duration(report, label, tree, run, f"helm {action}", seconds_of(took))
    posts = world.posts.of("HelmRelease", "frontend", reason=f"{action.capitalize()}Succeeded")
    report.check(f"{label}: the release's run ends when Helm was done", bool(posts) and abs(run.end / 1e9 - posts[-1][0]) <= 1.0,
                 "within 1 s of the post", f"{run.end / 1e9 - posts[-1][0]:+.3f} s" if posts else "no post")


def status(world):
    """The Trace's status: conditions, observedGeneration, counts, the last exported trace."""
    report = world.report
    last = world.commits[-1]
    trace = until("Trace all to name the last trace",
                  lambda: _if_last(world.admin.get("Trace", NAMESPACE, "all"), last), 30, logs=[world.subject.child])
    state = trace["status"]
    report.equal("status: Ready", condition(trace, "Ready").get("status"), "True")
    report.check("status: neither Reconciling nor Stalled", not condition(trace, "Reconciling") and not condition(trace, "Stalled"), "neither",
                 state.get("conditions"))
    report.equal("status: observedGeneration", state.get("observedGeneration"), trace["metadata"]["generation"])
    report.equal("status: exported changes", state.get("exportedChanges"), len(world.commits))
    report.equal("status: active changes", state.get("activeChanges", 0), 0)
    report.equal("status: dropped changes", state.get("droppedChanges", 0), 0)
    report.equal("status: the last exported trace's revision", state["lastExportedTrace"].get("revision"), last.revision)
    report.check("status: the last exported trace's time", bool(state["lastExportedTrace"].get("time")), "a time", state["lastExportedTrace"])


def shutdown(world):
    """The books balance, the log is JSON, and SIGTERM ends the program in good order."""
    report = world.report
    names = ("changes_opened_total", "changes", "changes_exported_total", "changes_dropped_total")

    books = {}

    def balanced():
        books.update({name: world.subject.metric(name) for name in names})
        return books["changes_opened_total"] > 0 and books["changes_opened_total"] == books["changes"]

    try:
        until("the books to balance", balanced, 15)  # brought up to date once a second
    except Timeout:
        pass
    report.check("the books balance: what was opened is the sum of the states", balanced(), "equal sums", books)
    with open(world.subject.child.log, encoding="utf-8", errors="replace") as stream:
        refused = sum('"export was refused for good","provider":"flux-system/refused"' in line for line in stream)
    report.equal("nothing was dropped but what the backend of the dead letters refused", books["changes_dropped_total"], refused)
    report.equal("every object could be read", world.subject.metric("decode_errors_total"), 0)
    report.equal("no actor crashed", world.subject.metric("actor_restarts_total"), 0)
    child = world.subject.child
    report.equal("SIGTERM: the exit status", child.terminate(grace=90), 0)
    broken = []
    with open(child.log, encoding="utf-8", errors="replace") as stream:
        for line in stream:
            if line.startswith("--- ") or not line.strip():
                continue
            try:
                json.loads(line)
            except ValueError:
                broken.append(line.strip()[:200])
    report.check("every log line is JSON", not broken, "JSON", broken[:3])


def _recorded(path, kind):
    with open(path, encoding="utf-8") as stream:
        return any(f'"kind":"{kind}"' in line.replace(" ", "") for line in stream)


def _ready(world, name):
    trace = world.admin.get("Trace", NAMESPACE, name)
    return trace if condition(trace, "Ready").get("status") == "True" else None


def _if_last(trace, commit):
    return trace if trace["status"].get("lastExportedTrace", {}).get("traceID") == commit.trace_id else None
