#!/usr/bin/env python3
"""Each rule of check_posts can fail: spoil one thing of a right output, and the rule that is there for it must say so.

usage: tests/replay/check_posts_test.py PROGRAM RECORDINGS_DIR
"""
import copy
import json
import os
import subprocess
import sys
import tempfile

from check_posts import judge
from recording import Recording, SECOND
from traces import Traces

HERE = os.path.dirname(os.path.abspath(__file__))


class Output:
    """An output as JSON, with ways to find and spoil its spans."""

    def __init__(self, requests):
        self.requests = copy.deepcopy(requests)

    def lists(self):
        return [scope["spans"] for request in self.requests for resource in request["resourceSpans"] for scope in resource["scopeSpans"]]

    def spans(self):
        return [span for spans in self.lists() for span in spans]

    def find(self, name, **wanted):
        """The first span whose name begins so and whose flux attributes are as wanted."""
        for span in self.spans():
            if span["name"].startswith(name) and all(get(span, "flux." + key) == value for key, value in wanted.items()):
                return span
        raise LookupError(f"no span {name} {wanted}")

    def drop(self, span):
        for spans in self.lists():
            if span in spans:
                spans.remove(span)

    def write(self, path):
        with open(path, "w", encoding="utf-8") as stream:
            stream.writelines(json.dumps(request) + "\n" for request in self.requests)


def get(span, key):
    return next((next(iter(entry["value"].values())) for entry in span["attributes"] if entry["key"] == key), None)


def put(span, key, value):
    for entry in span["attributes"]:
        if entry["key"] == key:
            entry["value"] = {next(iter(entry["value"])): value}


def shift(span, seconds, start=True, end=True):
    for key, wanted in (("startTimeUnixNano", start), ("endTimeUnixNano", end)):
        if wanted:
            span[key] = str(int(span[key]) + int(seconds * SECOND))


def phase_of(output, run, name):
    return next(span for span in output.spans() if span.get("parentSpanId") == run["spanId"] and span["name"] == name)


def stretched_run(output):
    shift(output.find("reconcile Kustomization", outcome="succeeded"), -2, end=False)


def late_run(output):
    run = output.find("reconcile Kustomization", outcome="succeeded")
    shift(run, 3)
    for span in output.spans():
        if span.get("parentSpanId") == run["spanId"]:
            shift(span, 3)


def wrong_revision(output):
    put(output.find("reconcile Kustomization", outcome="succeeded"), "flux.revision", "main@sha1:" + 40 * "0")


def no_run(output):
    output.drop(output.find("reconcile Kustomization", outcome="succeeded"))


def other_message(output):
    output.find("reconcile Kustomization", outcome="failed")["status"]["message"] = "something else"


def no_failure(output):
    output.drop(output.find("reconcile Kustomization", outcome="failed"))


def phase_outside(output):
    shift(output.find("fetch"), -1)


def phases_overlap(output):
    build = output.find("build")
    shift(build, 1, start=False)


def long_health_check(output):
    shift(output.find("health check", outcome="succeeded"), -3, end=False)


def no_health_check(output):
    output.drop(output.find("health check", outcome="succeeded"))


def health_that_failed(output):
    put(output.find("health check", outcome="succeeded"), "flux.outcome", "failed")


def cancelled_that_failed(output):
    run = output.find("reconcile Kustomization", reason="HealthCheckCanceled")
    put(phase_of(output, run, "health check"), "flux.outcome", "failed")


def no_wait(output):
    output.drop(output.find("wait for dependencies"))


def early_wait(output):
    shift(output.find("wait for dependencies"), -1)


def other_sum(output):
    put(output.find("reconcile GitRepository"), "flux.total.health_checked_seconds", 1234.5)


def dead_link(output):
    next(span for span in output.spans() if span.get("links"))["links"][0]["spanId"] = 16 * "f"


def wrong_dependency(output):
    found = next(span for span in output.spans() if span["name"].startswith("reconcile") and span.get("links"))
    found["links"][0]["spanId"] = output.find("reconcile GitRepository")["spanId"]
    found["links"][0]["traceId"] = output.find("reconcile GitRepository")["traceId"]


def other_action(output):
    put(output.find("reconcile HelmRelease", action="install"), "flux.action", "upgrade")


def no_rollback(output):
    output.drop(output.find("helm rollback"))


def rollback_nobody_made(output):
    output.find("helm upgrade", outcome="failed")["name"] = "helm test"


def long_upgrade(output):
    shift(output.find("helm upgrade", outcome="failed"), -4, end=False)


def other_chart(output):
    put(output.find("reconcile HelmRelease", action="upgrade"), "flux.revision", "9.9.9")


def other_helm_message(output):
    output.find("reconcile HelmRelease", outcome="failed")["status"]["message"] = "something else"


def no_workload(output):
    output.drop(output.find("roll out"))


def late_workload(output):
    shift(output.find("roll out"), 1, start=False)


def early_workload(output):
    shift(output.find("roll out"), -0.5, end=False)


def other_image(output):
    found = output.find("roll out")
    put(found, "container.image.tags", {"values": [{"stringValue": "latest"}]})


def workload_elsewhere(output):
    output.find("roll out")["parentSpanId"] = output.find("reconcile GitRepository")["spanId"]


