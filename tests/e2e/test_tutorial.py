"""The tutorial, word for word: a wheel in an empty environment, its files as written, and what it says that one sees.

Only ports and the name of the package on an index are others than written, and after what is started in the background
it is waited for, as a reader does by reading on.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deck.support import ROOT
from kong_mcp.dev import free_port

TEXT = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- (file|run): (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)
READY = {"notes.py": "9001", "taken_over.py": "9001"}
"""What is started in the background -> the port that it listens on then."""
GATEWAY = "kong-mcp dev"
STATUS = {"kong-mcp scan": 1}
pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.timeout(600)]


def wait_for_port(port):
    """Return a line of shell that waits until a port is served."""
    return f"until (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null; do sleep 0.1; done"


def wait_for_gateway(command):
    """Return a command line that starts a gateway and waits until it says how it ends.

    Its port is no sign: Kong has nginx test its configuration first, which listens there for a moment.
    """
    return f"rm -f gateway.log\n{command}\nuntil grep -qs 'stop with Ctrl-C' gateway.log; do sleep 0.1; done"


def steps():
    """Yield the tutorial's files and commands, in order: what to run, and what it must print."""
    for kind, name, text in BLOCK.findall(TEXT):
        if kind == "file":
            yield f"cat > {name} <<'END-OF-FILE'\n{text}END-OF-FILE", None
            continue
        for part in re.split(r"(?m)^\$ ", text)[1:]:
            command, _, output = part.partition("\n")
            yield command, output or None


def script(wheel, ports):
    """Return the tutorial as a shell script that prints a line before each command's output."""
    lines = ["set -u"]
    for number, (command, _) in enumerate(steps()):
        typed = wait_for_gateway(command) if command.startswith(GATEWAY) else command
        lines += [f"echo '--- {number}'", typed.replace("'kong-mcp[sidecar,devkit]'", f"'{wheel}[sidecar,devkit]'")]
        if not command.endswith("&"):
            wanted = next((status for word, status in STATUS.items() if command.startswith(word)), 0)
            lines.append(f"status=$?; test $status = {wanted} || echo 'status was' $status")
        if command == "kill %1":
            lines.append("while (exec 3<>/dev/tcp/127.0.0.1/9001) 2>/dev/null; do sleep 0.1; done")
        lines += [wait_for_port(port) for word, port in READY.items() if command.endswith("&") and word in command]
    text = "\n".join([*lines, "wait", ""])
    for written, port in ports.items():
        text = re.sub(rf"(?<!\d){written}(?!\d)", str(port), text)
    return text


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", folder, ROOT], check=True)
    return next(Path(folder).glob("kong_mcp-*.whl"))


@pytest.mark.requirement("DOCS-001")
def test_a_newcomer_sees_what_it_says(tmp_path, wheel):
    text = script(wheel, {"9001": free_port(), "8000": free_port()})
    environment = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "COLUMNS": "400",
    }
    (tmp_path / "tutorial.sh").write_text(text)
    log = tmp_path / "shell.log"
    with log.open("wb") as output:
        shell = subprocess.Popen(
            ["bash", "-m", "tutorial.sh"],
            cwd=tmp_path,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        shell.wait(500)
    finally:
        if shell.poll() is None:
            os.killpg(shell.pid, signal.SIGTERM)
    said = re.split(r"(?m)^--- \d+\n", log.read_text())[1:]
    for (command, expected), output in zip(steps(), said, strict=True):
        assert "status was" not in output, f"{command}\n{output}"
        if expected is not None:
            assert re.sub(r"(?m)^(\[|tutorial.sh).*\n?", "", output).strip() == expected.strip(), command
