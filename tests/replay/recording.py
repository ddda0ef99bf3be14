"""A recording's raw witnesses: the HTTP events that Flux's controllers posted, and every state of every object that was watched.

Nothing here knows the product. Times are nanoseconds since the epoch.
"""

import gzip
import json
import os
import re
from collections import defaultdict
from datetime import datetime

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
UNITS = {"h": 3600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class BadInput(Exception):
    """A file is missing or is not what it should be."""


def nanoseconds(text):
    """RFC 3339 with up to microseconds, UTC."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return int(moment.timestamp()) * SECOND + moment.microsecond * 1000


def go_seconds(text):
    """Go's Duration.String() in seconds: "1m2.5s", "350.1ms"."""
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+)(h|ms|us|µs|ns|m|s)", text))


def find(folder, name):
    """The path of a file of the recording, plain or compressed."""
    for path in (os.path.join(folder, name), os.path.join(folder, name + ".gz")):
        if os.path.exists(path):
            return path
    raise BadInput(f"{folder} has no {name}")


def lines(path):
    """Each JSON line of a plain or compressed file."""
    opened = gzip.open if path.endswith(".gz") else open
    try:
        with opened(path, "rt", encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    try:
                        yield json.loads(line)
                    except ValueError as error:
                        raise BadInput(f"{path}, line {number}: {error}") from error
    except OSError as error:
        raise BadInput(str(error)) from error


class Post:
    """One HTTP event as it was received."""

    def __init__(self, line):
        body = line["body"]
        about = body["involvedObject"]
        self.at = nanoseconds(line["receivedAt"])
        self.object = about["kind"], about["namespace"], about["name"]
        self.uid = about.get("uid", "")
        self.reason = body["reason"]
        self.message = body["message"]
        self.failed = body["severity"] == "error"
        self.second = nanoseconds(body["timestamp"])
        self.metadata = {key.partition("/")[2]: value for key, value in (body.get("metadata") or {}).items()}
        self.revision = self.metadata.get("revision", "")

    def duration(self, pattern):
        """Seconds that the message reports after the words of the pattern, or None."""
        found = re.match(pattern + r" ([\dhmsunµ.]+)", self.message)
        return go_seconds(found[1].rstrip(".")) if found else None

    def changes(self):
        """(kind, namespace, name, verb) of each line of a change log."""
        logged = re.compile(r"(\w+)/(?:([^/\s]+)/)?([^/\s]+) (created|configured|deleted)")
        found = [logged.fullmatch(line) for line in self.message.split("\n")]
        return [(one[1], one[2] or "", one[3], one[4]) for one in found if one]

    def __repr__(self):
        return f"{self.reason} of {'/'.join(self.object)} at {self.revision or 'no revision'}: {self.message.partition(chr(10))[0][:80]}"


class State:
    """One state of an object as the watch delivered it. `listed`: it was there before the recording began."""

    def __init__(self, line, listed):
        self.at = nanoseconds(line["receivedAt"])
        self.type = line["type"]
        self.listed = listed
        self.raw = line["object"]
        self.metadata = self.raw["metadata"]
        self.status = self.raw.get("status") or {}
        self.spec = self.raw.get("spec") or {}
        self.uid = self.metadata.get("uid", "")
        self.generation = self.metadata.get("generation", 0)
        self.labels = self.metadata.get("labels") or {}


class Event:
    """One state of a core/v1 Event about an object: a new one, or one more occurrence of it with the annotations of the first."""

    def __init__(self, line):
        self.at = nanoseconds(line["receivedAt"])
        raw = line["object"]
        about = raw["involvedObject"]
        self.object = about.get("kind", ""), about.get("namespace", ""), about.get("name", "")
        self.reason, self.message = raw.get("reason", ""), raw.get("message", "")
        self.failed = raw.get("type") == "Warning"
        self.annotations = {key.partition("/")[2]: value for key, value in (raw["metadata"].get("annotations") or {}).items()}


class Recording:
    """`posts`, and `events` of core/v1, in order of arrival; `states` of each (kind, namespace, name) likewise."""

    def __init__(self, folder):
        self.folder = folder
        self.near = 150 * MILLISECOND  # what a time may be off where both were taken from the same arrivals
        self.loose = 250 * MILLISECOND  # and beside a post, which leaves before the patch that it tells of
        self.posts, self.events, self.states = [], [], defaultdict(list)
        try:
            self.posts = sorted((Post(line) for line in lines(find(folder, "posts.jsonl"))), key=lambda post: post.at)
            self._read_states(lines(find(folder, "stream.jsonl")))
        except (KeyError, TypeError, AttributeError) as error:
            raise BadInput(f"{folder}: a line is not that of a recording: {error!r}") from error
        self.end = max([post.at for post in self.posts] + [states[-1].at for states in self.states.values()], default=0)

    def _read_states(self, stream):
        complete = set()  # kinds whose first list is over
        for line in stream:
            kind = line["object"]["kind"]
            if line["type"] == "BOOKMARK":
                complete.add(kind)
            elif kind == "Event":
                if line["type"] != "DELETED":
                    self.events.append(Event(line))
            else:
                metadata = line["object"]["metadata"]
                self.states[kind, metadata.get("namespace", ""), metadata["name"]].append(State(line, kind not in complete))

    def posts_of(self, kind, *reasons):
        return [post for post in self.posts if post.object[0] == kind and (not reasons or post.reason in reasons)]
