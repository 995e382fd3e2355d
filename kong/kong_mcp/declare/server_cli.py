"""`kong-mcp server`: write, check and look at server files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import click

from kong_mcp.declare import json_schema, known, reference
from kong_mcp.declare.emit import yaml_text
from kong_mcp.declare.entities import document, names
from kong_mcp.declare.folder import Folder, read_folder, together
from kong_mcp.declare.new_file import schema_for, server_text
from kong_mcp.declare.problems import Problem
from kong_mcp.declare.render import entity_problems, template
from kong_mcp.declare.server_file import ServerFile, read_text
from kong_mcp.servers import ServerSpecError, take_query
from mcp_core.pins.states import Pinning, Trust

paths_argument: Final = click.argument(
    "paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR|FILE..."
)
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def server() -> None:
    """Declare MCP servers in short YAML files: add, check, list, show.

    \b
    kong-mcp server add weather http://10.0.0.7:8080/mcp --owner team-sky --allow 'get_*'
    kong-mcp server check deck/servers
    kong-mcp deck sync deck/servers
    """  # noqa: D301 - click's \b keeps the example's lines


@server.command()
@click.argument("name")
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@click.option("--title", help="What people call it.")
@click.option("--description", help="What it is good for.")
@click.option("--owner", help="Who answers for it.")
@click.option("--tag", "tags", multiple=True, help="A tag on everything that Kong gets for it.")
@click.option("--path", help="Where agents find it. Default: /NAME/mcp.")
@click.option(
    "--allow", multiple=True, metavar="GLOB", help="Tools that agents may see and call: 'get_*', or '*' for all."
)
@click.option("--deny", multiple=True, metavar="GLOB", help="Tools that stay hidden, whatever allows them.")
@click.option("--prompt", "prompts", multiple=True, metavar="GLOB", help="Prompts that agents may see and get.")
@click.option("--resource", "resources", multiple=True, metavar="GLOB", help="Resources that agents may see and read.")
@click.option(
    "--pins", type=click.Choice([pinning.value for pinning in Pinning]), help="Whether items must be approved."
)
@click.option(
    "--trust",
    type=click.Choice([one.value for one in Trust]),
    help="Whose server it is: of a foreign one everything waits for a person, of a known one changes do.",
)
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("deck/servers"),
    show_default=True,
    help="The folder of server files; it is made where it is not there.",
)
def add(name: str, urls: tuple[str, ...], folder: Path, **options: Any) -> None:
    """Write the server file NAME.yaml for replicas at URL...

    What no option allows is hidden from agents and refused. Nothing is written when the file would not be good. The
    URLs' query goes into the field query, in which a secret is a reference to one of Kong's vaults.

    \b
    kong-mcp server add weather http://10.0.0.7:8080/mcp http://10.0.0.8:8080/mcp --owner team-sky --allow 'get_*'
    kong-mcp server add notes https://notes.example.com/mcp --allow '*' --deny 'delete_*' --resource 'note://*'
    kong-mcp server add maps 'https://maps.example.com/mcp?api_key={vault://env/maps-key}' --allow '*'
    """  # noqa: D301 - click's \b keeps the example's lines
    file = folder / f"{name}.yaml"
    try:
        replicas, asked_with = take_query(urls)
    except ServerSpecError as error:
        raise click.ClickException(f"{error}; nothing is written") from None
    access = {
        "tools": {"allow": list(options["allow"]), "deny": list(options["deny"])},
        "prompts": {"allow": list(options["prompts"])},
        "resources": {"allow": list(options["resources"])},
    }
    values = {
        **{field: options[field] for field in ("title", "description", "owner", "path", "trust")},
        **{field: {word: globs for word, globs in one.items() if globs} for field, one in access.items()},
        "name": name,
        "replicas": replicas,
        "query": asked_with,
        "tags": list(options["tags"]),
        "pins": {"mode": options["pins"]} if options["pins"] else None,
    }
    text = server_text(values, schema_for(folder) if folder.is_dir() else None)
    _write_new(file, text, folder)
    click.echo(f"wrote {file}")
    if not any(options[one] for one in ("allow", "prompts", "resources")):
        click.echo("agents see nothing of it yet: name what they may use under tools, prompts, resources", err=True)
    click.echo(f"next: kong-mcp server check {folder}, then kong-mcp deck diff {folder}", err=True)


def _write_new(file: Path, text: str, folder: Path) -> None:
    """Write a file that is good beside the others, and new."""
    new, problems = read_text(text.encode(), str(file))
    if new is not None:
        others = read_folder([folder]) if folder.is_dir() and any(folder.iterdir()) else Folder(())
        whole = together([*(one for one in others.servers if one.file != new.file), new])
        problems = [problem for problem in (*whole.problems, *entity_problems(whole)) if problem.file == new.file]
    report(problems)
    if any(not problem.warning for problem in problems):
        raise click.ClickException("nothing is written")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise click.ClickException(f"{file} is there already: change it, or choose another name") from None
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None


@server.command()
@paths_argument
@click.option("--strict", is_flag=True, help="Warnings count as problems.")
@click.option(
    "--lock",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A lock file (kong-mcp surface lock): globs that match nothing in it are warned of.",
)
@_JSON
def check(paths: tuple[Path, ...], lock: Path | None, *, strict: bool, as_json: bool) -> None:
    """Check server files; say file, line, what was found and what to write.

    Exit status: 0 when nothing must be mended, 1 when something must (with --strict a warning too), 2 for a wrong
    command line.

    \b
    kong-mcp server check deck/servers
    kong-mcp server check --strict --lock mcp.lock deck/servers      # in CI
    """  # noqa: D301 - click's \b keeps the example's lines
    folder = read_folder(paths)
    problems = [*folder.problems, *entity_problems(folder)]
    if lock is not None:
        try:
            problems += known.warnings(folder.servers, known.read_lock(lock))
        except known.SurfaceError as error:
            raise click.ClickException(str(error)) from None
    problems.sort()
    if as_json:
        _print([problem.to_json() for problem in problems])
    else:
        report(problems)
        _say_how_many(folder, problems)
    if any(strict or not problem.warning for problem in problems):
        raise SystemExit(1)


def _say_how_many(folder: Folder, problems: list[Problem]) -> None:
    errors = sum(not problem.warning for problem in problems)
    if errors:
        click.echo(f"{errors} to mend; nothing is rendered or synced until then", err=True)
    else:
        many = len(folder.servers)
        click.echo(f"{many} server{'' if many == 1 else 's'}: good", err=True)


@server.command("list")
@paths_argument
@_JSON
def list_servers(paths: tuple[Path, ...], *, as_json: bool) -> None:
    """List servers: name, path for agents, number of replicas, owner, title.

    \b
    kong-mcp server list deck/servers
    kong-mcp server list deck/servers --json | jq -r '.[].owner'
    """  # noqa: D301 - click's \b keeps the example's lines
    folder = good(paths)
    if as_json:
        _print([_summary(one) for one in folder.servers])
        return
    rows = [("NAME", "PATH", "REPLICAS", "OWNER", "TITLE")]
    rows += [
        (one.name, one.public_path, str(len(one.server.targets)), _text(one, "owner"), _text(one, "title"))
        for one in folder.servers
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _text(one: ServerFile, field: str) -> str:
    return str(one.values.get(field, "-"))


def _summary(one: ServerFile) -> dict[str, Any]:
    return {
        "name": one.name,
        "file": one.file,
        "path": one.public_path,
        **{field: one.values[field] for field in ("title", "owner", "replicas", "tags") if field in one.values},
    }


@server.command()
@click.argument("name")
@paths_argument
@_JSON
def show(name: str, paths: tuple[Path, ...], *, as_json: bool) -> None:
    """Show one server: what its file says, where agents find it, and what Kong has of it.

    \b
    kong-mcp server show weather deck/servers
    """  # noqa: D301 - click's \b keeps the example's lines
    folder = good(paths)
    one = next((one for one in folder.servers if one.name == name), None)
    if one is None:
        names = ", ".join(one.name for one in folder.servers)
        raise click.ClickException(f"there is no server {name}; there are: {names}")
    entities = _entities(one)
    if as_json:
        _print({**_summary(one), "written": one.values, "entities": entities})
        return
    click.echo(f"{one.file}: agents find it at {one.public_path}")
    for kind, found in entities.items():
        click.echo(f"{kind} in Kong: {', '.join(found)}")
    click.echo(yaml_text(one.values), nl=False)


@server.command()
@click.option("--markdown", is_flag=True, help="Print the fields as the table of docs/server-file.md.")
def schema(*, markdown: bool) -> None:
    """Print the JSON Schema of server files, for editors and other tools.

    \b
    kong-mcp server schema > server-file.schema.json
    # the first line of a server file then is
    # yaml-language-server: $schema=server-file.schema.json
    """  # noqa: D301 - click's \b keeps the example's lines
    click.echo(reference.table() if markdown else json_schema.text(), nl=False)


def _entities(one: ServerFile) -> dict[str, list[str]]:
    """Return the names of what Kong has of a server, by kind."""
    found: dict[str, list[str]] = {}
    for kind, name in names(document(one, template(), [])):
        if not kind.startswith("_"):
            found.setdefault(kind, []).append(name)
    return found


def good(paths: Iterable[Path]) -> Folder:
    """Return what stands in good files and folders: problems are printed, and end the command with status 1."""
    folder = read_folder(list(paths))
    problems = sorted([*folder.problems, *entity_problems(folder)])
    report(problems)
    if errors := sum(not problem.warning for problem in problems):
        raise click.ClickException(f"{errors} to mend; nothing is rendered or synced until then")
    return folder


def report(problems: Iterable[Problem]) -> None:
    """Print problems, one a line."""
    for problem in problems:
        click.echo(str(problem), err=True)


def _print(value: Any) -> None:
    click.echo(json.dumps(value, indent=1, ensure_ascii=False))
