"""Looks a thousand times a second of the processor what a plugin server's worker is at, for profile.py.

How often each stack was seen stands in a file of the folder BENCH_SAMPLES, named by the worker's process.
"""

import os
import signal
import time
from pathlib import Path

_SECONDS, _WRITTEN = 0.001, 0.25


def _start():
    path, seen, next_write = Path(os.environ["BENCH_SAMPLES"]) / str(os.getpid()), {}, 0.0

    def look(_signal, frame):
        nonlocal next_write
        stack = []
        while frame is not None:
            stack.append(f"{frame.f_code.co_filename}:{frame.f_code.co_name}")
            frame = frame.f_back
        name = ";".join(reversed(stack))
        seen[name] = seen.get(name, 0) + 1
        if time.monotonic() > next_write:
            next_write = time.monotonic() + _WRITTEN
            path.with_suffix(".new").write_text("".join(f"{count} {one}\n" for one, count in seen.items()))
            path.with_suffix(".new").rename(path)

    signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, _SECONDS, _SECONDS)


if "BENCH_SAMPLES" in os.environ:
    os.register_at_fork(after_in_child=_start)
