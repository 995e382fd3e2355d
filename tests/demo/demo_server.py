"""A small company's MCP servers, with the official SDK: `python demo_server.py --name files-1 --port 9001`."""

import argparse
import json
from pathlib import Path

import uvicorn
from mcp.server import MCPServer

_NOTES = {"welcome.txt": "Welcome to the company.", "menu.txt": "Monday: soup."}
_PEOPLE = ["ada", "grace", "linus"]


def files(server, record):
    @server.tool()
    def list_files() -> list[str]:
        """List the shared files."""
        record("list_files")
        return sorted(_NOTES)

    @server.tool()
    def read_file(name: str) -> str:
        """Read one shared file."""
        record("read_file")
        return _NOTES.get(name, "no such file")


def weather(server, record):
    @server.tool()
    def get_forecast(city: str) -> str:
        """Forecast tomorrow's weather."""
        record("get_forecast")
        return f"{city}: sunny, 21 C"


def people(server, record):
    @server.tool()
    def list_people() -> list[str]:
        """List who works here."""
        record("list_people")
        return _PEOPLE

    @server.tool()
    def delete_person(name: str) -> str:
        """Delete a person from the directory."""
        record("delete_person")
        return f"{name} is gone"


_KINDS = {"files": files, "weather": weather, "people": people}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True, help="files, weather or people; files-2 is a replica of files")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--journal", type=Path, required=True, help="where it writes down what it executes")
    options = parser.parse_args()
    server = MCPServer(options.name)

    def record(tool: str) -> None:
        with options.journal.open("a", encoding="utf-8") as file:
            file.write(json.dumps([options.name, "tool", tool]) + "\n")

    _KINDS[options.name.partition("-")[0]](server, record)
    config = uvicorn.Config(server.streamable_http_app(), port=options.port, log_level="warning")
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
