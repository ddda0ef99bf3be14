"""A storm that is played to `trace-controller run` by the stand-in API server, and how long its finished changes take to the backend."""
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "storm"))
import stand_in

SETTLE_AFTER = 1.0  # seconds
COMMIT_EVERY = 60.0  # seconds of the storm's own time


class Outcome:
    """What one play took: events worked off in a second, cores, MiB at the most, processor seconds, and the sorted lags in seconds."""

    def __init__(self, rate, cores, memory, processor, lags):
        self.rate, self.cores, self.memory, self.processor, self.lags = rate, cores, memory, processor, lags

    def lag(self, part):
        """In milliseconds; `part` of all changes were no later."""
        return 1000 * self.lags[min(len(self.lags) - 1, int(part * len(self.lags)))]


def make(storm, recording, sources, commits):
    """Makes a storm in which what finishes a change is a status patch of a Kustomization: all have spec.wait."""
    status, text = stand_in.run([storm, "--output", recording, "--sources", str(sources), "--commits", str(commits), "--commit-every",
                                 str(COMMIT_EVERY), "--waits", "1", "--interval", "3600"])
    if status != 0:
        sys.exit(text)


def played(recording):
    """The storm's events in the order of /storm/sent, as (kind, namespace/name, applied revision or None)."""
    begun = set()
    with open(os.path.join(recording, "stream.jsonl"), encoding="utf-8") as lines:
        for text in lines:
            line = json.loads(text)
            thing = line["object"]
            if line["type"] == "BOOKMARK":
                begun.add(thing["kind"])
            elif thing["kind"] in begun:
                name = thing["metadata"].get("namespace", "") + "/" + thing["metadata"]["name"]
                applied = thing.get("status", {}).get("lastAppliedRevision") if thing["kind"] == "Kustomization" else None
                yield thing["kind"], name, applied


def finished_at(recording, sent):
    """By revision and source: when the last Kustomization had it applied, in seconds since 1970, and how many had."""
    last, found = {}, {}
    for (_, name, applied), at in zip(played(recording), sent):
        if applied is None or last.get(name) == applied or not at:
            continue
        last[name] = applied
        when, count = found.get(applied, (0, 0))
        found[applied] = (max(when, at / 1e9), count + 1)
    return found


def wanted(judge):
    """By revision: how many Kustomizations take it, for changes in which all succeeds."""
    with open(os.path.join(judge, "truth.json"), encoding="utf-8") as read:
        truth = json.load(read)
    result = {}
    for change in truth["changes"]:
        if all(run["outcomes"] == ["Succeeded"] for run in change["runs"]):
            result[change["revision"]] = len([run for run in change["runs"] if run["kind"] == "Kustomization"])
    return result


def arrivals(backend, output):
    """By revision: when the first request with the root of its trace came."""
    backend.output.flush()
    found = {}
    with open(output, encoding="utf-8") as lines:
        for (at, _), text in zip(backend.arrivals, lines):
            for resource in json.loads(text).get("resourceSpans", []):
                for scope in resource["scopeSpans"]:
                    for span in scope["spans"]:
                        if not span.get("parentSpanId"):
                            said = {each["key"]: each["value"].get("stringValue") for each in span.get("attributes", [])}
                            found.setdefault(said.get("flux.revision"), at)
    return found


def is_worked_off(subject):
    """All that was read has been worked off, as the books said it last: once a second."""
    return re.search(r"^trace_controller_observations_waiting 0$", subject.metrics(), re.MULTILINE) is not None


def play(place, recording, server, program, pace=(), flags=()):
    """Plays the storm once."""
    output = os.path.join(place, "out.jsonl")
    with stand_in.Backend(output) as backend, \
            stand_in.StandIn(server, recording, place, stand_in.manifests(backend.port, f"{SETTLE_AFTER:g}s"), "--keep-times", *pace) as api, \
            stand_in.Program(program, api.kubeconfig, place, api.backfill(), *flags) as subject:
        began, before = time.monotonic(), subject.processor_seconds()
        api.play()
        stand_in.wait_for("the end of the storm", api.is_heard, 3600)
        stand_in.wait_for("what was heard to be worked off", lambda: is_worked_off(subject), 3600)
        heard = time.monotonic() - began
        cores = (subject.processor_seconds() - before) / heard
        events = api.status()["events"]
        stand_in.wait_until_delivered(subject, backend, stand_in.changes_of(api.judge))
        processor, memory = subject.processor_seconds() - before, subject.memory()[1]
        sent = [int(each) for each in stand_in.request(api.port, "/storm/sent").split()]
        if subject.end() != 0:
            sys.exit("the program did not end well: " + subject.text()[-2000:])
        finished, came = finished_at(recording, sent), arrivals(backend, output)
        lags = [came[revision] - finished[revision][0] - SETTLE_AFTER for revision, count in wanted(api.judge).items()
                if revision in came and finished.get(revision, (0, 0))[1] == count]
    if len(lags) < 20:
        sys.exit(f"only {len(lags)} changes finished as they should: too few for a percentile")
    return Outcome(events / heard, cores, memory, processor, sorted(lags))
