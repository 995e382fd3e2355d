"""Files of people that are not UTF-8: each command names the file, and says how to save it."""

import pytest
from click.testing import CliRunner

from kong_devkit.cli import main as devkit
from kong_mcp.cli import main
from kong_mcp.doctor.place import PlaceError, read_environment, read_place
from mcp_sidecar.store.store import Store


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder to stand in, with a file of each kind that is text of Latin-1."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latin.file").write_bytes(b"caf\xe9: x\n")
    (tmp_path / "policy.yaml").write_text("tools: {allow: [good]}\n")
    (tmp_path / "kong.conf").write_text(
        f"database = off\ndeclarative_config = {tmp_path}/latin.file\nprefix = {tmp_path}/prefix\n"
    )
    (tmp_path / "server.yaml").write_text("name: a\nreplicas: [http://127.0.0.1:1/mcp]\n")
    Store("store.db", migrate=True).close()
    return tmp_path


@pytest.mark.requirement("CMD-003")
@pytest.mark.parametrize(
    ("command", "words"),
    [
        (main, "search x --lock latin.file"),
        (main, "surface approve --store store.db --why x --as me --lock latin.file"),
        (main, "surface lock --store store.db --check latin.file"),
        (main, "policy explain --policy policy.yaml --server a --tool t --lock latin.file"),
        (main, "policy explain --policy policy.yaml --server a --tool t --claims latin.file"),
        (main, "policy explain --policy policy.yaml --server a --tool t --surface latin.file"),
        (main, "policy explain --policy latin.file --server a --tool t"),
        (main, "policy diff policy.yaml latin.file"),
        (main, "server check latin.file"),
        (main, "server check server.yaml --lock latin.file"),
        (main, "server labels latin.file"),
        (main, "deck render latin.file"),
        (main, "deck render server.yaml --shared-file latin.file"),
        (main, "scan latin.file"),
        (main, "scan latin.file --config latin.file"),
        (main, "scan server.yaml --beside latin.file"),
        (main, "dev --server a=http://127.0.0.1:1/mcp --policy latin.file"),
        (main, "stdio serve latin.file"),
        (devkit, "check -c latin.file"),
        (devkit, "check -c kong.conf"),
        (devkit, "render latin.file"),
    ],
)
def test_the_file_is_named_and_how_to_save_it(command, words):
    ended = CliRunner().invoke(command, words.split())
    assert ended.exit_code != 0
    assert isinstance(ended.exception, SystemExit), ended.exception
    line = next(line for line in ended.output.splitlines() if "UTF-8" in line)
    assert "latin.file" in line
    assert "codec" not in ended.output


@pytest.mark.requirement("CMD-003")
def test_so_do_files_of_an_installation(folder):
    latin = folder / "latin.file"
    for read in (lambda: read_environment(latin, {}), lambda: read_place(latin, folder / "no", folder / "no", {})):
        with pytest.raises(PlaceError, match=r"latin.file: byte 3 is not UTF-8; save the file as UTF-8"):
            read()
