#!/usr/bin/env python3
"""Four replicas with leader election under a storm: the leader is killed, the next is asked to end, the one after is cut off from the API
server; the last has to bring the backend everything, and nothing but what was under way may be sent again.

usage: tests/program/failover.py STORM STORM_SERVER PROGRAM

A fifth process without leader election follows the same storm with a Trace of its own and tells what an undisturbed run sends. Every
replica reaches the API server through a gate of its own, which can be closed. Nothing leans on time but the leases themselves.
"""
import http.client
import json
import os
import re
import select
import signal
import socket
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "storm"))
import stand_in  # noqa: E402

# Seconds. A machine that stands still for longer than RENEW makes a leader end, and LEASE - RETRY or LEASE - RENEW is what the tests below allow for.
LEASE, RENEW, RETRY = 12, 6, 0.5
REPLICAS = 4
RATE = 90  # events a second: the storm takes long enough for three takeovers


class Gate:
    """A TCP relay to a port on loopback. Once closed, nothing comes through any more, and nobody is told."""

    def __init__(self, port):
        self.target, self.closed, self.ended = port, False, False
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.wake, self.waker = socket.socketpair()
        self.thread = threading.Thread(target=self.relay, daemon=True)
        self.thread.start()

    def end(self):
        if self.ended:
            return
        self.ended = True
        self.waker.send(b"x")
        self.thread.join()
        self.listener.close()
        self.wake.close()
        self.waker.close()

    def close(self):
        self.closed = True
        self.waker.send(b"x")

    def relay(self):
        peers = {}
        while not self.ended:
            ready, _, _ = select.select([self.wake] if self.closed else [self.wake, self.listener, *peers], [], [])
            for each in ready:
                if each is self.wake:
                    each.recv(1)
                elif each is self.listener:
                    here, _ = each.accept()
                    there = socket.create_connection(("127.0.0.1", self.target))
                    peers[here], peers[there] = there, here
                elif each in peers:
                    try:
                        data = each.recv(1 << 16)
                        if data:
                            peers[each].sendall(data)
                    except OSError:
                        data = b""
                    if not data:
                        other = peers.pop(each)
                        peers.pop(other, None)
                        each.close()
                        other.close()
        for each in peers:
            each.close()


