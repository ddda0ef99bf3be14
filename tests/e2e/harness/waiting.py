"""Waiting for conditions. Nothing in the harness sleeps to synchronise: it asks again until the answer is right or the deadline has passed."""

import time

# Callers say how long something may take on an idle machine. One that does other things as well is slower.
PATIENCE = 3
# Seconds for one answer of a program that runs.
ANSWER = 60


class Timeout(Exception):
    """A condition did not come true. The message says what was awaited and what was last seen."""


def until(what, probe, seconds=60.0, interval=0.1, logs=(), needs=None):
    """Calls `probe` until it returns something true and returns that. `what` completes the sentence "waited for …".

    Exceptions of the probe count as "not yet": connections are refused while servers start. `logs` are children whose last lines
    are shown on a time-out. Without `needs`, a child, the condition cannot come true: its end ends the waiting.
    """
    seconds *= PATIENCE
    deadline = time.monotonic() + seconds
    seen = None
    while True:
        try:
            result = probe()
            if result:
                return result
            seen = result
        except (OSError, ValueError, KeyError, LookupError, Refused) as error:
            seen = f"{type(error).__name__}: {error}"
        ended = needs is not None and not needs.alive()
        if ended or time.monotonic() > deadline:
            message = f"waited {seconds:.0f} s for {what}; last seen: {str(seen)[:600]}"
            if ended:
                message = f"waited for {what}, but {needs.name} ended with status {needs.process.returncode}"
            for child in logs:
                message += f"\n  last lines of {child.name}:\n{child.tail()}"
            raise Timeout(message)
        time.sleep(interval)


class Refused(Exception):
    """A server answered with an error. `status` is the HTTP status, `body` the text."""

    def __init__(self, status, body):
        super().__init__(f"HTTP {status}: {body[:500]}")
        self.status = status
        self.body = body
