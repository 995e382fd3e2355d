"""What every MCP server of the tests shares: its options, what it writes down, and how it is served."""

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path

import uvicorn


class Journal:
    """A file of JSON lines, [name of the server, kind, what ...]: what the server executed, and what reached it."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._path = path

    def write(self, kind: str, *what) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([self.name, kind, *what]) + "\n")


class Requests:
    """ASGI middleware: writes down every HTTP request that reaches the server at all, and every stream it opens."""

    def __init__(self, app, journal: Journal) -> None:
        self._app = app
        self._journal = journal

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
        target = scope["raw_path"].decode() + query
        self._journal.write("http", scope["method"], _text(scope["headers"]), time.time(), target)

        async def tell(message) -> None:
            await send(message)
            if message["type"] == "http.response.start":
                media_type = _text(message["headers"]).get("content-type", "")
                if media_type.startswith("text/event-stream"):
                    self._journal.write("stream", scope["method"])

        await self._app(scope, receive, tell)


def _text(headers) -> dict[str, str]:
    return {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in headers}


def read_options(description: str, values: Mapping[str, str] | None = None, **switches: str) -> argparse.Namespace:
    """Read the command line that every server of the tests is started with, and a server's own options with it.

    Both map the name of an option to its meaning: `values` take a text, switches nothing.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--name", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--json", action="store_true", help="answer in JSON rather than in event streams")
    parser.add_argument("--quiet", action="store_true", help="do not write down HTTP requests")
    for name, meaning in (values or {}).items():
        parser.add_argument(f"--{name}", help=meaning)
    for name, meaning in switches.items():
        parser.add_argument(f"--{name}", action="store_true", help=meaning)
    return parser.parse_args()


def serve(app, journal: Journal, options: argparse.Namespace) -> None:
    """Serve until killed."""
    if not options.quiet:
        app = Requests(app, journal)
    config = uvicorn.Config(app, port=options.port, log_level="warning", lifespan="on", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run()
