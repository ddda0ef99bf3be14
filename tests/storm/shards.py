#!/usr/bin/env python3
"""A storm to one process that follows all Traces, and beside it to as many as have shards of them: together these must send what the one
sends, and no two of them the same.

usage: tests/storm/shards.py STORM STORM_SERVER PROGRAM [--counts 2,4] [--traces 12] [--storm OPTIONS] [--server OPTIONS]
                                                        [--one-after-another]

Each process has a backend of its own, told by OpenTelemetry's variables; the Provider leaves the address open. For each process: the
Traces, changes and spans it had, processor seconds and memory. With --one-after-another each count plays the storm anew, without the
others beside it: for figures, since then there is nothing to compare with but the truth's number of changes.
"""
import argparse
import contextlib
import json
import os
import shlex
import sys
import tempfile

import stand_in


class Backend(stand_in.Backend):
    """Keeps for each span what it says."""

    def __init__(self, place, name):
        super().__init__(os.path.join(place, name + ".jsonl"))
        self.spans, self.received = {}, 0

    def take(self, at, body):
        super().take(at, b"")
        with self.lock:
            for resources in json.loads(body).get("resourceSpans", []):
                for scope in resources["scopeSpans"]:
                    for span in scope["spans"]:
                        self.received += 1
                        said = {each["key"]: each["value"].get("stringValue") for each in span.get("attributes", [])}
                        self.spans[span["traceId"], span["spanId"]] = (
                            span["name"], span.get("parentSpanId", ""), said.get("flux.span.kind"), said.get("flux.outcome"))


def manifests(count):
    """Traces that follow the whole storm and share no trace, so that each has its own in the one process too."""
    provider, out = None, []
    for number in range(count):
        trace, provider = (json.loads(text) for text in stand_in.manifests(0, scope="Trace").split("\n---\n"))
        trace["metadata"]["name"] = f"storm-{number}"
        out.append(json.dumps(trace))
    del provider["spec"]["address"]
    return "\n---\n".join([*out, json.dumps(provider)]) + "\n"


class Process:
    def __init__(self, stack, given, api, place, shard):
        self.shard = shard
        name = "process-" + shard.replace("/", "-of-")
        self.backend = stack.enter_context(Backend(place, name))
        self.program = stack.enter_context(stand_in.Program(
            given.programs[2], api.kubeconfig, place, api.backfill(), f"--shard={shard}", "--scheduler-threads=1", log=name + ".log",
            environment={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.backend.port}",
                         "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}))

    def traces(self):
        return self.program.books()["traces"]

    def finish(self, changes):
        """Waits until each of its Traces has each change delivered, and nothing more comes. A shard without a Trace has nothing to wait
        for."""
        def is_delivered():
            traces = self.traces().values()
            return all(each["exported"] >= changes for each in traces)
        stand_in.wait_for("all traces", is_delivered, 1800)
        if self.traces():
            stand_in.wait_until_delivered(self.program, self.backend, quiet=2.5)

    def figures(self):
        memory = self.program.memory()[1]
        exported = sum(each["exported"] for each in self.traces().values())
        return (f"  shard {self.shard}: {len(self.traces())} Traces, {exported} changes, {len(self.backend.spans)} spans, "
                f"{self.program.processor_seconds():.1f} s of processor, at most {memory:.0f} MiB")


def expect(good, problem):
    if not good:
        raise AssertionError(problem)


def compare(whole, parts):
    """What the parts sent is what the whole sent, each of it once."""
    together = {}
    for part in parts:
        expect(part.backend.received == len(part.backend.spans), f"shard {part.shard} sent spans twice")
        for key, what in part.backend.spans.items():
            expect(key not in together, f"two shards sent {key} {what}")
            together[key] = what
    names = [name for part in parts for name in part.traces()]
    expect(sorted(names) == sorted(whole.traces()), f"the Traces are not divided: {names}")
    wanted = whole.backend.spans
    problems = [f"lost: {key} {what}" for key, what in wanted.items() if key not in together]
    problems += [f"differs: {key} {what}, not {wanted.get(key)}" for key, what in together.items() if what != wanted.get(key)]
    expect(not problems, "\n  ".join(problems[:20]))
    print(f"{len(parts)} shards: {len(together)} spans, as one process sends them")


def play(given, recording, place, counts):
    os.makedirs(place)
    with contextlib.ExitStack() as stack:
        api = stack.enter_context(stand_in.StandIn(given.programs[1], recording, place, manifests(given.traces), *shlex.split(given.server)))
        processes = {count: [Process(stack, given, api, place, f"{index}/{count}") for index in range(count)] for count in counts}
        api.play()
        stand_in.wait_for("the end of the storm", api.is_heard, 3600)
        changes = stand_in.changes_of(api.judge)
        for of in processes.values():
            # The books come once a second.
            stand_in.wait_for("the Traces", lambda of=of: sum(len(each.traces()) for each in of) >= given.traces)
            for each in of:
                each.finish(changes)
        for count in counts:
            print(f"{count} process{'es' if count > 1 else ''}:")
            for each in processes[count]:
                print(each.figures())
            if count > 1 and 1 in processes:
                compare(processes[1][0], processes[count])


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    arguments.add_argument("programs", nargs=3, metavar="STORM STORM_SERVER PROGRAM")
    arguments.add_argument("--counts", default="2,4")
    arguments.add_argument("--traces", type=int, default=12)
    arguments.add_argument("--storm", default="--seed 5 --commits 3")
    arguments.add_argument("--server", default="--rate 200")
    arguments.add_argument("--one-after-another", action="store_true")
    given = arguments.parse_args()
    given.programs = [os.path.abspath(each) for each in given.programs]
    counts = [1, *(int(each) for each in given.counts.split(","))]
    with tempfile.TemporaryDirectory(prefix="tc-shards-") as folder:
        recording = os.path.join(folder, "storm")
        status, text = stand_in.run([given.programs[0], "--output", recording, *shlex.split(given.storm)])
        print(text, end="")
        expect(status == 0, "there is no storm")
        for round_of in [[each] for each in counts] if given.one_after_another else [counts]:
            play(given, recording, os.path.join(folder, "of-" + "-".join(str(each) for each in round_of)), round_of)


sys.exit(main())
