#!/usr/bin/env python3
"""Kill the program in the midst of recordings, again and again on one data directory, and compare what its backend has in the end
with what an undisturbed run sends.

usage: tests/program/durability.py PROGRAM RECORDINGS [--kills COUNT] [--seed SEED] [CASE]...

In the case `killed` the HTTP events of the recording are posted too, each until it is answered 202, as Flux's controllers do. Of those
that were accepted no more than the last may be missing in the store's file after a kill, never one before them; and what was in the file once
stays. COUNT is $TC_DURABILITY_KILLS when that is set, else 20.

Around the program is a small API server with history, as a real one has: lists, watches from a version, status patches; and a
backend that takes OTLP/HTTP JSON, and is away at times. Cases: killed, compacted (the API server cannot tell what was missed, and
nothing was), young (killed when it has just become ready), full, damaged, removed. Without: all.
"""
import argparse
import datetime
import glob
import gzip
import http.client
import http.server
import json
import os
import queue
import random
import re
import resource
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import zlib

PATIENCE = 180  # seconds that a step may take before it counts as failed: the machine may be slow, and do other things
SETTLE_AFTER = 1
SERVED = {
    "GitRepository": "source.toolkit.fluxcd.io/v1/gitrepositories",
    "OCIRepository": "source.toolkit.fluxcd.io/v1/ocirepositories",
    "HelmChart": "source.toolkit.fluxcd.io/v1/helmcharts",
    "HelmRepository": "source.toolkit.fluxcd.io/v1/helmrepositories",
    "Kustomization": "kustomize.toolkit.fluxcd.io/v1/kustomizations",
    "HelmRelease": "helm.toolkit.fluxcd.io/v2/helmreleases",
    "Deployment": "apps/v1/deployments",
    "Trace": "notification.toolkit.fluxcd.io/v1/traces",
    "Provider": "notification.toolkit.fluxcd.io/v1/providers",
}
TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass  # a client that was killed