def no_removal(output):
    output.drop(output.find("delete Kustomization"))


def removal_elsewhere(output):
    found = output.find("delete HelmRelease")
    found["parentSpanId"] = next(span for span in output.spans() if span["traceId"] == found["traceId"]
                                 and not span.get("parentSpanId"))["spanId"]


def late_source(output):
    shift(output.find("reconcile GitRepository"), 10)


def other_applied_sum(output):
    put(output.find("reconcile GitRepository"), "flux.total.applied_seconds", 1234.5)


def no_attribution(output):
    put(output.find("reconcile Kustomization"), "flux.attribution", "because")


def incomplete_root(output):
    put(output.find("reconcile GitRepository"), "flux.change.outcome", "incomplete")


def inferred_run(output):
    output.find("reconcile Kustomization", outcome="succeeded")["attributes"].append({"key": "flux.inferred", "value": {"boolValue": True}})


def wait_of_a_retry(output):
    wait = output.find("wait for dependencies")
    put(next(span for span in output.spans() if span["spanId"] == wait["links"][0]["spanId"]), "flux.attempt", "2")


def other_fetch_failure(output):
    put(next(span for span in output.spans() if span["name"] == "fetch" and span.get("status", {}).get("code") == 2), "flux.reason", "Tired")


def longest_queue(output):
    return max((span for span in output.spans() if span["name"] == "wait in queue"),
               key=lambda span: int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"]))


def no_queue(output):
    output.drop(longest_queue(output))


def other_queue(output):
    shift(longest_queue(output), -2, end=False)


SPOILED = {  # what the recording's name begins with, or the name of a hard one → (what is spoiled, the rule that must say so)
    "s01": [(stretched_run, "durations"), (late_run, "durations"), (wrong_revision, "arrivals"), (no_run, "arrivals"), (phase_outside, "phases"),
            (phases_overlap, "phases"), (long_health_check, "health checks"), (no_health_check, "health checks"),
            (health_that_failed, "phase outcomes"), (health_that_failed, "health checks"), (no_wait, "waits"), (early_wait, "waits before runs"),
            (other_sum, "sums"), (other_applied_sum, "sums"), (no_attribution, "attributions"), (incomplete_root, "gaps"), (inferred_run, "gaps"),
            (wait_of_a_retry, "kinds of waiting"), (dead_link, "links"), (wrong_dependency, "links"), (no_workload, "workloads"), (late_workload, "workloads"),
            (early_workload, "workloads"), (other_image, "workloads"), (workload_elsewhere, "workloads"), (late_source, "sources")],
    "s02": [(other_action, "helm actions"), (no_rollback, "helm actions"), (rollback_nobody_made, "helm evidence"), (long_upgrade, "helm durations"),
            (other_chart, "helm actions"), (other_helm_message, "helm evidence"), (no_workload, "workloads")],
    "s03": [(other_message, "failures"), (no_failure, "failures")],
    "s05": [(no_queue, "queues"), (other_queue, "queues")],
    "s05b": [(cancelled_that_failed, "cancellations")],
    "chart-missing": [(other_fetch_failure, "failed fetches")],
    "s12": [(no_removal, "removals"), (removal_elsewhere, "removals")],
}


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    program, recordings = sys.argv[1:]
    wrong = 0
    with tempfile.TemporaryDirectory() as place:
        path = os.path.join(place, "traces.jsonl")
        for begin, cases in SPOILED.items():
            folder = next((os.path.join(recordings, each) for each in sorted(os.listdir(recordings)) if each.startswith(begin + "-")),
                          os.path.join(recordings, "hard", begin))
            subprocess.run([program, "replay", "--stream", os.path.join(folder, "stream.jsonl.gz"), "--output", path, "--no-waterfall"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
            with open(path, encoding="utf-8") as stream:
                requests = [json.loads(line) for line in stream]
            recording = Recording(folder)
            for spoil, expected in cases:
                output = Output(requests)
                spoil(output)
                output.write(path)
                failed = [rule.name for rule in judge(recording, Traces(path)) if rule.failures]
                wrong += expected not in failed
                judged = "ok   " if expected in failed else "WRONG"
                print(f"{judged} {begin} {spoil.__name__}: {', '.join(failed) or 'nothing'} failed, {expected} expected")
        wrong += check_bad_input(place, recordings)
    sys.exit(1 if wrong else 0)


def check_bad_input(place, recordings):
    """Exit status 2 for what cannot be read: absent, or not what it should be."""
    broken = os.path.join(place, "broken.jsonl")
    with open(broken, "w", encoding="utf-8") as stream:
        stream.write("no JSON\n")
    folder = os.path.join(recordings, sorted(each for each in os.listdir(recordings) if each.startswith("s"))[0])
    wrong = 0
    for arguments in ([place, broken], [folder, broken], [folder, os.path.join(place, "absent")], [folder], []):
        ended = subprocess.run([sys.executable, "-B", os.path.join(HERE, "check_posts.py"), *arguments], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        wrong += ended.returncode != 2 or not ended.stderr
        print(f"{'ok   ' if ended.returncode == 2 else 'WRONG'} bad input: status {ended.returncode}")
    return wrong


main()
