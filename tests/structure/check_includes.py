#!/usr/bin/env python3
"""Check that the arrows between the folders point one way (docs/DESIGN.md, "Folders, and who may know whom").

usage: tests/structure/check_includes.py [--self-test]

Every `#include "folder/…"` of a source in a folder must be allowed by the table below. --self-test makes sure that the
check finds what it must find.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# folder -> what it may include besides itself; an entry is a folder or a path prefix
ALLOWED = {
    "messages": [],
    "trace": ["messages"],
    "kube": ["messages", "runtime/http_client"],
    "export": ["messages", "runtime/http_client"],
    "runtime/http_client": ["messages"],
    "runtime/store": ["messages"],
    "actors": ["messages", "trace", "kube", "export", "runtime"],
    "runtime": ["messages", "trace", "kube", "export", "actors", "runtime/http_client", "runtime/store"],  # holds main, which wires it all
}
# Libraries that would break a promise: the heart has no actors and no I/O, values and encoders have no actors.
FORBIDDEN_LIBRARIES = {
    "messages": ["curl/", "boost/", "spdlog/"],
    "trace": ["caf/", "curl/", "boost/asio", "boost/beast", "spdlog/", "fstream", "iostream", "sys/socket.h", "thread", "mutex"],
    "kube": ["caf/", "spdlog/"],
    "export": ["caf/", "spdlog/"],
    "runtime/store": ["caf/", "spdlog/"],
}
# Generated headers that belong to no folder.
GENERATED = {"version.hpp"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def folder_of(path):
    """The longest folder of the table that a path is in."""
    return max((folder for folder in ALLOWED if path == folder or path.startswith(folder + "/")), key=len, default=None)


def problems_of(path, text):
    folder = folder_of(path)
    found = []
    for bracket, target in INCLUDE.findall(text):
        if bracket == '"':
            if target in GENERATED or target.endswith(".pb.h"):
                continue
            other = folder_of(target)
            if other is None:
                found.append(f'{path}: includes "{target}", which is in no folder: paths start at the root of the repository')
            elif other != folder and not any(target == a or target.startswith(a + "/") for a in ALLOWED[folder]):
                found.append(f'{path}: includes "{target}", but {folder}/ may know only {", ".join(ALLOWED[folder]) or "itself"}')
        else:
            for library in FORBIDDEN_LIBRARIES.get(folder, []):
                if target == library or (library.endswith("/") and target.startswith(library)) or target.startswith(library + "/"):
                    found.append(f"{path}: includes <{target}>, which {folder}/ must do without")
    return found


def self_test():
    cases = [
        ("trace/a.cpp", '#include "actors/x.hpp"', 1),
        ("trace/a.cpp", '#include "kube/x.hpp"', 1),
        ("trace/a.cpp", '#include "messages/x.hpp"\n#include "trace/b.hpp"\n#include <vector>', 0),
        ("trace/a.cpp", "#include <caf/actor.hpp>", 1),
        ("trace/a.cpp", "#include <thread>", 1),
        ("kube/a.cpp", '#include "actors/x.hpp"', 1),
        ("kube/a.cpp", '#include "export/x.hpp"', 1),
        ("kube/a.cpp", '#include "trace/x.hpp"', 1),
        ("kube/decode/a.cpp", '#include "kube/x.hpp"\n#include "runtime/http_client/http_loop.hpp"', 0),
        ("kube/a.cpp", '#include "runtime/options.hpp"', 1),
        ("export/a.cpp", '#include "kube/x.hpp"', 1),
        ("runtime/http_client/a.cpp", '#include "runtime/options.hpp"', 1),
        ("messages/a.hpp", '#include "trace/x.hpp"', 1),
        ("runtime/store/a.cpp", '#include "actors/x.hpp"', 1),
        ("runtime/store/a.cpp", '#include "messages/x.hpp"\n#include "runtime/store/b.hpp"', 0),
        ("actors/a.cpp", '#include "runtime/x.hpp"\n#include "export/x.hpp"', 0),
        ("actors/a.cpp", '#include "a.hpp"', 1),
    ]
    wrong = [case for case in cases if len(problems_of(case[0], case[1])) != case[2]]
    for case in wrong:
        print(f"self-test: {case[0]} with {case[1]!r} should have {case[2]} problems, has {problems_of(case[0], case[1])}")
    return wrong


def main():
    if "--self-test" in sys.argv:
        sys.exit(1 if self_test() else 0)
    found, count = [], 0
    for top in sorted({folder.split("/")[0] for folder in ALLOWED}):
        for here, _, files in os.walk(os.path.join(ROOT, top)):
            for name in sorted(files):
                if name.endswith((".hpp", ".cpp")):
                    path = os.path.relpath(os.path.join(here, name), ROOT)
                    count += 1
                    with open(os.path.join(ROOT, path), encoding="utf-8") as stream:
                        found += problems_of(path, stream.read())
    for problem in found:
        print(problem)
    print(f"{count} sources, {len(found)} arrows that point the wrong way")
    sys.exit(1 if found or not count else 0)


main()
