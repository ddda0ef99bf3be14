"""Recordings of which a part is withheld, written as input for `replay`."""

import json

from recording import find, lines

LIST_IS_OVER = "k8s.io/initial-events-end"


def write(path, kept):
    with open(path, "w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(line) + "\n" for line in kept)


def without_objects(folder, path):
    """core/v1 Events only."""
    write(path, (line for line in lines(find(folder, "stream.jsonl")) if line["object"]["kind"] == "Event" or line["type"] == "BOOKMARK"))


def count(folder):
    return sum(1 for _ in lines(find(folder, "stream.jsonl")))


def after_restart(folder, path, cut):
    """What a process sees that starts after the first `cut` lines: a list of what the API server then had, and the rest."""
    last, marks, rest, now = {}, [], [], None
    for number, line in enumerate(lines(find(folder, "stream.jsonl"))):
        metadata = line["object"]["metadata"]
        if line["type"] == "BOOKMARK" and LIST_IS_OVER in (metadata.get("annotations") or {}):
            marks.append(line)
        elif number >= cut:
            rest.append(line)
        elif line["type"] != "BOOKMARK":
            key = line["object"]["kind"], metadata.get("namespace"), metadata["name"]
            last.pop(key, None)
            if line["type"] != "DELETED":
                last[key] = line["object"]
        if number < cut:
            now = line["receivedAt"]
    listed = [{"receivedAt": now, "type": "ADDED", "object": each} for each in last.values()]
    write(path, listed + [{**mark, "receivedAt": now} for mark in marks] + rest)