def serve(answer):
    """Starts a server on loopback whose requests `answer` handles. Returns it and its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer(self, body)

        def reply(self, status, body=b"{}", kind="application/json"):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}"


class Cluster:
    """An API server with history."""

    def __init__(self):
        self.lock = threading.Lock()
        self.objects = {kind: {} for kind in SERVED}
        self.history = {kind: [] for kind in SERVED}  # (version, line)
        self.oldest = {kind: 0 for kind in SERVED}
        self.watches = {kind: set() for kind in SERVED}
        self.version = 0
        self.told = 0  # how many observations an undisturbed program makes of it
        self.own_version = 10**9
        self.status = {}
        self.server, self.url = serve(self.answer)

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def tell(self, kind, event, thing):
        """With the lock held."""
        version = int(thing["metadata"]["resourceVersion"])
        line = json.dumps({"type": event, "object": thing}).encode() + b"\n"
        self.history[kind].append((version, line))
        for watch in self.watches[kind]:
            watch.put(line)

    def put(self, event, thing):
        kind = thing["kind"]
        name = thing["metadata"].get("namespace", "") + "/" + thing["metadata"]["name"]
        with self.lock:
            if kind in ("Trace", "Provider"):
                self.own_version += 1
                thing["metadata"]["resourceVersion"] = str(self.own_version)
            else:
                self.version = int(thing["metadata"]["resourceVersion"])
                self.told += 1
            if event == "DELETED":
                self.objects[kind].pop(name, None)
            else:
                event = "MODIFIED" if name in self.objects[kind] else "ADDED"
                self.objects[kind][name] = thing
            self.tell(kind, event, thing)

    def forget(self):
        """Compacts: no watch can go on from before."""
        with self.lock:
            for kind, lines in self.history.items():
                if lines:
                    self.oldest[kind] = lines[-1][0]
                    lines.clear()

    def answer(self, request, body):
        path, _, query = request.path.partition("?")
        query = dict(part.partition("=")[::2] for part in query.split("&") if part)
        if request.command == "PATCH":
            return self.patch(request, body)
        if request.command == "POST":
            return request.reply(201, body)
        for kind, place in SERVED.items():
            group, version, plural = place.split("/")
            if path == f"/apis/{group}":
                return request.reply(200, json.dumps({"kind": "APIGroup", "versions": [{"version": version}]}).encode())
            if path == f"/apis/{group}/{version}":
                resources = [{"name": each.split("/")[2], "kind": other} for other, each in SERVED.items()
                             if each.startswith(f"{group}/{version}/")]
                return request.reply(200, json.dumps({"kind": "APIResourceList", "resources": resources}).encode())
            if path == f"/apis/{place}":
                return self.watch(request, kind, query) if query.get("watch") == "true" else self.list(request, kind)
        return request.reply(404, b"404 page not found", "text/plain")

    def position(self, kind):
        return self.own_version if kind in ("Trace", "Provider") else self.version

    def list(self, request, kind):
        with self.lock:
            things = {"kind": kind + "List", "apiVersion": "v1", "metadata": {"resourceVersion": str(self.position(kind))},
                      "items": list(self.objects[kind].values())}
        request.reply(200, json.dumps(things).encode())

    def watch(self, request, kind, query):
        lines = queue.Queue()
        with self.lock:
            if query.get("sendInitialEvents") == "true":
                for thing in self.objects[kind].values():
                    lines.put(json.dumps({"type": "ADDED", "object": thing}).encode() + b"\n")
                lines.put(json.dumps({"type": "BOOKMARK", "object": {"kind": kind, "metadata": {
                    "resourceVersion": str(self.position(kind)), "annotations": {"k8s.io/initial-events-end": "true"}}}}).encode() + b"\n")
            elif int(query["resourceVersion"]) < self.oldest[kind]:
                lines.put(b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}\n')
            else:
                for version, line in self.history[kind]:
                    if version > int(query["resourceVersion"]):
                        lines.put(line)
            self.watches[kind].add(lines)
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        request.close_connection = True
        try:
            while True:
                try:
                    line = lines.get(timeout=1)
                except queue.Empty:
                    with self.lock:
                        version = str(self.position(kind))
                        # Only what is not in the queue yet can come after it.
                        line = json.dumps({"type": "BOOKMARK", "object": {"kind": kind, "metadata": {
                            "resourceVersion": version}}}).encode() + b"\n" if lines.empty() else b""
                    if not line:
                        continue
                request.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        except OSError:
            pass
        finally:
            with self.lock:
                self.watches[kind].discard(lines)

    def patch(self, request, body):
        with self.lock:
            thing = json.loads(json.dumps(next(iter(self.objects["Trace"].values()))))
        for step in json.loads(body):
            at = step["path"].strip("/").split("/")
            here = thing
            for part in at[:-1]:
                here = here.setdefault(part, {})
            if step["op"] in ("add", "replace"):
                here[at[-1]] = step["value"]
            elif step["op"] == "remove":
                here.pop(at[-1], None)
        self.status = thing.get("status", {})
        self.put("MODIFIED", thing)
        request.reply(200, json.dumps(thing).encode())


class Backend:
    """Takes OTLP/HTTP JSON; keeps for each span what it says."""

    def __init__(self):
        self.lock = threading.Lock()
        self.spans = {}
        self.received = 0
        self.away = False
        self.server, address = serve(self.answer)
        self.url = address.replace("http://", "http+json://")

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request, body):
        if self.away:
            return request.reply(503)
        if request.headers.get("Content-Encoding") == "gzip":
            body = zlib.decompress(body, 31)
        with self.lock:
            for resources in json.loads(body).get("resourceSpans", []):
                for scope in resources["scopeSpans"]:
                    for span in scope["spans"]:
                        self.received += 1
                        said = {each["key"]: each["value"].get("stringValue") for each in span.get("attributes", [])}
                        self.spans[span["traceId"], span["spanId"]] = (
                            span["name"], span.get("parentSpanId", ""), said.get("flux.span.kind"), said.get("flux.outcome"),
                            said.get("flux.reason"))
        return request.reply(200)


class Scene:
    """A recording with its times moved to a minute ago, what plays it, and what it is played to."""

    def __init__(self, recording, shift=None):
        lines = lines_of(recording)
        if shift is None:
            shift = moment(time.time() - 60) - moment(lines[-1]["receivedAt"])
        self.shift = shift
        with gzip.open(os.path.join(RECORDINGS, recording, "posts.jsonl.gz"), "rt", encoding="utf-8") as stream:
            self.posts = [json.loads(line) for line in stream]
        self.first, self.rest, listed = [], [], set()
        for line in lines:
            thing = line["object"]
            if line["type"] == "BOOKMARK":
                listed.add(thing["kind"])
            elif thing["kind"] in SERVED and thing["kind"] not in ("Trace", "Provider"):
                moved = TIMES.sub(lambda found: written(moment(found[0]) + shift), json.dumps(thing))
                (self.rest if thing["kind"] in listed else self.first).append((line["type"], json.loads(moved)))
        # As the API server wrote them; the recorder had one watch for each kind. A watch that is told how far the API server
        # has come, and goes on from there, must not have missed anything.
        for lines in (self.first, self.rest):
            lines.sort(key=lambda line: int(line[1]["metadata"]["resourceVersion"]))
        # Which events follow each line, by time of arrival.
        arrivals = {(line["object"]["kind"], line["object"]["metadata"].get("resourceVersion")): moment(line["receivedAt"])
                    for line in lines_of(recording)}
        self.posts_before, at, now = {}, 0, 0
        for number, (_, thing) in enumerate(self.rest):
            now = max(now, arrivals.get((thing["kind"], thing["metadata"]["resourceVersion"]), 0))
            first = at
            while at < len(self.posts) and (moment(self.posts[at]["receivedAt"]) <= now or number == len(self.rest) - 1):
                at += 1
            self.posts_before[number] = range(first, at)

    def post(self, number):
        """An event of the recording as it is posted: with its time moved, and a mark in its message that no other has."""
        event = json.loads(TIMES.sub(lambda found: written(moment(found[0]) + self.shift), json.dumps(self.posts[number]["body"])))
        event["message"] += " " + mark_of(number)
        return json.dumps(event).encode()

    def __enter__(self):
        self.cluster, self.backend = Cluster(), Backend()
        self.folder = tempfile.mkdtemp(prefix="tc-durability-")
        for event, thing in self.first:
            self.cluster.put(event, thing)
        spec = {"providerRef": {"name": "backend"}, "settleAfter": f"{SETTLE_AFTER}s", "timeout": "1h",
                "eventSources": [{"kind": kind, "name": "*", "namespace": namespace} for kind in ("Kustomization", "HelmRelease")
                                 for namespace in sorted({thing["metadata"]["namespace"] for _, thing in self.first + self.rest
                                                          if "namespace" in thing["metadata"]})]}
        self.cluster.put("ADDED", {"apiVersion": "notification.toolkit.fluxcd.io/v1", "kind": "Trace", "spec": spec,
                                   "metadata": {"namespace": "flux-system", "name": "demo", "uid": "demo", "generation": 1}})
        self.cluster.put("ADDED", {"apiVersion": "notification.toolkit.fluxcd.io/v1", "kind": "Provider",
                                   "spec": {"type": "otlp", "address": self.backend.url},
                                   "metadata": {"namespace": "flux-system", "name": "backend", "uid": "backend", "generation": 1}})
        with open(os.path.join(self.folder, "kubeconfig"), "w", encoding="utf-8") as out:
            json.dump({"current-context": "c", "clusters": [{"name": "k", "cluster": {"server": self.cluster.url}}],
                       "users": [{"name": "u", "user": {"token": "t"}}],
                       "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}]}, out)
        return self

    def __exit__(self, *_):
        self.cluster.close()
        self.backend.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def data(self, name=""):
        return os.path.join(self.folder, "data", name)

    def between_changes(self):
        """Returns the part of the recording after which the last change begins."""
        revision, begin = None, 0
        for at, (_, thing) in enumerate(self.rest):
            now = thing.get("status", {}).get("artifact", {}).get("revision")
            if thing["kind"] == "GitRepository" and now and now != revision:
                revision, begin = now, at
        return begin / len(self.rest)

    def play(self, pause, first=0.0, last=1.0, post=None):
        """From one part of the recording to another. `post` is told the number of each event that is due."""
        size = len(self.rest)
        for number in range(int(size * first), int(size * last)):
            for each in self.posts_before[number] if post else ():
                post(each)
            self.cluster.put(*self.rest[number])
            time.sleep(pause)

    def marks_kept(self):
        """The marks in the store's file, as they would be found after a loss of power at this moment; None while it cannot be read."""
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            try:
                for name in ("store.db-wal", "store.db"):  # the log first: what it says is not in the file yet
                    if os.path.exists(self.data(name)):
                        shutil.copy(self.data(name), place)
                with sqlite3.connect(os.path.join(place, "store.db")) as file:
                    rows = file.execute("SELECT content FROM observations").fetchall()
            except (OSError, sqlite3.Error):
                return None  # it is being written
            return {int(found) for (content,) in rows for found in MARK.findall(content)}


