"""Agents that call one tool all the time, and what became of each call."""

import signal
import threading

import httpx

from e2e.harness import JSON_HEADERS, modern
from servers.launch import wait_for


class Calls:
    """A context in which agents call. `verdicts`, as calls ended: passed, refused, or what it was.

    `of_agents` has the same for each agent, in the order in which it called.
    """

    THREADS = 4

    def __init__(self, url, tool, headers):
        self.url, self.tool, self.headers = url, tool, JSON_HEADERS | headers
        self.verdicts = []
        self.of_agents = [[] for _ in range(self.THREADS)]
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(own,)) for own in self.of_agents]

    def _call(self, own):
        with httpx.Client(headers=self.headers, timeout=30, trust_env=False) as client:
            while not self._done.is_set():
                own.append(verdict(client, self.url, self.tool))
                self.verdicts.append(own[-1])

    def wait_for_more(self, number, what=None):
        """Wait until so many more calls have ended, of one verdict or of any."""
        seen = self.count(what)
        wait_for(lambda: self.count(what) >= seen + number, lambda: self.verdicts[-5:])

    def count(self, what=None):
        return len(self.verdicts) if what is None else self.verdicts.count(what)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error):
        self._done.set()
        for thread in self._threads:
            thread.join()


def kill_under_calls(node, agent):
    """Kill a node's plugin server under calls: they are refused until there is another one, and none gets by it."""
    with Calls(node.url, "good", agent) as good, Calls(node.url, "bad", agent) as bad:
        good.wait_for_more(20, "passed")
        bad.wait_for_more(20, "refused")
        node.plugin_server.stop(signal.SIGKILL)
        good.wait_for_more(20, "500")
        bad.wait_for_more(20, "500")
        node.start_plugin_server()
        good.wait_for_more(20, "passed")
        bad.wait_for_more(20, "refused")
    assert set(good.verdicts) == {"passed", "500"}
    assert set(bad.verdicts) == {"refused", "500"}


def verdict(client, url, tool):
    """Call once, statelessly; return `passed`, `refused` (an unknown tool), status and words, or Kong's own status."""
    try:
        answer = client.post(url, **modern(tool))
        if answer.status_code == 200 and "result" in answer.json():
            return "passed"
        if "application/json" in answer.headers["Content-Type"] and "error" in answer.json():
            error = answer.json()["error"]
            if "kong" in (error.get("data") or ()):
                return str(answer.status_code)
            message = error["message"]
            return "refused" if message.startswith("Unknown tool") else f"{answer.status_code} {message}"
    except (httpx.HTTPError, ValueError) as error:
        return repr(error)
    return str(answer.status_code)
