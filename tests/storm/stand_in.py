"""What a run of the program against a storm needs: the stand-in API server that plays it, a backend, and the program itself.

Everything is on loopback, on ports of the system's choice, and ends with the `with` block that began it.
"""
import datetime
import gzip
import http.client
import http.server
import json
import os
import re
import socketserver
import subprocess
import sys
import threading
import time

CHECK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "recordings", "check-truth")


def wait_for(what, condition, patience=120):
    """Returns what the condition returns, once that is true."""
    end = time.monotonic() + patience
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError("waited in vain for " + what)
        time.sleep(0.05)


def seconds_of(text):
    """Seconds since 1970 of an RFC 3339 text in UTC."""
    whole, _, part = text.rstrip("Z").partition(".")
    return datetime.datetime.fromisoformat(whole + "+00:00").timestamp() + float("0." + (part or "0"))


def request(port, path, method="GET", patience=120):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
    try:
        connection.request(method, path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


class Running:
    """A process that ends with the block."""

    def __init__(self, command, errors, environment=None, before=None):
        self.errors = errors
        with open(errors, "wb") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment, preexec_fn=before)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end(by_force=True)

    def text(self):
        with open(self.errors, encoding="utf-8", errors="replace") as read:
            return read.read()

    def has_ended(self):
        return self.process.poll() is not None

    def end(self, by_force=False, patience=60):
        """Returns the exit status."""
        if self.process.poll() is None:
            (self.process.kill if by_force else self.process.terminate)()
        return self.process.wait(patience)

    def memory(self):
        """Resident MiB: now, and at the most."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as read:
            found = dict(re.findall(r"(VmRSS|VmHWM):\s+(\d+) kB", read.read()))
        return int(found["VmRSS"]) / 1024, int(found["VmHWM"]) / 1024

    def processor_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as read:
            fields = read.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Backend:
    """Takes OTLP/HTTP JSON into a file, one request a line, as check-truth reads it, and notes when each arrived.

    `away`: answers 503. `delay`: seconds that an answer takes.
    """

    def __init__(self, output):
        backend = self
        self.output = open(output, "wb")
        self.lock = threading.Lock()
        self.arrivals = []  # (seconds since 1970, number of the line)
        self.away, self.delay, self.lines, self.last = False, 0.0, 0, time.monotonic()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def log_message(self, *_):
                pass

            def do_POST(self):
                at = time.time()
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if backend.delay:
                    time.sleep(backend.delay)
                away = backend.away  # once: it may change while this is answered
                if not away:
                    backend.take(at, gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
                self.send_response(503 if away else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request, client_address):
                pass  # a client that was killed

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def take(self, at, body):
        with self.lock:
            self.output.write(body.replace(b"\n", b" ") + b"\n")
            self.lines += 1
            self.arrivals.append((at, self.lines))
            self.last = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.output.close()


class SpanBackend(Backend):
    """Keeps for each span what it says."""

    def __init__(self, place, name):
        super().__init__(os.path.join(place, name + ".jsonl"))
        self.spans, self.received = {}, 0

    def take(self, at, body):
        super().take(at, body)
        with self.lock:
            for resources in json.loads(body).get("resourceSpans", []):
                for scope in resources["scopeSpans"]:
                    for span in scope["spans"]:
                        said = {each["key"]: each["value"].get("stringValue") for each in span.get("attributes", [])}
                        self.received += 1
                        self.spans[span["traceId"], span["spanId"]] = (
                            span["name"], span.get("parentSpanId", ""), said.get("flux.span.kind"), said.get("flux.outcome"),
                            said.get("flux.reason"))

    def again(self):
        with self.lock:
            return self.received - len(self.spans)


def manifests(port, settle_after="1s", **spec):
    """A Trace that follows the whole storm, and the Provider that it names, as YAML (which JSON is)."""
    trace = {"apiVersion": "notification.toolkit.fluxcd.io/v1", "kind": "Trace", "metadata": {"name": "storm", "namespace": "flux-system"},
             "spec": {"providerRef": {"name": "backend"}, "settleAfter": settle_after, "timeout": "1h",
                      "eventSources": [{"kind": kind, "name": "*"} for kind in ("Kustomization", "HelmRelease")], **spec}}
    provider = {"apiVersion": "notification.toolkit.fluxcd.io/v1", "kind": "Provider",
                "metadata": {"name": "backend", "namespace": "flux-system"},
                "spec": {"type": "otlp", "address": f"http+json://127.0.0.1:{port}"}}
    return json.dumps(trace) + "\n---\n" + json.dumps(provider) + "\n"


def named_manifests(name, port, belongs_to=None):
    """The same under a name of their own, and with a label that selects them."""
    out = []
    for text in manifests(port).split("\n---\n"):
        thing = json.loads(text)
        thing["metadata"]["name"] = name
        thing["metadata"]["labels"] = {"for": belongs_to or name}
        if thing["kind"] == "Trace":
            thing["spec"]["providerRef"]["name"] = name
        out.append(json.dumps(thing))
    return "\n---\n".join(out) + "\n"


class StandIn(Running):
    """The API server that plays the storm of a folder. Writes `kubeconfig` and the moved truth into `place`."""

    def __init__(self, server, storm, place, objects, *options):
        self.kubeconfig = os.path.join(place, "kubeconfig")
        self.judge = place
        with open(os.path.join(place, "manifests.yaml"), "w", encoding="utf-8") as out:
            out.write(objects)
        if os.path.exists(self.kubeconfig):
            os.remove(self.kubeconfig)
        super().__init__([server, "--recording", storm, "--manifests", os.path.join(place, "manifests.yaml"), "--kubeconfig", self.kubeconfig,
                          "--judge", place, *options], os.path.join(place, "server.log"))
        wait_for("the stand-in API server", lambda: os.path.exists(self.kubeconfig) or self.has_ended(), 600)
        if self.has_ended():
            raise AssertionError("the stand-in has ended: " + self.text())
        with open(self.kubeconfig, encoding="utf-8") as read:
            self.port = int(re.search(r"127\.0\.0\.1:(\d+)", read.read())[1])

    def status(self):
        return json.loads(request(self.port, "/storm/status"))

    def backfill(self):
        """What the program needs to take the storm, however old its times are, and not the state that it begins with."""
        return f"--backfill={int(time.time() - seconds_of(self.status()['from'])) + 1800}s"

    def play(self):
        request(self.port, "/storm/play", "POST")

    def strike(self, fault):
        request(self.port, "/storm/fault/" + fault, "POST")

    def is_heard(self):
        """All that is shown has been sent."""
        try:
            now = self.status()
        except (OSError, http.client.HTTPException):
            return False  # it is being restarted
        return now["done"] and now["unsent"] == 0


class Program(Running):
    def __init__(self, program, kubeconfig, place, *options, log="program.log", ready=True, environment=None, before=None):
        super().__init__([program, "run", "--kubeconfig", kubeconfig, "--health-addr=0", "--metrics-addr=127.0.0.1:0",
                          *options], os.path.join(place, log), environment, before)
        if ready:
            wait_for("the first lists", lambda: "the first lists are complete" in self.text() or self.has_ended(), 600)
        if self.has_ended():
            raise AssertionError("the program has ended: " + self.text()[-2000:])

    def port(self):
        return int(wait_for("the port of /metrics",
                            lambda: re.findall(r'"flag":"--metrics-addr","port":"?(\d+)', self.text()))[-1])

    def books(self):
        return json.loads(request(self.port(), "/debug/books"))

    def metrics(self):
        return request(self.port(), "/metrics")

    def is_at_rest(self):
        """Returns the books where every change has its fate and every trace is delivered, else nothing."""
        books = self.books()
        if not books["balanced"]:
            raise AssertionError("the books do not balance: " + json.dumps(books))
        at_rest = bool(books["traces"]) and all(each["waiting"] == 0 for each in books["traces"].values()) and all(
            each["pending"] == 0 for each in books["exporters"].values())
        return books if at_rest else None


def wait_until_delivered(program, backend, changes=0, quiet=4.0, patience=1800):
    """Returns the books once nothing is under way, and nothing more has come for a while. With `changes`, not before so many are exported,
    unless nothing moves for longer than a change waits for a watch that may be behind (trace/lagging_watches.cpp: two minutes)."""
    seen, since = None, time.monotonic()

    def done():
        nonlocal seen, since
        books = program.is_at_rest()
        moved = [(each["observations"], each["exported"]) for each in books["traces"].values()] if books else None
        if moved is None or moved != seen:
            seen, since = moved, time.monotonic()
            return None
        missing = sum(each["exported"] for each in books["traces"].values()) < changes
        return books if min(time.monotonic() - since, time.monotonic() - backend.last) > (150 if missing else quiet) else None
    return wait_for("the last trace", done, patience)


def run(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def changes_of(judge):
    """How many changes the truth has."""
    with open(os.path.join(judge, "truth.json"), encoding="utf-8") as read:
        return len(json.load(read)["changes"])


def check_truth(judge, output):
    return run([sys.executable, "-B", CHECK, judge, output])


def compare_spans(wanted, got):
    """What two backends have is the same."""
    problems = [f"lost: {key} {what}" for key, what in wanted.items() if key not in got]
    problems += [f"not sent by an undisturbed run: {key} {what}" for key, what in got.items() if key not in wanted]
    problems += [f"differs: {key} {what}, not {wanted[key]}" for key, what in got.items() if key in wanted and what != wanted[key]]
    if problems:
        raise AssertionError("\n  ".join(problems[:20]))