class Controllers:
    """Post the events of a recording in their order, each until it is taken."""

    def __init__(self, scene):
        self.scene = scene
        self.due = queue.Queue()
        self.accepted = []  # numbers, in their order
        self.lock = threading.Lock()  # held from a question until what was answered is noted
        self.problem = None
        # Held, so that nobody else gets it while no program listens: a socket that only has its port, and lets others have it who ask for it by number.
        self.held = socket.socket()
        self.held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.held.bind(("127.0.0.1", 0))
        self.port = self.held.getsockname()[1]
        # Events of other kinds are answered and not kept.
        self.followed = {number for number, post in enumerate(scene.posts) if post["body"]["involvedObject"]["kind"] in SERVED}
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            number = self.due.get()
            if number is None:
                return
            body = self.scene.post(number)
            while not self.is_taken(number, body):
                time.sleep(0.02)
                if self.problem:
                    return

    def is_taken(self, number, body):
        with self.lock:
            if not self.is_answered(body):
                return False
            self.accepted.append(number)
            return True

    def is_answered(self, body):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            connection.close()
        except (OSError, http.client.HTTPException):
            return False  # the program has been killed
        if answer.status != 202:
            self.problem = f"an event was answered {answer.status}"
            return False
        return True

    def taken(self):
        """What was accepted. With the program dead nothing more is: what it had answered last has been noted, however late we got to read it."""
        with self.lock:
            return list(self.accepted)

    def flags(self):
        return (f"--events-addr=127.0.0.1:{self.port}",)

    def finish(self):
        """All that is due is taken, and nothing more will be."""
        self.due.put(None)
        self.thread.join(PATIENCE)
        if self.problem or self.thread.is_alive():
            raise AssertionError(self.problem or "waited in vain for the events to be taken")
        self.held.close()

    def expect_kept(self, before):
        """After a kill. `before`: how many had been accepted, and which were in the file once."""
        count, known = before
        kept = self.scene.marks_kept()
        if kept is None:
            return before  # killed before there was a file
        if known - kept:
            raise AssertionError(f"events that were in the file are lost: {sorted(known - kept)}")
        taken = self.taken()
        lately = [number in kept for number in taken[count:] if number in self.followed]
        if any(later and not sooner for sooner, later in zip(lately, lately[1:])):
            raise AssertionError(f"an event was lost and one after it was not: {taken[count:]}, {lately}")
        return len(taken), known | kept


