"""What the official suite found, and in what two of its runs differ. Pure but for reading the suite's files."""

import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

_FOLDER = re.compile(r"(?:server-)?(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")
LOG = "INFO"
"""The status of what the suite only writes down."""
NOT_JUDGED = (LOG, "SKIPPED")


@dataclass(frozen=True, order=True)
class Check:
    """One thing that the suite judged. Several may have one id and name, where it was judged more than once."""

    id: str
    name: str
    status: str
    message: str = field(default="", compare=False)


@dataclass(frozen=True)
class Scenario:
    """One scenario's checks, without log lines. `ended_well` is the suite's word on a client's exit, too."""

    name: str
    checks: tuple
    ended_well: bool = True

    def count(self):
        return sum(check.status not in NOT_JUDGED for check in self.checks)

    def passed(self):
        return sum(check.status == "SUCCESS" for check in self.checks)


def read_scenarios(folder, ended_well=lambda _: True):
    """Return the scenarios by name whose results the suite wrote into `folder`."""
    found = {}
    for path in sorted(Path(folder).rglob("checks.json")):
        name = _FOLDER.fullmatch(str(path.parent.relative_to(folder)))["scenario"]
        judged = (
            Check(load["id"], load["name"], load["status"], load.get("errorMessage", ""))
            for load in json.loads(path.read_text(encoding="utf-8"))
            if load["status"] != LOG
        )
        found[name] = Scenario(name, tuple(sorted(judged)), ended_well(name))
    return found


def once(scenarios):
    """Return scenarios with equal checks counted once: how often an agent comes by with its token is not judged."""
    return {name: replace(one, checks=tuple(sorted(set(one.checks)))) for name, one in scenarios.items()}


def without(scenarios, ids):
    """Return scenarios without the checks that have one of these ids."""
    return {
        name: replace(one, checks=tuple(check for check in one.checks if check.id not in ids))
        for name, one in scenarios.items()
    }


def count(scenarios):
    return sum(scenario.count() for scenario in scenarios.values())


def passed(scenarios):
    return sum(scenario.passed() for scenario in scenarios.values())


def failures(scenarios):
    """Return a line for each check that did not pass, and for each scenario that ended badly or judged nothing."""
    lines = []
    for scenario in scenarios.values():
        bad = [check for check in scenario.checks if check.status not in ("SUCCESS", "SKIPPED")]
        lines += [
            f"{scenario.name}: {check.name} [{check.id}]: {check.status} {check.message}".rstrip() for check in bad
        ]
        if not scenario.checks:
            lines.append(f"{scenario.name}: nothing was judged")
        elif not bad and not scenario.ended_well:
            lines.append(f"{scenario.name}: every check passed, but the agent failed")
    return lines


def differences(direct, behind):
    """Return scenario -> lines that name every check in which two runs of the same scenarios differ."""
    found = {}
    for name in sorted(direct.keys() | behind.keys()):
        lines = _differences_of(direct.get(name), behind.get(name))
        if lines:
            found[name] = [f"{name}: {line}" for line in lines]
    return found


def _differences_of(direct, behind):
    if direct is None or behind is None:
        return [f"was only run {'behind the gateway' if direct is None else 'directly'}"]
    lines = []
    for key in sorted({(check.id, check.name) for one in (direct, behind) for check in one.checks}):
        before, after = ([check for check in one.checks if (check.id, check.name) == key] for one in (direct, behind))
        if before != after:
            messages = {check.message for check in before + after if check.message}
            lines.append(
                f"{key[1]} [{key[0]}]: {_statuses(before)} / {_statuses(after)} {'; '.join(sorted(messages))}".rstrip()
            )
    if direct.ended_well != behind.ended_well and not lines:
        lines.append(f"the agent {'failed behind the gateway' if direct.ended_well else 'failed directly'} only")
    return lines


def _statuses(checks):
    return "+".join(check.status for check in checks) or "nothing"
