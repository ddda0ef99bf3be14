"""Counting and printing of checks. Each is one PASS or FAIL line that names what was expected and what was seen."""

import time
import traceback

from .waiting import Timeout


class Report:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []
        self._started = time.monotonic()

    def say(self, text):
        print(f"[{time.monotonic() - self._started:6.1f} s] {text}", flush=True)

    def check(self, what, good, expected="", seen=""):
        """Counts one check. Returns whether it held."""
        if good:
            self.passed += 1
            self.say(f"  PASS  {what}")
        else:
            self.failed += 1
            self.failures.append(what)
            self.say(f"  FAIL  {what}: expected {expected or 'it to hold'}, saw {seen if seen != '' else 'otherwise'}")
        return good

    def equal(self, what, seen, expected):
        return self.check(what, seen == expected, repr(expected), repr(seen))

    def skip(self, what, why):
        self.skipped += 1
        self.say(f"  SKIP  {what}: {why}")

    def scenario(self, title, function, *args):
        """Runs one scenario. What it throws is one failed check, and the next scenario still runs. Returns whether it came to its end."""
        self.say(f"== {title}")
        started = time.monotonic()
        ended = False
        try:
            function(*args)
            ended = True
        except Timeout as error:
            self.check(f"{title}: {error}", False, "the condition to come true", "a time-out")
        except Exception as error:  # noqa: BLE001 - any crash of a scenario is a failure of that scenario alone
            traceback.print_exc()
            self.check(f"{title}: ends without a crash", False, "no exception", f"{type(error).__name__}: {error}")
        self.say(f"   ({time.monotonic() - started:.1f} s)")
        return ended

    def close(self):
        for failure in self.failures:
            print("failed: " + failure.splitlines()[0])
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped", flush=True)
        return 0 if self.failed == 0 else 1
