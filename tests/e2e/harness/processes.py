"""Starting and ending child processes: each in a process group of its own, with its own log, never outliving the harness."""

import os
import shutil
import signal
import subprocess
import time


class Child:
    """One running program. Its output goes to `log`; a restart appends to the same log."""

    def __init__(self, name, argv, log, env=None):
        self.name = name
        self.log = log
        self._output = open(log, "ab")
        self._output.write(f"--- {time.strftime('%H:%M:%S')} {' '.join(argv)}\n".encode())
        self._output.flush()
        # setpriv has the kernel end the child should the harness itself be killed.
        guard = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        self.process = subprocess.Popen(
            guard + argv, stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT, env=env, start_new_session=True)

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def _signal_group(self, number):
        try:
            os.killpg(self.pid, number)  # the child leads its own group, so the group's ID is its own
        except ProcessLookupError:
            pass

    def group_exists(self):
        """Whether any process of its group is left, be it one that it started itself."""
        try:
            os.killpg(self.pid, 0)
            return True
        except ProcessLookupError:
            return False

    def terminate(self, grace=5.0):
        """Asks politely, kills after `grace` seconds. Returns the exit status, negative for a signal."""
        if self.alive():
            self._signal_group(signal.SIGTERM)
            try:
                self.process.wait(grace)
            except subprocess.TimeoutExpired:
                self._signal_group(signal.SIGKILL)
        return self._reap()

    def kill(self):
        """kill -9, as a crash would end it."""
        self._signal_group(signal.SIGKILL)
        return self._reap()

    def wait(self, seconds):
        """Waits for it to end by itself. Returns the exit status, None when it still runs."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def _reap(self):
        status = self.process.wait()
        self._signal_group(signal.SIGKILL)  # whatever the child itself had started
        self._output.close()
        return status

    def tail(self, lines=15):
        return tail_of(self.log, lines)


def tail_of(path, lines=15):
    """Returns the last lines of a file, each cut to a readable width."""
    try:
        with open(path, "rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - 65536))
            text = stream.read().decode(errors="replace")
    except OSError as error:
        return f"({error})"
    return "\n".join("    | " + line[:400] for line in text.splitlines()[-lines:])


class Supervisor:
    """Remembers every child, so that all are ended whatever happens."""

    def __init__(self, log_dir):
        self.log_dir = log_dir
        self._children = []

    def start(self, name, argv, env=None):
        child = Child(name, argv, os.path.join(self.log_dir, name + ".log"), env)
        self._children.append(child)
        return child

    def stop_all(self):
        """Ends all children, the youngest first. Returns the names of those that are still there, which must be none."""
        for child in reversed(self._children):
            if child.alive():
                child.terminate(grace=3.0)
        left = [child.name for child in self._children if child.group_exists()]
        self._children.clear()
        return left