class Replica(stand_in.Program):
    def __init__(self, program, number, api, gate, place, *options):
        kubeconfig = os.path.join(place, f"kubeconfig-{number}")
        with open(api.kubeconfig, encoding="utf-8") as read, open(kubeconfig, "w", encoding="utf-8") as out:
            out.write(re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{gate.port}", read.read()))
        self.number, self.gate = number, gate
        super().__init__(program, kubeconfig, place, "--watch-label-selector=for=replicas", "--enable-leader-election",
                         f"--leader-election-lease-duration={LEASE}s", f"--leader-election-renew-deadline={RENEW}s",
                         f"--leader-election-retry-period={int(RETRY * 1000)}ms", "--health-addr=127.0.0.1:0", *options, log=f"replica-{number}.log",
                         environment={**os.environ, "RUNTIME_NAMESPACE": "flux-system"}, ready=False)

    def said(self, what):
        """The time of the first line of the log with that text, else nothing."""
        for line in self.text().splitlines():
            if what in line and line.startswith("{"):
                return stand_in.seconds_of(json.loads(line)["ts"])
        return None

    def port_of(self, flag):
        return int(stand_in.wait_for("the port of " + flag, lambda: re.findall(f'"flag":"{flag}","port":"?(\\d+)', self.text()))[-1])

    def ask(self, flag, method, path):
        """The status and the text of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port_of(flag), timeout=120)
        try:
            connection.request(method, path, body=b"{}" if method == "POST" else None)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def shows(self):
        """What the metric says: 1 of the leader, 0 of others."""
        return re.findall(r'leader_election_master_status\{name="trace-controller-leader-election-\w+"\} (\d)', self.metrics())

    def leads(self):
        return not self.has_ended() and self.said("leading: what settles is exported from now on") is not None

    def is_idle(self):
        """Everything that has settled is with the backend."""
        traces = self.books()["traces"].values()
        return bool(traces) and all(each["waiting"] == 0 for each in traces)


def the_leader(replicas, but=()):
    """Waits until one of those leads."""
    def found():
        leading = [each for each in replicas if each not in but and each.leads()]
        return leading[0] if leading else None
    return stand_in.wait_for("a leader", found)


def expect(good, problem, *replicas):
    if not good:
        raise AssertionError(problem + "".join(f"\n-- replica {each.number}:\n{each.text()[-2500:]}" for each in replicas))


def kill(leader, others, backend):
    """kill -9: the lease runs out."""
    leader.process.kill()
    leader.process.wait()
    successor = the_leader(others)
    print(f"killed: replica {successor.number} leads, {backend.again()} spans sent again so far")
    return successor


def hand_over(leader, others, backend):
    """SIGTERM: nobody waits for the lease to run out, and nothing is sent again."""
    stand_in.wait_for("all that was sent again", leader.is_idle)
    before = backend.again()
    leader.process.send_signal(signal.SIGTERM)
    successor = the_leader(others)
    given_back = leader.said("the lease is given back")
    expect(given_back, "the lease was not given back", leader)
    took = successor.said("the lease is ours") - given_back
    expect(took < LEASE - RETRY, f"handing over took {took:.1f} s: the lease was waited for", leader, successor)
    stand_in.wait_for("all that was sent again", successor.is_idle)
    expect(backend.again() == before, f"{backend.again() - before} spans were sent again after a handover", leader, successor)
    expect(leader.process.wait(60) == 0, "the leader did not end well", leader)
    print(f"asked to end: replica {successor.number} leads {took:.1f} s later, no span sent again")
    return successor


def cut_off(leader, others, backend):
    """The API server is gone for the leader alone, while it has traces to send: it must not, once another leads."""
    backend.away = True
    leader.gate.close()
    successor = the_leader(others)
    before = backend.received
    stand_in.wait_for("the end of the old leader", leader.has_ended)
    lost = leader.said("leader election lost")
    expect(lost, "the leader did not say that it lost its lease", leader)
    expect(lost <= successor.said("the lease is ours"), "the old leader had not stopped when the next began", leader, successor)
    expect(leader.process.wait() == 1, "the end of a lost leader is a failure", leader)
    expect(backend.received == before, "something was sent to a backend that is away", leader)
    backend.away = False
    leader.gate.end()  # nobody reads behind it any more
    print(f"cut off: replica {successor.number} leads")
    return successor


def main():
    storm, server, program = (os.path.abspath(each) for each in sys.argv[1:4])
    with tempfile.TemporaryDirectory(prefix="tc-failover-") as place:
        recording = os.path.join(place, "storm")
        status, text = stand_in.run([storm, "--output", recording, "--seed", "5", "--commits", "8"])
        expect(status == 0, text)
        with stand_in.SpanBackend(place, "alone") as alone, stand_in.SpanBackend(place, "replicas") as backend, \
                stand_in.StandIn(server, recording, place,
                                 stand_in.named_manifests("alone", alone.port) + "---\n" + stand_in.named_manifests("replicas", backend.port),
                                 "--rate", str(RATE)) as api, \
                stand_in.Program(program, api.kubeconfig, place, api.backfill(), "--watch-label-selector=for=alone",
                                 "--scheduler-threads=1") as undisturbed:
            play(api, undisturbed, alone, backend, program, place)


def look_at_probes(replicas, leader, gate, api, program, place):
    """A standby is ready, unless it would take HTTP events, which are for the leader."""
    for each in replicas:
        expect(each.ask("--health-addr", "GET", "/readyz")[0] == 200, "a replica is not ready", each)
        expect(each.shows() == ["1" if each is leader else "0"], f"the metric says {each.shows()}", each, leader)
    with Replica(program, "with-events", api, gate, place, "--events-addr=127.0.0.1:0") as standby:
        stand_in.wait_for("the first lists", lambda: standby.said("the first lists are complete"))
        for flag, method, path in (("--health-addr", "GET", "/readyz"), ("--events-addr", "POST", "/")):
            status, text = standby.ask(flag, method, path)
            expect(status == 503 and "stands by" in text, f"{flag} answers {status} {text}", standby)


def play(api, undisturbed, alone, backend, program, place):
    gates = [Gate(api.port) for _ in range(REPLICAS)]
    replicas = []
    try:
        for number, gate in enumerate(gates):
            replicas.append(Replica(program, number, api, gate, place, api.backfill(), "--scheduler-threads=1",
                                    "--exporter-probe-interval=1s"))
        for each in replicas:
            stand_in.wait_for("the first lists", lambda each=each: each.said("the first lists are complete"))
        leader = the_leader(replicas)
        look_at_probes(replicas, leader, gates[0], api, program, place)
        api.play()
        events = api.status()["events"]
        running = list(replicas)
        for number, step in enumerate((kill, hand_over, cut_off)):
            stand_in.wait_for("the storm", lambda number=number: api.status()["shown"] >= events * (number + 1) / 5)
            running.remove(leader)
            leader = step(leader, running, backend)
        stand_in.wait_for("the end of the storm", api.is_heard)
        stand_in.wait_until_delivered(undisturbed, alone, stand_in.changes_of(api.judge))
        stand_in.wait_until_delivered(leader, backend, quiet=3)
        stand_in.compare_spans(alone.spans, backend.spans)
        print(f"{len(alone.spans)} spans, {backend.again()} of them sent again")
    finally:
        for each in replicas:
            each.end(by_force=True)
        for each in gates:
            each.end()


main()
