#!/usr/bin/env python3
"""Run the program with bad input of every sort and hold each answer against what is documented.

usage: tests/program/command_line.py PROGRAM RECORDINGS

Every complaint is one line on standard error that names the input, the place and the remedy, and the exit status tells
bad input (2) from work that failed (1).
"""
import datetime
import gzip
import json
import os
import socket
import subprocess
import sys
import tempfile

PROGRAM, RECORDINGS = sys.argv[1:] if len(sys.argv) == 3 else sys.exit(__doc__)
STREAM = os.path.join(RECORDINGS, "s01-three-kustomizations", "stream.jsonl.gz")
failures = []
checks = 0


def program(*arguments, env=None):
    surroundings = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
        if name in os.environ:
            surroundings[name] = os.environ[name]
    surroundings.update(env or {})
    return subprocess.run([PROGRAM, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False,
                          env=surroundings, encoding="utf-8", errors="replace")


def wrong(what, done, why):
    failures.append(what)
    print(f"WRONG {what}: {why}\n  status {done.returncode}\n  out {done.stdout[-600:]!r}\n  err {done.stderr[-1500:]!r}")


def expect(what, done, status, *parts, lines=None):
    """The status, and all parts in one line of standard error; `lines`: how many lines there may be."""
    global checks
    checks += 1
    if done.returncode != status:
        return wrong(what, done, f"exit status is not {status}")
    found = done.stderr.splitlines()
    if lines is not None and len(found) != lines:
        return wrong(what, done, f"{len(found)} lines on standard error, not {lines}")
    if not any(all(part in line for part in parts) for line in found):
        return wrong(what, done, f"no line has {parts}")
    return None


def complains(what, done, *parts):
    expect(what, done, 2, "trace-controller", *parts, lines=1)


def write(name, data):
    path = os.path.join(place, name)
    with open(path, "wb") as out:
        out.write(data if isinstance(data, bytes) else data.encode())
    return path


def replay(stream, *more, env=None):
    return program("replay", "--stream", stream, "--no-waterfall", *more, env=env)


def port_of_nobody():
    """A socket that has a port and does not listen: who connects is refused, for as long as it is open."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    return held


def flags_and_values():
    complains("no command", program(), "command")
    complains("unknown command", program("fly"), "fly")
    complains("unknown flag", program("run", "--watch-everything"), "--watch-everything")
    complains("unknown flag of replay", program("replay", "--stream", STREAM, "--seed", "3"), "--seed")
    complains("no value", program("replay", "--stream"), "--stream")
    complains("required flag", program("replay"), "--stream")
    complains("wrong number", program("run", "--scheduler-threads", "many"), "--scheduler-threads", "many")
    complains("wrong duration", program("run", "--backfill", "soon"), "--backfill", "soon")
    complains("wrong choice", program("run", "--log-encoding", "xml"), "--log-encoding", "xml", "json")
    complains("wrong address", program("run", "--metrics-addr", "nowhere:http"), "--metrics-addr", "nowhere:http")
    complains("no namespace", program("run", "--namespace", "Bad_NS!"), "--namespace", "Bad_NS!")
    own = write("own.jsonl", gzip.open(STREAM).read())
    complains("output onto the recording", replay(own, "--output", own), "--output", "own.jsonl", "another file")
    with open(own, "rb") as still:
        if not still.read(1):
            failures.append("output onto the recording empties it")
    complains("wrong seed", replay(STREAM, "--shuffle", "-1"), "--shuffle", "-1")
    complains("missing config file", program("run", "--config", "/nonexistent/c.yaml"), "/nonexistent/c.yaml")
    complains("wrong key in the config file", program("run", "--config", write("c.yaml", "fly: true\n")), "c.yaml", "fly")
    for arguments in (["--help"], ["run", "--help"], ["replay", "--help"], ["record", "--help"], ["version"], ["--version"]):
        done = program(*arguments)
        if done.returncode != 0 or done.stderr or not done.stdout:
            wrong(" ".join(arguments), done, "help goes to standard output, with status 0")


def kubeconfig(user, server="https://127.0.0.1:1"):
    return ("apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: k, cluster: {server: '" + server + "'}}]\n"
            "contexts: [{name: c, context: {cluster: k, user: u}}]\nusers: [{name: u, user: {" + user + "}}]\n")


# Ended in 2020. What it is signed with does not matter here.
EXPIRED = """-----BEGIN CERTIFICATE-----
MIIBFjCBvQIUIhTqnLxL3b9HuyoxYALzKMSjq6AwCgYIKoZIzj0EAwIwDjEMMAoG
A1UEAwwDb2xkMB4XDTIwMDEwMTAwMDAwMFoXDTIwMDEwMjAwMDAwMFowDjEMMAoG
A1UEAwwDb2xkMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEH1e4XZ6b8hk7MORz
Xk9q3RcqTKcYuCifUgEqOgnUucMID25vaog0LqFDb6GMp9+xFpNteytlxQZtWszO
4z06yjAKBggqhkjOPQQDAgNIADBFAiB6YZgstuSkxewBZJYX4oxgphFSl7D4PrMd
cr3QZVsFAgIhAMsVfX0ViHKS2r14Jy86wPmyHleCCad4K2KhCUHDHO4i
-----END CERTIFICATE-----
"""


def clusters():
    for command, more in (("run", ["--metrics-addr", "0", "--health-addr", "0", "--log-level", "error"]),
                          ("record", ["--output", os.path.join(place, "r.jsonl")])):
        def ask(*arguments, env=None, command=command, more=more):
            return program(command, *more, *arguments, env=env)
        complains(f"{command}: no kubeconfig", ask("--kubeconfig", "/nonexistent/k"), "/nonexistent/k")
        complains(f"{command}: $KUBECONFIG", ask(env={"KUBECONFIG": "/nonexistent/k"}), "/nonexistent/k")
        complains(f"{command}: no cluster at all", ask(), "kubeconfig")
        complains(f"{command}: a folder", ask("--kubeconfig", place), place)
        complains(f"{command}: not YAML", ask("--kubeconfig", write("bad", "a: [")), "bad")
        complains(f"{command}: not a kubeconfig", ask("--kubeconfig", write("other", "kind: Pod\n")), "other")
        good = write("good", kubeconfig("token: t"))
        complains(f"{command}: unknown context", ask("--kubeconfig", good, "--context", "prod"), "good", "prod")
        lacks = write("lacks", kubeconfig("client-certificate: gone.pem, client-key: gone.key"))
        complains(f"{command}: no certificate file", ask("--kubeconfig", lacks), "gone.pem", "lacks")
        plugin = write("plugin", kubeconfig("exec: {apiVersion: client.authentication.k8s.io/v1, command: no-such-plugin, "
                                            "interactiveMode: Never}"))
        complains(f"{command}: no credential plugin", ask("--kubeconfig", plugin), "no-such-plugin")
        old = write("old", kubeconfig(f"client-certificate: {write('old.pem', EXPIRED)}, client-key: {write('old.key', 'key')}"))
        complains(f"{command}: expired certificate", ask("--kubeconfig", old), "old", "expired on 2020-01-02", "renew")
    port = socket.socket()
    port.bind(("127.0.0.1", 0))
    port.listen(1)
    taken = f"127.0.0.1:{port.getsockname()[1]}"
    for flag, other in (("--metrics-addr", "--health-addr"), ("--health-addr", "--metrics-addr")):
        complains(f"{flag} in use", program("run", "--kubeconfig", write("good", kubeconfig("token: t")), flag, taken, other, "0",
                                            "--log-level", "error"), flag, taken)
    port.close()
    older = write("older.jsonl", "a recording\n")
    try:  # nobody answers there
        subprocess.run([PROGRAM, "record", "--kubeconfig", write("good", kubeconfig("token: t")), "--output", older],
                       stdin=subprocess.DEVNULL, capture_output=True, timeout=3, check=False)
    except subprocess.TimeoutExpired:
        pass
    with open(older, encoding="utf-8") as still:
        if still.read() != "a recording\n":
            failures.append("record empties an older recording although nobody answers")
    complains("record into a missing folder", program("record", "--kubeconfig", write("good", kubeconfig("token: t")), "--output",
                                                      "/nonexistent/r.jsonl"), "--output", "/nonexistent/r.jsonl")


TRACE = """kind: Trace
metadata: {name: apps, namespace: flux-system}
spec:
  providerRef: {name: b}
  eventSources: [{kind: Kustomization, name: "*"}]
"""


def manifests():
    def ask(text):
        return replay(STREAM, "--manifests", write("m.yaml", text))
    complains("missing manifests", replay(STREAM, "--manifests", "/nonexistent/m.yaml"), "--manifests", "/nonexistent/m.yaml")
    complains("manifests not YAML", ask("a: ["), "--manifests", "m.yaml", "YAML")
    complains("no Trace", ask("kind: Namespace\nmetadata: {name: a}\n"), "--manifests", "no Trace")
    complains("empty manifests", ask(""), "--manifests", "no Trace")
    complains("no kind", ask("replicas: 1\n"), "m.yaml, document 1", "'kind'")
    complains("bad regex", ask(TRACE + "  inclusionList: ['a(b']\n"), "--manifests", "apps", "inclusionList", "a(b")
    complains("bad second regex", ask(TRACE + "  exclusionList: [a, '*']\n"), "apps", "exclusionList")
    complains("bad field", ask("kind: Namespace\n---\n" + TRACE + "  timeout: never\n"), "m.yaml, document 2", "spec.timeout")
    expect("good manifests", ask(TRACE), 0, "traces")


def streams():
    with gzip.open(STREAM) as packed:
        lines = packed.read().splitlines(keepends=True)
    whole = b"".join(lines)
    complains("missing stream", replay("/nonexistent/s.jsonl"), "--stream", "/nonexistent/s.jsonl")
    complains("stream is a folder", replay(place), "--stream", place)
    complains("empty stream", replay(write("empty.jsonl", b"")), "--stream", "empty.jsonl")
    complains("missing posts", replay(STREAM, "--posts", "/nonexistent/p.jsonl"), "--posts", "/nonexistent/p.jsonl")
    with open(STREAM, "rb") as packed:
        half = packed.read()[:9000]
    written = os.path.join(place, "written.jsonl")
    straight = replay(STREAM, "--output", written)
    if straight.returncode != 0:
        wrong("a recording from a file", straight, "exit status is not 0")
    with open(written, "rb") as out:
        spans = out.read()
    for data in (whole, gzip.compress(whole)):
        piped = subprocess.run([PROGRAM, "replay", "--stream", "/dev/stdin", "--output", written], input=data, capture_output=True, timeout=120,
                               check=False, env={**os.environ, "TMPDIR": place, "HOME": "/nonexistent"})
        with open(written, "rb") as out:
            same = out.read() == spans
        expect("a recording from a pipe", subprocess.CompletedProcess([], piped.returncode, "", f"same: {same}"), 0, "same: True")
    if any(name.startswith("trace-controller-") for name in os.listdir(place)):
        wrong("no copy is left behind", piped, os.listdir(place))
    complains("gzip cut off", replay(write("half.jsonl.gz", half)), "--stream", "half.jsonl.gz", "ends early")
    expect("gzip damaged", replay(write("hurt.jsonl.gz", half[:2000] + b"\0" * 500 + half[2500:])), 2, "--stream", "hurt.jsonl.gz", "gzip")
    expect("not a recording", replay(write("text.jsonl", "hello\nworld\n")), 2, "--stream", "text.jsonl", "`record`")

    cut = lines[:40] + [lines[40][:200] + b"\n"] + lines[41:]
    done = replay(write("cut.jsonl", b"".join(cut)))
    expect("a line cut off", done, 0, "cut.jsonl:41")
    expect("a line cut off is counted", done, 0, "1 lines skipped")
    done = replay(write("last.jsonl", whole[:-100]))
    expect("the last line cut off", done, 0, f"last.jsonl:{len(lines)}")

    def line(kind, **more):
        return json.dumps({"receivedAt": "2026-11-21T08:50:36Z", "type": "ADDED", "object": {
            "apiVersion": "example.com/v1", "kind": kind, "metadata": {"name": "x", "namespace": "d", "uid": "u"}, **more}}).encode() + b"\n"
    plain = os.path.join(place, "plain.out")
    expect("the plain stream", replay(write("plain.jsonl", whole), "--output", plain), 0, "traces")
    for what, extra in (("unknown kinds", [line("Widget"), line("Gadget")]),
                        ("an object of 5 MB", [line("Widget", spec={"text": "x" * 5_000_000})]),
                        ("a ConfigMap of 5 MB", [line("ConfigMap", data={"text": "\\u00fc" * 900_000})])):
        output = os.path.join(place, "extra.out")
        expect(what, replay(write("extra.jsonl", b"".join(lines[:40] + extra + lines[40:])), "--output", output), 0, "traces")
        if open(plain, "rb").read() != open(output, "rb").read():
            failures.append(what)
            print(f"WRONG {what}: the traces differ from those without")
    huge = json.loads(lines[34])
    huge["object"]["metadata"]["annotations"]["note"] = "x" * 5_000_000
    output = os.path.join(place, "huge.out")
    expect("a source of 5 MB", replay(write("huge.jsonl", b"".join(lines[:34] + [json.dumps(huge).encode() + b"\n"] + lines[35:])),
                                      "--output", output), 0, "traces")
    expect("bad posts", replay(STREAM, "--posts", write("posts.jsonl", '{"receivedAt":"x"}\n')), 0, "posts.jsonl:1")


def outputs():
    complains("output into a missing folder", replay(STREAM, "--output", "/nonexistent/o.jsonl"), "--output", "/nonexistent/o.jsonl")
    complains("output is a folder", replay(STREAM, "--output", place), "--output", place)
    with port_of_nobody() as held:
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        done = replay(STREAM, "--output", url)
    expect("nobody listens", done, 1, "trace-controller replay: --output", url, "OTLP", lines=1)
    expect("no URL", replay(STREAM, "--output", "http://"), 1, "--output")
    expect("a full disk", replay(STREAM, "--output", "/dev/full"), 1, "--output", "/dev/full")
    texts = []
    for number in range(2):
        output = os.path.join(place, f"same-{number}.jsonl")
        expect("replay", replay(STREAM, "--output", output), 0, "traces")
        texts.append(open(output, "rb").read())
    done = replay(STREAM, "--output", "-")
    texts.append(done.stdout.encode())
    if not texts[0] or texts[0] != texts[1] or texts[0] != texts[2]:
        wrong("the same recording", done, "two replays give different bytes")
    drawn = [program("replay", "--stream", STREAM, "--width", "100").stdout for _ in range(2)]
    if not drawn[0] or drawn[0] != drawn[1]:
        wrong("the same recording", done, "two replays draw different waterfalls")


with tempfile.TemporaryDirectory() as place:
    began = datetime.datetime.now()
    for part in (flags_and_values, clusters, manifests, streams, outputs):
        part()
    print(f"{checks} checks, {len(failures)} wrong, {(datetime.datetime.now() - began).total_seconds():.1f} s")
sys.exit(1 if failures else 0)
