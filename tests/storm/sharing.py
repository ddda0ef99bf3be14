#!/usr/bin/env python3
"""Replicas that share the shards of a storm's Traces by Leases: in mid-storm one is killed, one more comes, one stands still until its
Leases have run out, and one is asked to end. Each Trace must have what the truth says, and nothing may be sent twice but what those that were
killed or stood still had no time to tell of.

usage: tests/storm/sharing.py STORM STORM_SERVER PROGRAM

A process beside them follows the same storm with a Trace of its own; what it sends is held against the truth, and what each Trace of the
replicas brought its backend against that. One more replica divides by another number of shards, and must follow nothing. Nothing leans on
time but the Leases themselves: the storm goes on at its own pace, and each step waits for what it leads to.
"""
import contextlib
import os
import re
import signal
import sys
import tempfile
import time

import stand_in

# Seconds. A machine that stands still for longer than RENEW makes replicas stop sending until they have renewed their Leases.
LEASE, RENEW, RETRY = 12, 8, 0.5
# How long a replica looks on before it takes shards from others. No change of this storm is open for longer than 30 s, but for the last.
WARM_UP = 45
SHARDS, TRACES = 4, 12  # by their UIDs each shard has at least one
STORM = ["--seed", "7", "--commits", "6", "--commit-every", "8", "--interval", "20", "--rest", "5", "--sources", "4", "--rollout", "4"]


class Replica(stand_in.Program):
    def __init__(self, given, number, shards=SHARDS, warm_up=0):
        program, api, place = given
        self.name = f"replica {number}"
        super().__init__(program, api.kubeconfig, place, f"--shard=auto/{shards}", "--watch-label-selector=for=replicas", api.backfill(),
                         f"--shard-warm-up={warm_up}s",
                         f"--leader-election-lease-duration={LEASE}s", f"--leader-election-renew-deadline={RENEW}s",
                         f"--leader-election-retry-period={int(RETRY * 1000)}ms", "--scheduler-threads=1", "--shutdown-timeout=60s",
                         log=f"replica-{number}.log", environment={**os.environ, "RUNTIME_NAMESPACE": "flux-system"}, ready=False)

    def metric(self, name):
        found = re.search(rf"^trace_controller_{name} (\d+)", self.metrics(), re.MULTILINE)
        return int(found[1]) if found else 0

    def held(self):
        return 0 if self.has_ended() else self.metric("shards_held")

    def traces(self):
        return set() if self.has_ended() else {name.partition("/")[2] for name in self.books()["traces"]}


def expect(good, problem, replicas=()):
    if not good:
        raise AssertionError(problem + "".join(f"\n-- {each.name}:\n{each.text()[-2500:]}" for each in replicas))


def wait_until_shared(replicas, of, since=None):
    """Every shard has an owner, every Trace is followed, and nobody has two more than another."""
    def is_shared():
        held = [each.held() for each in replicas]
        followed = [name for each in replicas for name in each.traces()]
        return sum(held) == SHARDS and max(held) - min(held) <= 1 and sorted(followed) == of
    try:
        stand_in.wait_for("shares", is_shared, 240)
    except AssertionError:
        expect(False, f"the shards are not shared: {[(each.name, each.held(), each.traces()) for each in replicas]}", replicas)
    took = f" after {time.monotonic() - since:.1f} s" if since else ""
    print(f"shards{took}: " + ", ".join(f"{each.name} {each.held()} ({len(each.traces())} Traces)" for each in replicas))


def again(backends):
    return {name: each.again() for name, each in backends.items()}