class Program:
    def __init__(self, scene, *more, durable=True, full=False, wait=True):
        self.lines = []
        data = ["--data-dir", scene.data()] if durable else []
        self.process = subprocess.Popen(
            [PROGRAM, "run", "--kubeconfig", os.path.join(scene.folder, "kubeconfig"), "--health-addr=0", "--metrics-addr=127.0.0.1:0",
             "--backfill=1h", "--scheduler-threads=2", "--shutdown-timeout=5s", "--exporter-probe-interval=1s", *data, *more],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8", errors="replace")
        if full:
            self.let_files_grow(False)
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stderr), daemon=True)
        self.reader.start()
        if not wait:
            return
        try:
            wait_for("the first lists", lambda: "the first lists are complete" in self.text() or self.process.poll() is not None)
            if self.process.poll() is not None:
                raise AssertionError("the program has ended")
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{error}: {self.text()[-2500:]}") from error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def text(self):
        return "".join(list(self.lines))

    def kill(self):
        if self.process.poll() is not None and not self.reader.is_alive():
            return
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stderr.close()

    def let_files_grow(self, they_may):
        """What a full disk is like: to write beyond a file's end fails."""
        _, most = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (most if they_may else 1, most))

    def port(self):
        found = []
        wait_for("the port of /metrics", lambda: found.extend(re.findall(r'"flag":"--metrics-addr","port":"?(\d+)', self.text())) or found)
        return int(found[0])

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port(), timeout=PATIENCE)
        connection.request("GET", path)
        text = connection.getresponse().read().decode()
        connection.close()
        return text

    def books(self):
        return json.loads(self.get("/debug/books"))


