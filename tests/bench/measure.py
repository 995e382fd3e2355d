"""How benches take times and say what they found. Times are of the processor; a bar is always about a ratio."""

import os
import time
from pathlib import Path


def seconds(run, times=1):
    """Return the seconds of the processor that one call of `run` takes, the mean of `times`."""
    started = time.process_time()
    for _ in range(times):
        run()
    return (time.process_time() - started) / times


def processors_of(*pids):
    """Return the seconds of the processor that some processes and all their descendants have used so far."""
    used, children = {}, {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rsplit(")", 1)[1].split()
        except OSError:  # it has ended meanwhile
            continue
        pid = int(entry.parent.name)
        used[pid] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        children.setdefault(int(fields[1]), []).append(pid)
    found, left = 0.0, list(pids)
    while left:
        pid = left.pop()
        found += used.get(pid, 0.0)
        left += children.get(pid, [])
    return found


def descendants(pid, command):
    """Return the processes below `pid`, and itself, whose command line holds `command`."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents.setdefault(int(entry.read_text().rsplit(")", 1)[1].split()[1]), []).append(int(entry.parent.name))
        except OSError:  # it has ended meanwhile
            continue
    found, left = [], [pid]
    while left:
        one = left.pop()
        left += parents.get(one, [])
        found += [one] if command in Path(f"/proc/{one}/cmdline").read_bytes().decode(errors="replace") else []
    return found


def resident_of(pids):
    """Return the resident bytes of some processes, what they share counted once for each."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGE_SIZE")


def least(run, times=1, rounds=3):
    """Return the shortest of some rounds of `seconds`."""
    return min(seconds(run, times) for _ in range(rounds))


def row(name, value, unit, most):
    """Return a row with a bar: the value, a ratio, is at most `most`."""
    return {"name": name, "value": round(value, 3), "unit": unit, "bar": f"<= {most}", "holds": value <= most}


def shown(name, value, unit):
    """Return a row of this machine at this minute, which no bar could be set for."""
    return {"name": name, "value": round(value, 3), "unit": unit, "bar": None, "holds": None}


def as_text(rows):
    """Return rows as a table for a terminal: each with its bar, and whether that holds, where it has one."""
    width = max(len(row["name"]) for row in rows)
    verdicts = {None: "", True: "holds", False: "DOES NOT HOLD"}
    return "\n".join(
        f"{row['name']:<{width}}  {row['value']:>10} {row['unit']:<8} {row['bar'] or '':>8}  "
        f"{verdicts[row['holds']]}".rstrip()
        for row in rows
    )
