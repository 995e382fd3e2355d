"""`kong-mcp server request`: look at a server that somebody wants, and make a Git change of it for a reviewer."""

from __future__ import annotations

import getpass
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kong_mcp.declare.model import NAME_PATTERN
from kong_mcp.declare.new_file import SCHEMA_FILE
from kong_mcp.declare.server_file import read_text
from kong_mcp.network_type import NetworkType
from kong_mcp.scan_command import read_headers
from kong_mcp.scan_live import LiveError, fetch_surface

if TYPE_CHECKING:
    from kong_mcp.bringing.git import Repository

LOCK: Final = "mcp.lock"
_FORGES: Final = ("github", "gitlab", "plain")


@click.command()
@click.argument("name")
@click.argument("url")
@click.option("--title", default="", help="What people call it.")
@click.option("--description", default="", help="What it is good for.")
@click.option("--owner", default="", help="Who will answer for it.")
@click.option("--requester", default=getpass.getuser, help="Who asks for it. Default: your login.")
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Sent with the look; stored nowhere.")
@click.option(
    "--network",
    "networks",
    multiple=True,
    type=NetworkType(),
    help="A network that may be looked at beside public ones.",
)
@click.option(
    "--repo",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="A folder of the Git repository that holds the server files. Default: this one.",
)
@click.option(
    "--dir", "folder", default="deck/servers", show_default=True, help="Their folder, from the repository's root."
)
@click.option("--branch", help="The branch to make. Default: request/NAME.")
@click.option("--patch", is_flag=True, help="Print a patch for `git am` on standard output, and make no branch.")
@click.option("--push", "remote", metavar="REMOTE", help="Push the branch there.")
@click.option("--forge", type=click.Choice(_FORGES), default="plain", show_default=True, help="What the remote is.")
def request(name: str, url: str, *, patch: bool, remote: str | None, **options: Any) -> None:
    """Look at the MCP server at URL, scan it, say what a reviewer must decide, and make a Git change of it.

    The change is a server file and its pins (mcp.lock), on a branch of its own or as a patch, with the review as its
    description. Nothing else changes: what is merged is synced by decK. The look goes to public addresses alone,
    follows no redirect, and is bound in time and size.

    \b
    kong-mcp server request weather https://weather.example.com/mcp --owner team-sky
    kong-mcp server request weather http://10.0.0.7:8080/mcp --network 10.0.0.0/24 --push origin --forge gitlab
    kong-mcp server request weather https://weather.example.com/mcp --patch > weather.patch
    """  # noqa: D301 - click's \b keeps the example's lines
    if re.fullmatch(NAME_PATTERN, name) is None:
        raise click.UsageError("NAME: write a DNS label: a-z, 0-9 and - between them")
    if patch and remote:
        raise click.UsageError("give --patch or --push")
    if remote is not None and remote.startswith("-"):
        raise click.UsageError("--push: write the name or URL of a remote")
    try:
        from kong_mcp.bringing import git  # noqa: PLC0415 - Kong's machine need not have what the sidecar needs

        _bring(name, url, git.Repository(options["repo"]), patch=patch, remote=remote, options=options)
    except ModuleNotFoundError:
        raise click.ClickException("this needs the sidecar's packages: pip install 'kong-mcp[sidecar]'") from None
    except (git.GitError, LiveError, ValueError) as error:
        raise click.ClickException(str(error)) from None


def _bring(
    name: str, url: str, repository: Repository, *, patch: bool, remote: str | None, options: dict[str, Any]
) -> None:
    from kong_mcp.bringing import review  # noqa: PLC0415 - as above
    from kong_mcp.bringing.place import find_place  # noqa: PLC0415 - as above
    from mcp_sidecar.surface import lockfile  # noqa: PLC0415 - as above

    branch, path = options["branch"] or f"request/{name}", f"{options['folder'].strip('/')}/{name}.yaml"
    if repository.read(path) is not None:
        raise click.ClickException(f"{path} is there already: change it, or choose another name")
    if not patch and repository.has_branch(branch):
        raise click.ClickException(
            f"the branch {branch} is there already: somebody asked before; see `git log {branch}`"
        )
    place = find_place(url, options["networks"])
    items = review.scanned(fetch_surface(url, read_headers(options["headers"]), place=(place.reached, place.host)))
    said = {field: options[field] for field in ("title", "description", "owner") if options[field]}
    asked = review.ServerRequest(name, url, place.address, options["requester"], said)
    text = review.file_text(asked, items, _schema(repository, path))
    _, problems = read_text(text.encode(), path)
    if errors := [str(problem) for problem in problems if not problem.warning]:
        raise click.ClickException("the server file would not be good\n" + "\n".join(errors))
    pins = lockfile.load(before) if (before := repository.read(LOCK)) is not None else {}
    pins = {id_: one for id_, one in pins.items() if id_.server != name} | review.locked(asked, items)
    message = review.description(asked, items)
    commit = repository.commit({path: text, LOCK: lockfile.dump(pins)}, message)
    click.echo(message, err=True)
    if patch:
        click.echo(repository.patch(commit), nl=False)
        return
    repository.branch(branch, commit)
    click.echo(f"branch: {branch}")
    if remote is not None:
        said_back = repository.push(remote, branch, _push_options(options["forge"], name, branch))
        click.echo(said_back, err=True, nl=False)
    click.echo(_next(options["forge"], name, branch, remote), err=True)


def _schema(repository: Repository, path: str) -> str | None:
    up = "/".join([".."] * path.count("/"))
    return f"{up}/spec/{SCHEMA_FILE}" if repository.read(f"spec/{SCHEMA_FILE}") is not None else None


def _push_options(forge: str, name: str, branch: str) -> list[str]:
    """Return the push options by which GitLab opens a merge request (docs.gitlab.com, push options)."""
    if forge != "gitlab":
        return []
    return ["merge_request.create", f"merge_request.title=Bring in the MCP server {name} ({branch})"]


def _next(forge: str, name: str, branch: str, remote: str | None) -> str:
    if remote is None:
        return f"next: push it (git push origin {branch}), and have somebody review it"
    if forge == "github":
        body = f"<(git log -1 --format=%b {branch})"
        return f"next: gh pr create --head {branch} --title 'Bring in the MCP server {name}' --body-file {body}"
    return "next: have somebody review it"