def moment(value):
    if isinstance(value, (int, float)):
        return int(value) * 10**9
    whole, _, part = value.rstrip("Z").partition(".")
    seconds = datetime.datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.timezone.utc).timestamp()
    return int(seconds) * 10**9 + int((part + "0" * 9)[:9])


def lines_of(recording):
    with gzip.open(os.path.join(RECORDINGS, recording, "stream.jsonl.gz"), "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def mark_of(number):
    return f"[event {number}]"


MARK = re.compile(rb"\[event (\d+)\]")


def written(nanoseconds):
    seconds, part = divmod(nanoseconds, 10**9)
    text = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return text + (f".{part:09d}" if part else "") + "Z"


def wait_for(what, condition, patience=PATIENCE):
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("waited in vain for " + what)
        time.sleep(0.02)


def at_rest(program, pending=False):
    """All that is known has its fate, and the books balance. With `pending`, nothing may be open either."""
    books = program.books()
    if not books["balanced"]:
        raise AssertionError("the books do not balance: " + json.dumps(books))
    traces = list(books["traces"].values())
    return (bool(traces) and all(each["waiting"] == 0 and not (pending and each["pending"]) for each in traces) and
            all(each["pending"] == 0 for each in books["exporters"].values()))


def is_seen(scene, program, events=0):
    return program.books()["observations"] >= scene.cluster.told + events


def is_kept(scene, program):
    return program.books()["dataDirectory"]["observations"] >= scene.cluster.told


def finish(scene, program, wanted=None, pending=False):
    """Waits until the backend has all that is wanted, and nothing more comes. Returns what it has."""
    scene.backend.away = False
    if wanted is not None:
        try:
            wait_for("all spans", lambda: set(wanted) <= set(scene.backend.spans))
        except AssertionError:
            compare(wanted, scene.backend.spans, program)  # says which
    quiet = time.monotonic() + 2.5 * SETTLE_AFTER + 1
    seen = -1
    while time.monotonic() < quiet:
        if len(scene.backend.spans) != seen:
            seen = len(scene.backend.spans)
            quiet = time.monotonic() + 2.5 * SETTLE_AFTER + 1
        time.sleep(0.05)
    wait_for("the books to come to rest", lambda: at_rest(program, pending))
    return dict(scene.backend.spans)


def undisturbed(recording, in_halves=False, events=False):
    """What the others are compared with: by how much the times were moved, all that is sent, and what is sent before the last change."""
    with Scene(recording) as scene:
        posting = Controllers(scene) if events else None
        with Program(scene, *posting.flags() if posting else (), durable=False) as program:
            return undisturbed_in(scene, program, in_halves, posting)


def undisturbed_in(scene, program, in_halves, posting):
    before, begin = {}, 0
    if in_halves:
        begin = scene.between_changes()
        scene.play(PAUSE, 0, begin)
        wait_for("the first half to be seen", lambda: is_seen(scene, program))
        before = finish(scene, program, pending=True)
    scene.play(PAUSE, begin, post=posting and posting.due.put)
    if posting:
        posting.finish()
    wait_for("all to be seen", lambda: is_seen(scene, program, len(posting.followed) if posting else 0))
    everything = finish(scene, program, pending=True)
    if not everything:
        raise AssertionError("an undisturbed run sends nothing: " + program.text()[-3000:])
    return scene.shift, everything, before


def compare(wanted, got, program):
    problems = []
    for key, what in got.items():
        if key not in wanted:
            problems.append(f"under a new ID: {key} {what}")
        elif what != wanted[key]:
            problems.append(f"another span under an ID: {key} {what}, not {wanted[key]}")
    problems += [f"lost: {key} {what}" for key, what in wanted.items() if key not in got]
    if problems:
        raise AssertionError("\n  ".join(problems[:20]) + "\n" + program.text()[-2500:])


PAUSE = 0.01


def expect_no_damage(scene):
    if glob.glob(scene.data("*damaged*")):
        raise AssertionError("a sound file was taken for damaged")


def killed(recording, seed, kills):
    shift, wanted, _ = undisturbed(recording, events=True)
    dice = random.Random(seed)
    with Scene(recording, shift) as scene:
        posting = Controllers(scene)
        player = threading.Thread(target=scene.play, args=(PAUSE * kills / 3,), kwargs={"post": posting.due.put}, daemon=True)
        program = Program(scene, *posting.flags())
        player.start()
        before = (0, set())
        for _ in range(kills):
            with program:
                scene.backend.away = dice.random() < 0.4
                time.sleep(dice.choice([0.05, 0.2, 0.5, 1, 2]) * dice.random())
                if dice.random() < 0.3:
                    # What was answered is written soon, and from then on no kill takes it away.
                    taken = set(posting.taken()[before[0]:])
                    wait_for("the events to be kept", lambda: taken & posting.followed <= (scene.marks_kept() or set()))
                    before = (before[0], before[1] | taken & posting.followed)
            before = posting.expect_kept(before)
            time.sleep(0.1 * dice.random())
            # Most are killed at work, some while they start.
            program = Program(scene, *posting.flags(), wait=dice.random() < 0.4)
        with program:
            player.join()
            posting.finish()
            lost = set(posting.taken()[:before[0]]) & posting.followed - before[1]
            finish(scene, program, wanted)
            expect_no_damage(scene)
            compare(wanted, scene.backend.spans, program)
            wait_for("the last events to be kept", lambda: set(posting.taken()) & posting.followed - lost <= (scene.marks_kept() or set()))
            again = scene.backend.received - len(scene.backend.spans)
            print(f"  {recording}: {kills} kills, {len(wanted)} spans, {again} of them sent again; {len(scene.posts)} events, "
                  f"{len(lost)} of them answered and lost in the moment before a kill", flush=True)


CASES = {}


def case(name):
    def note(function):
        CASES[name] = function
        return function

    return note


@case("killed")
def _(kills, seed):
    recordings = ["s01-three-kustomizations", "s02-helm", "s03-failures", "s05-superseded", "s11-rollback-to-old-sha"]
    for number, recording in enumerate(recordings):
        killed(recording, seed + number, (kills + number) // len(recordings))


@case("young")
def _(_kills, _seed):
    """Killed as soon as it says that the first lists are complete, again and again: what happens from then on is told to the next one."""
    for recording in ("s02-helm", "s03-failures"):
        shift, wanted, _ = undisturbed(recording)
        with Scene(recording, shift) as scene:
            with Program(scene):
                pass
            for part in range(3):
                scene.play(PAUSE, part / 3, (part + 1) / 3)  # nobody listens
                with Program(scene) as program:
                    if part == 2:
                        finish(scene, program, wanted)
                        expect_no_damage(scene)
                        compare(wanted, scene.backend.spans, program)


@case("compacted")
def _(_kills, seed):
    """The API server has forgotten the versions from which the watches would go on, but nothing happened meanwhile."""
    for recording in ("s03-failures", "s12-prune-delete"):
        shift, wanted, _ = undisturbed(recording)
        dice = random.Random(seed)
        parts = [0.0, *sorted(dice.random() for _ in range(4)), 1.0]
        with Scene(recording, shift) as scene:
            for first, last in zip(parts, parts[1:]):
                with Program(scene) as program:
                    scene.play(PAUSE, first, last)
                    wait_for("what was played to be kept", lambda: is_kept(scene, program))
                    if last == 1.0:
                        finish(scene, program, wanted)
                        expect_no_damage(scene)
                        compare(wanted, scene.backend.spans, program)
                scene.cluster.forget()


@case("full")
def _(_kills, _seed):
    """The disk is full in the midst of it, and when the next process starts."""
    shift, wanted, _ = undisturbed("s01-three-kustomizations")
    with Scene("s01-three-kustomizations", shift) as scene:
        with Program(scene) as program:
            scene.play(PAUSE, 0, 0.2)
            program.let_files_grow(False)
            scene.backend.away = True
            scene.play(PAUSE, 0.2, 0.5)
            wait_for("a word on it", lambda: "cannot be written; going on in memory" in program.text())
            wait_for("the metric", lambda: "trace_controller_store_healthy 0" in program.get("/metrics"))
            wait_for("the books", lambda: program.books()["dataDirectory"]["problem"])
        with Program(scene, full=True) as program:
            scene.play(PAUSE, 0.5, 0.8)
            wait_for("a word on it", lambda: "cannot be written; going on in memory" in program.text())
            program.let_files_grow(True)
            wait_for("it to heal", lambda: "the data directory works again" in program.text())
            scene.play(PAUSE, 0.8, 0.9)
            wait_for("what was played to be kept", lambda: is_kept(scene, program))
        with Program(scene) as program:
            scene.play(PAUSE, 0.9, 1)
            finish(scene, program, wanted)
            expect_no_damage(scene)
            compare(wanted, scene.backend.spans, program)


def half_and_half(seed, harm):
    """What had been delivered is not sent under other IDs, and what comes after the harm is all there."""
    recording = "s04-nested"
    shift, wanted, before = undisturbed(recording, in_halves=True)
    dice = random.Random(seed)
    for _ in range(3):
        with Scene(recording, shift) as scene:
            half = scene.between_changes()
            with Program(scene) as program:
                scene.play(PAUSE, 0, half)
                wait_for("the first half to be kept", lambda: is_kept(scene, program))
                finish(scene, program, before, pending=True)
                harm(scene, dice, program)
            with Program(scene) as program:
                scene.play(PAUSE, half, 1)
                finish(scene, program, wanted)
                compare(wanted, scene.backend.spans, program)


def damage(scene, dice, program):
    program.kill()
    for path in glob.glob(scene.data("store.db*")):
        with open(path, "r+b") as out:
            size = out.seek(0, os.SEEK_END)
            for _ in range(20):
                out.seek(dice.randrange(size or 1))
                out.write(bytes([dice.randrange(256)]))


@case("damaged")
def _(_kills, seed):
    half_and_half(seed, damage)


@case("removed")
def _(_kills, seed):
    half_and_half(seed, lambda scene, _dice, _program: shutil.rmtree(scene.data()))


def main():
    for name in ARGUMENTS.cases or CASES:
        print(name, flush=True)
        CASES[name](ARGUMENTS.kills, ARGUMENTS.seed)
    print("all as it should be")


parser = argparse.ArgumentParser()
parser.add_argument("program")
parser.add_argument("recordings")
parser.add_argument("--kills", type=int, default=int(os.environ.get("TC_DURABILITY_KILLS") or 20))
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("cases", nargs="*")
ARGUMENTS = parser.parse_intermixed_args()
PROGRAM, RECORDINGS = ARGUMENTS.program, ARGUMENTS.recordings
main()
