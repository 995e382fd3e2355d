"""What an installation stands on and goes wrong: folders, clocks, stores, releases; the doctor names each."""

import contextlib
import os
import subprocess
import time
from email.utils import formatdate

import pytest
from sqlalchemy import text

from mcp_sidecar.store.engine import open_engine, store_url
from mcp_sidecar.store.store import Store
from servers.doctor_site import KEY, Site, plugin_server
from servers.own_kong import BIN, PLUGINS, Program

pytestmark = pytest.mark.requirement("DOC-301")


@pytest.fixture
def site(tmp_path):
    with contextlib.closing(Site(tmp_path)) as site:
        yield site


def can_mount():
    done = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return os.geteuid() == 0 and done.returncode == 0


def read_only(folder, *command):
    """Return a command that runs another where a folder is on a read-only file system."""
    mount = f"mount -t tmpfs -o ro none {folder} && exec " + '"$@"'
    return ["unshare", "--mount", "sh", "-c", mount, "sh", *command]


@pytest.mark.skipif(not can_mount(), reason="only root can mount")
def test_a_read_only_volume_is_named_by_the_server_s_log_and_by_the_doctor(site, monkeypatch):
    volume = site.folder / "volume"
    volume.mkdir()
    command = [BIN / "mcp-pluginserver", "--plugins", PLUGINS, "--socket", volume / "mcp.sock"]
    done = subprocess.run(
        [str(one) for one in read_only(volume, *command)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert f"{volume}/mcp.sock: cannot make the socket: Read-only file system" in done.stderr
    site.sidecar["KONG_MCP_SNAPSHOT"] = str(volume / "snapshot")
    assert site.ask()["folders"]["level"] == "ok"
    monkeypatch.setattr("servers.doctor_site.DOCTOR", read_only(volume, BIN / "kong-mcp", "doctor", "--json"))
    found = site.ask()["folders"]
    assert (found["level"], "the sidecar writes, is on a read-only" in found["seen"]) == ("fail", True), found


@pytest.mark.parametrize("name", ["KONG_MCP_SNAPSHOT", "MCP_SIDECAR_STORE", "KONG_MCP_POLICIES"])
def test_a_folder_that_is_not_there_is_named(site, name):
    place = "/nowhere/at-all" if name == "KONG_MCP_POLICIES" else "/nowhere/at-all/file"
    (site.guard if name == "KONG_MCP_POLICIES" else site.sidecar)[name] = place
    found = site.ask()["folders"]
    assert (found["level"], "/nowhere/at-all" in found["mend"]) == ("fail", True), found


def test_two_plugin_servers_on_one_socket_are_named_by_the_second_s_log_and_by_the_doctor(site):
    site.conf["nginx_user"] = "root root"
    with plugin_server(site):
        found = site.ask()
        assert found["plugin servers"]["level"] == "ok"
        command = [BIN / "mcp-pluginserver", "--plugins", PLUGINS, "--socket", site.socket]
        second = Program(command, site.folder / "second.log", {**os.environ, "KONG_MCP_KEYS": KEY}).start()
        try:
            second.wait_for(lambda: second.count("serving"))
            assert second.count("socket_taken_over") == 1
            found = site.ask()["plugin servers"]
            assert found["level"] == "warn"
            assert str(second.process.pid) in found["seen"]
        finally:
            second.stop()
        assert site.ask()["plugin servers"]["level"] == "ok"


def test_a_stale_socket_is_taken_without_a_word_of_another_server(site):
    with plugin_server(site):
        pass
    with plugin_server(site):
        log = (site.folder / "pluginserver.log").read_text()
    assert "socket_taken_over" not in log


@pytest.mark.parametrize("seconds", [-60, 60])
def test_a_sidecar_whose_clock_is_a_minute_off_is_named(site, seconds):
    site.sidecar["MCP_SIDECAR_LISTEN"], other = site.other_address(), site.sidecar["MCP_SIDECAR_LISTEN"]
    assert site.ask()["clock"]["level"] == "ok"
    site.dates[site.sidecar["MCP_SIDECAR_LISTEN"]] = formatdate(time.time() + seconds, usegmt=True)
    found = site.ask()["clock"]
    assert (found["level"], "the sidecar" in found["seen"], "NTP" in found["mend"]) == ("fail", True, True), found
    site.sidecar["MCP_SIDECAR_LISTEN"] = other
    assert site.ask()["clock"]["level"] == "ok"


def test_a_store_of_a_later_release_is_named_and_the_sidecar_does_not_start_with_it(site):
    store = site.folder / "surfaces.db"
    Store(str(store), migrate=True).close()
    site.sidecar["MCP_SIDECAR_STORE"] = str(store)
    assert site.ask()["store"]["level"] == "ok"
    engine = open_engine(store_url(str(store)))
    with engine.connect().execution_options(writes=True) as link, link.begin():
        link.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    found = site.ask()["store"]
    assert (found["level"], "later release (schema 9999)" in found["seen"]) == ("fail", True)
    environment = {"PATH": os.environ["PATH"], **site.sidecar, "MCP_SIDECAR_LISTEN": "127.0.0.1:0"}
    done = subprocess.run(
        [BIN / "mcp-sidecar", "migrate"], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "written by a later release (schema 9999)" in done.stderr) == (1, True), done.stderr


def test_a_sidecar_of_another_release_is_named(site):
    site.ready = (200, {"ready": True, "release": "0.1.0", "problems": {}})
    found = site.ask()["sidecar"]
    assert (found["level"], "of release 0.1.0" in found["seen"], "restart" in found["mend"]) == ("warn", True, True)
