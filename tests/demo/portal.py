"""The scene in which a person opens the portal by the one-time link that `kong-mcp dev --servers` prints."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import httpx

from servers.launch import wait_for

_FILE = """\
name: files
title: Files of the company
owner: team-files
replicas: [{url}]
tools: {{allow: ["*"]}}
"""


def _titles(page):
    return re.findall(r'<td class="name"><a[^>]*>([^<]+)</a>', page)


def show(folder, url, say):
    """Start a gateway from a server file, and look at its portal as a person who was given the link."""
    (Path(folder) / "files.yaml").write_text(_FILE.format(url=url), encoding="utf-8")
    say("   $ kong-mcp dev --servers servers/")
    command = [str(Path(sys.executable).parent / "kong-mcp"), "dev", "--port", "0", "--servers", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            link = next(found for line in process.stdout if (found := re.match(r"portal: (\S+)", line)))[1]
            say(f"   gateway    portal: {link}")
            origin, _, secret = link.partition("/portal/enter?link=")
            with httpx.Client(base_url=origin, trust_env=False, timeout=60, follow_redirects=True) as person:
                page = person.post("/portal/enter", data={"link": secret}).text
                # The sidecar reads the list of servers within a second or two of its start.
                wait_for(lambda: _titles(page) or _titles(person.get("/portal/").text), lambda: page)
                titles = _titles(person.get("/portal/").text)
            say(f"   person     signed in once by it, and sees: {', '.join(titles)}")
            if titles != ["Files of the company"]:
                raise SystemExit("the portal does not show the server")
        finally:
            process.terminate()
            if process.wait() != 0:
                raise SystemExit("the gateway did not stop cleanly")
