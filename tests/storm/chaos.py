#!/usr/bin/env python3
"""Faults under a storm: everything goes wrong at once for a while, and in the end every run of the truth is in its trace.

usage: tests/storm/chaos.py STORM STORM_SERVER PROGRAM [--seconds N] [--seed N] [--folder FOLDER] [--without FAULT]...

The storm goes on at its own pace, as in a cluster. Meanwhile, drawn from the seed: the API server cuts its watches, lets them fall silent, forgets
all history, restarts, answers slowly; the backend is away, and slow; the program is stopped and continued, its actors crash, its clock is set
forward and back (with libfaketime), and its address space is bounded. HTTP events are posted beside it and repeated until they are taken, as
Flux's controllers do. Afterwards: each run of the truth is in its trace and nothing else is, the books balance, and memory is at rest.
"""
import argparse
import glob
import http.client
import json
import os
import random
import re
import resource
import signal
import sys
import tempfile
import threading
import time

import stand_in

MOST_ADDRESS_SPACE = 3 << 30
MOST_REST_MIB = 200
OF_THE_PROGRAM = ("away", "slow-backend", "stop", "clock")


class Posts(threading.Thread):
    """Posts the storm's HTTP events at their times, again and again until each is taken."""

    def __init__(self, file, port):
        super().__init__(daemon=True)
        self.port, self.taken, self.stopped = port, 0, False
        with open(file, encoding="utf-8") as read:
            self.events = [json.loads(line) for line in read]

    def run(self):
        for event in self.events:
            due = stand_in.seconds_of(event["receivedAt"])
            while not self.stopped and time.time() < due:
                time.sleep(min(0.2, max(0.0, due - time.time())))
            while not self.stopped and not self.post(json.dumps(event["body"])):
                time.sleep(0.2)
            if self.stopped:
                return
            self.taken += 1

    def post(self, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            return connection.getresponse().status == 202
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


class Disturber(threading.Thread):
    """What goes wrong with the program and its backend, one thing after another."""

    def __init__(self, seed, kinds, program, backend, clock):
        super().__init__(daemon=True)
        self.random, self.kinds, self.program, self.backend, self.clock = random.Random(seed), kinds, program, backend, clock
        self.ended, self.struck = threading.Event(), {}

    def run(self):
        while self.kinds and not self.ended.wait(self.random.uniform(0.5, 4)):
            kind = self.random.choice(self.kinds)
            self.struck[kind] = self.struck.get(kind, 0) + 1
            self.strike(kind, self.random.uniform(0.5, 4))

    def strike(self, kind, seconds):
        if kind == "away":
            self.backend.away = True
            self.ended.wait(seconds)
            self.backend.away = False
        elif kind == "slow-backend":
            self.backend.delay = 0.5
            self.ended.wait(seconds)
            self.backend.delay = 0.0
        elif kind == "stop":
            self.program.process.send_signal(signal.SIGSTOP)
            self.ended.wait(seconds)
            self.program.process.send_signal(signal.SIGCONT)
        elif kind == "clock":
            self.clock.set(self.random.uniform(-5, 5))
            self.ended.wait(seconds)
            self.clock.set(0)

    def end(self):
        self.ended.set()
        self.join()


class Clock:
    """The program's wall clock, where libfaketime is installed. Its monotonic clock stays as it is."""

    def __init__(self, place):
        self.file = os.path.join(place, "clock")
        found = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
        self.library = found[0] if found else None
        self.set(0)

    def set(self, seconds):
        with open(self.file + ".new", "w", encoding="ascii") as out:
            out.write(f"{seconds:+.3f}\n")
        os.rename(self.file + ".new", self.file)

    def environment(self):
        if not self.library:
            return {}
        return {"LD_PRELOAD": self.library, "FAKETIME_TIMESTAMP_FILE": self.file, "FAKETIME_CACHE_DURATION": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}


def judged(judge, output, bad):
    """Adds what is wrong with the traces."""
    status, text = stand_in.check_truth(judge, output)
    figures = text.splitlines()[-1]
    print(figures)
    if status != 0:
        bad.append("the traces are not true:\n  " + "\n  ".join(text.splitlines()[:12]))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    arguments.add_argument("programs", nargs=3, metavar="STORM STORM_SERVER PROGRAM")
    arguments.add_argument("--seconds", type=int, default=75, help="how long the storm lasts")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--folder", help="keep everything there")
    arguments.add_argument("--without", action="append", default=[],
                           help="cut, stall, expire, restart, slow, away, slow-backend, stop, clock, crash, limit")
    given = arguments.parse_args()
    storm, server, program = (os.path.abspath(each) for each in given.programs)
    without, bad = set(given.without), []
    with tempfile.TemporaryDirectory(prefix="tc-chaos-") as temporary:
        place = given.folder or temporary
        os.makedirs(place, exist_ok=True)
        recording, output = os.path.join(place, "storm"), os.path.join(place, "out.jsonl")
        commits = max(2, (given.seconds - 45) // 8)
        status, text = stand_in.run([storm, "--output", recording, "--seed", str(given.seed), "--sources", "6", "--commits", str(commits),
                                     "--commit-every", "6", "--interval", "15", "--rest", "25", "--broken", "0.1"])
        print(text, end="")
        if status != 0:
            return 1
        of_server = ",".join(each for each in ("cut", "stall", "expire", "restart", "slow") if each not in without)
        faults = ["--faults", of_server, "--fault-every", "4", "--fault-seed", str(given.seed)] if of_server else []
        clock = Clock(place)
        environment = {**os.environ, **(clock.environment() if "clock" not in without else {})}
        if "crash" not in without:
            environment["TRACE_CONTROLLER_CRASH_EVERY"] = "29"
        kinds = [each for each in OF_THE_PROGRAM if each not in without and (each != "clock" or clock.library)]
        if "clock" not in without and not clock.library:
            print("no clock steps: libfaketime is not installed (apt-get install libfaketime)")

        def limit():
            if "limit" not in without:
                resource.setrlimit(resource.RLIMIT_AS, (MOST_ADDRESS_SPACE, MOST_ADDRESS_SPACE))

        with stand_in.Backend(output) as backend, \
                stand_in.StandIn(server, recording, place, stand_in.manifests(backend.port, "5s"), "--speed", "1", *faults) as api, \
                stand_in.Program(program, api.kubeconfig, place, "--backfill=30m", "--events-addr=127.0.0.1:0", "--exporter-probe-interval=1s",
                                 environment=environment, before=limit) as subject:
            port = int(stand_in.wait_for("the port for events", lambda: re.findall(r'"flag":"--events-addr","port":"?(\d+)', subject.text()))[0])
            at_start, _ = subject.memory()
            posts = Posts(os.path.join(api.judge, "posts.jsonl"), port)
            api.play()
            disturber = Disturber(given.seed, kinds, subject, backend, clock)
            posts.start()
            disturber.start()
            stand_in.wait_for("the end of the storm", api.is_heard, given.seconds * 3 + 60)
            disturber.end()
            posts.join(60)
            books = stand_in.wait_until_delivered(subject, backend, stand_in.changes_of(api.judge), 7, 300)
            now, peak = subject.memory()
            told = api.status()
            restarts = {kind: int(float(count)) for kind, count in
                        re.findall(r'actor_restarts_total\{[^}]*="(\w+)"\} (\S+)', subject.metrics())}
            print(f"struck: API server {told['faults']}, program and backend {disturber.struck}, crashes {restarts}")
            print(f"{told['events']} events, {posts.taken} of {len(posts.events)} posts taken; memory {at_start:.0f} MiB at the start, "
                  f"{now:.0f} at the end, {peak:.0f} at the most")
            print("books: " + json.dumps(books["traces"]))
            for what, each in list(books["traces"].items()) + list(books["exporters"].items()):
                if not each["balanced"] or each["dropped"]:
                    bad.append(f"the books of {what}: {each}")
            if now > MOST_REST_MIB:
                bad.append(f"{now:.0f} MiB at rest, {MOST_REST_MIB} are enough")
            if "crash" not in without and not restarts:
                bad.append("no actor crashed")
            if subject.end() != 0:
                bad.append("the program did not end well: " + subject.text()[-1500:])
            backend.output.flush()
            judged(api.judge, output, bad)
    for each in bad:
        print("WRONG " + each)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
