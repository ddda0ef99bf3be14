"""What a rule has looked at and what it found wrong."""


def close(seconds, reported):
    """Within 20 % or 150 ms: what is asked of a duration."""
    return abs(seconds - reported) <= max(0.2 * reported, 0.15)


class Rule:
    """Counts checks of one rule. `left_out` are cases that the evidence does not decide."""

    def __init__(self, name, says):
        self.name, self.says = name, says
        self.checked, self.left_out, self.failures = 0, 0, []

    def expect(self, right, subject, expected, seen):
        """One check. `subject` names the run or object."""
        self.checked += 1
        if not right:
            self.failures.append(f"FAIL {self.name}: {subject}: expected {expected}, seen {seen}")
        return right

    def leave_out(self):
        self.left_out += 1

    def report(self):
        head = f"{self.name}: {self.says}: {self.checked - len(self.failures)}/{self.checked} right"
        if self.left_out:
            head += f", {self.left_out} undecided"
        return "\n".join([head] + ["  " + failure for failure in self.failures])
