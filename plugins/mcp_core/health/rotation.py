"""Whether one replica is in rotation: a small state machine over what its probes find.

Two findings in a row that it is ill take it out, or OFTEN of the last RECENT; two that it is well bring it back: one
answer that went wrong is no outage. A replica that goes back and forth must be well for longer each time (up to
MOST_WELL findings), and is trusted again after CALM_SECONDS in one state.

How soon: a probe comes every INTERVAL seconds at most, one that contradicts the state is asked about again after
SUSPECT seconds, and a probe takes TIMEOUT at most. So a replica that hangs is out after INTERVAL + TIMEOUT + SUSPECT +
TIMEOUT, 9.5 s at the longest interval, and one that is well again is back after INTERVAL + SUSPECT and two answers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from mcp_core.health.probe import Sign

TIMEOUT: Final = 2.0
"""Seconds that one probe may take, all its questions together."""
SUSPECT: Final = 1.0
INTERVAL: Final = 2.5
"""Seconds between two probes of a replica, where its server has few of them."""
LONGEST: Final = 4.4
"""The same where it has many: a server of up to four replicas gets less than one question a second in all."""
JITTER: Final = 0.1
"""The part of a pause that is random: replicas that were met together are not asked together."""
TO_CHANGE: Final = 2
OFTEN, RECENT = 2, 4
"""Findings that it is ill, and of how many, that take a replica out which is well in between: it flaps."""
MOST_WELL: Final = 8
CALM_SECONDS: Final = 60.0
LONGEST_WAIT: Final = 60.0
"""How long the prober believes a Retry-After of a replica that is well. One that is ill is asked again all the same."""


@dataclass(slots=True)
class Rotation:
    """What is held of one replica. Times are monotonic seconds. A replica that was never probed is in."""

    inside: bool = True
    word: str = ""
    since: float = 0.0
    _against: int = 0
    _recent: deque[bool] = field(default_factory=lambda: deque(maxlen=RECENT))
    _wanted: int = TO_CHANGE

    @property
    def suspect(self) -> bool:
        """Whether the last finding contradicts the state."""
        return self._against > 0

    def found(self, finding: Sign, now: float) -> bool:
        """Take a finding. Returns whether the replica went in or out by it."""
        self.word = finding.word
        self._recent.append(finding.well)
        if finding.well == self.inside:
            self._against = 0
            if now - self.since >= CALM_SECONDS:
                self._wanted = TO_CHANGE
            return False
        self._against += 1
        enough = self._against >= (TO_CHANGE if self.inside else self._wanted)
        flaps = self.inside and not enough and self._recent.count(False) >= OFTEN
        if not enough and not flaps:
            return False
        if self.inside and self.since and now - self.since < CALM_SECONDS:
            self._wanted = min(MOST_WELL, self._wanted * 2)
        if flaps:
            self._wanted = MOST_WELL
        self.inside, self.since, self._against = finding.well, now, 0
        self._recent.clear()
        return True


def pause(rotation: Rotation, finding: Sign, replicas: int, random: float) -> float:
    """Return how many seconds to wait before the next probe of one of so many replicas. `random` is from 0 to 1."""
    usual = min(LONGEST, max(INTERVAL, 1.1 * replicas))
    wait = SUSPECT if rotation.suspect else usual
    if finding.well:
        wait = max(wait, min(finding.wait, LONGEST_WAIT))
    return wait * (1 + JITTER * (random - 0.5))