def steps(given, api, replicas, backends):
    """Returns the Traces that were taken from somebody who had not handed them over, and who is left."""
    names = sorted(backends)
    wait_until_shared(replicas, names)
    stranger = Replica(given, "with 3", 3)
    replicas.append(stranger)
    api.play()
    events = api.status()["events"]

    def wait_for_share(share):
        stand_in.wait_for("the storm", lambda: api.status()["shown"] >= events * share, 600)

    wait_for_share(0.2)
    running = sorted(replicas[:3], key=lambda each: len(each.traces()))
    killed = running.pop()
    orphaned = killed.traces()
    killed.process.kill()
    killed.process.wait()
    print(f"killed: {killed.name}, with {len(orphaned)} Traces")
    since = time.monotonic()
    newcomer = Replica(given, 3, warm_up=WARM_UP)
    replicas.append(newcomer)
    wait_until_shared(running, names, since)
    wait_until_shared([*running, newcomer], names, since)
    expect("this replica has not watched for --shard-warm-up yet" in newcomer.text(), "it did not look on first", [newcomer])
    stalled = running[0]
    stalled_traces = stalled.traces()
    orphaned |= stalled_traces
    stalled.process.send_signal(signal.SIGSTOP)
    print(f"stopped: {stalled.name}, with {len(stalled_traces)} Traces")
    since = time.monotonic()
    wait_until_shared([running[1], newcomer], names, since)
    stalled.process.send_signal(signal.SIGCONT)
    stand_in.wait_for("what it has lost", lambda: "shard lost" in stalled.text())
    wait_until_shared([*running, newcomer], names, since)
    wait_for_share(0.7)
    before = again(backends)
    ended = max(running, key=lambda each: len(each.traces()))
    running.remove(ended)
    handed = ended.traces()
    since = time.monotonic()
    ended.process.send_signal(signal.SIGTERM)
    expect(ended.process.wait(120) == 0, "it did not end well", [ended])
    expect("could not be delivered in time" not in ended.text(), "it handed over what it had not delivered", [ended])
    print(f"asked to end: {ended.name}, with {len(handed)} Traces")
    wait_until_shared([*running, newcomer], names, since)
    stand_in.wait_for("the end of the storm", api.is_heard, 600)
    for name in names:
        expect(name in orphaned or backends[name].again() == before[name], f"{name} was handed over and has spans twice", replicas)
    expect(stranger.held() == 0 and not stranger.traces(), "two numbers of shards at the same time", [stranger])
    expect("replicas with another number of shards are there" in stranger.text(), "it does not say why it stands by", [stranger])
    return orphaned, [*running, newcomer]


def main():
    storm, server, program = (os.path.abspath(each) for each in sys.argv[1:4])
    with tempfile.TemporaryDirectory(prefix="tc-sharing-") as place, contextlib.ExitStack() as stack:
        recording = os.path.join(place, "storm")
        status, text = stand_in.run([storm, "--output", recording, *STORM])
        print(text, end="")
        expect(status == 0, "there is no storm")
        alone = stack.enter_context(stand_in.SpanBackend(place, "alone"))
        backends = {f"storm-{number}": stack.enter_context(stand_in.SpanBackend(place, f"storm-{number}")) for number in range(TRACES)}
        objects = [stand_in.named_manifests("alone", alone.port)]
        objects += [stand_in.named_manifests(name, each.port, "replicas") for name, each in backends.items()]
        api = stack.enter_context(stand_in.StandIn(server, recording, place, "---\n".join(objects), "--speed", "1"))
        undisturbed = stack.enter_context(stand_in.Program(program, api.kubeconfig, place, api.backfill(), "--watch-label-selector=for=alone",
                                                           "--scheduler-threads=1"))
        given = (program, api, place)
        replicas = []
        try:
            for number in range(3):
                replicas.append(Replica(given, number))
            orphaned, left = steps(given, api, replicas, backends)
            changes = stand_in.changes_of(api.judge)
            stand_in.wait_until_delivered(undisturbed, alone, changes)
            for each in left:
                stand_in.wait_for("the last traces", each.is_at_rest, 600)
            status, text = stand_in.check_truth(api.judge, os.path.join(place, "alone.jsonl"))
            expect(status == 0, text)
            print(text.splitlines()[-1])
            for name, backend in sorted(backends.items()):
                stand_in.wait_for(f"the spans of {name}", lambda backend=backend: len(backend.spans) >= len(alone.spans), 300)
                stand_in.compare_spans(alone.spans, backend.spans)
                expect(name in orphaned or backend.again() == 0, f"{backend.again()} spans of {name} were sent twice", replicas)
            twice = sum(each.again() for each in backends.values())
            print(f"{TRACES} Traces, each with {len(alone.spans)} spans as an undisturbed process sends them; {twice} spans sent twice, "
                  f"of the {len(orphaned)} Traces of those that were killed or stood still")
        except AssertionError as problem:
            expect(False, str(problem), replicas)
        finally:
            for each in replicas:
                each.end(by_force=True)


main()
