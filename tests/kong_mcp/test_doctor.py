"""kong-mcp doctor on broken set-ups: each part is named, with what to do, in order; nothing secret is printed."""

import contextlib
import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kong_mcp.doctor.kong import judge_release
from kong_mcp.doctor.place import read_environment
from servers.doctor_site import KEY, ORDER, OTHER, Site, plugin_server
from servers.own_kong import BIN, other_plugins


@pytest.fixture
def site(tmp_path):
    with contextlib.closing(Site(tmp_path)) as site:
        yield site


@pytest.fixture
def served(site):
    """A site whose plugin server runs."""
    with plugin_server(site):
        yield site


def levels(checks):
    return {name: one["level"] for name, one in checks.items()}


@pytest.mark.requirement("DOC-001")
def test_where_all_is_well_it_says_so(served):
    served.conf["nginx_user"] = "root root"
    found = levels(served.ask())
    expected = dict.fromkeys(ORDER, "ok") | {"decK files": "warn"}
    assert found == expected | {name: found[name] for name in ("doctor", "kong")}


@pytest.mark.requirement("DOC-001")
@pytest.mark.parametrize(
    ("changed", "check", "level", "seen", "mend"),
    [
        ({"plugins": "bundled"}, "kong.conf", "fail", "`plugins` does not name", "plugins = bundled,mcp-guard"),
        ({"pluginserver_names": None}, "kong.conf", "fail", "`pluginserver_names` does", "pluginserver_names = "),
        (
            {"plugins": "bundled,mcp-guard,mcp-internal"},
            "kong.conf",
            "warn",
            "mcp-answers is not among",
            "lua_package_path",
        ),
        (
            {"plugins": "bundled,mcp-guard,mcp-answers"},
            "kong.conf",
            "fail",
            "does not name mcp-internal",
            "plugins = bundled",
        ),
        (
            {"nginx_main_env": "PATH"},
            "kong.conf",
            "fail",
            "nginx keeps KONG_MCP_KEYS",
            "nginx_main_env = KONG_MCP_KEYS",
        ),
        ({"pluginserver_mcp_guard_query_cmd": None}, "description", "fail", "is not told", "query_cmd"),
        ({"pluginserver_mcp_guard_query_cmd": "cat /none"}, "description", "fail", "prints no", "unpack"),
        ({"pluginserver_mcp_guard_query_cmd": "echo {}"}, "description", "fail", "prints no", "unpack"),
        ({"pluginserver_mcp_guard_socket": "/etc/passwd"}, "socket", "fail", "is no socket", "kong.conf"),
        ({"pluginserver_mcp_guard_socket": "/tmp/none/s"}, "socket", "fail", "every route is closed", "start the"),
    ],
)
def test_what_is_wrong_in_kong_conf_is_named(served, changed, check, level, seen, mend):
    served.conf |= changed
    found = served.ask()[check]
    assert (found["level"], seen in found["seen"], mend in found["mend"]) == (level, True, True), found


@pytest.mark.requirement("DOC-001")
def test_a_start_command_is_told_what_it_does_to_deck(served):
    served.conf["pluginserver_mcp_guard_start_cmd"] = "/bin/true"
    served.root = (500, {"message": "An unexpected error occurred"})
    found = served.ask()
    assert (found["start command"]["level"], "500" in found["start command"]["seen"]) == ("warn", True)
    assert (found["admin"]["level"], "start_cmd" in found["admin"]["mend"]) == ("fail", True)


@pytest.mark.requirement("DOC-001")
@pytest.mark.parametrize("there", [True, False])
def test_a_start_command_that_kong_s_user_cannot_run_is_named(served, there):
    program = served.folder / "server"
    if there:
        program.write_text("#!/nowhere/python\n")
        program.chmod(0o755)
    served.conf |= {"pluginserver_mcp_guard_start_cmd": f"{program} --plugins x", "nginx_user": "root root"}
    found = served.ask()["start command"]
    assert (found["level"], "exit 126" in found["seen"]) == ("fail", True)


@pytest.mark.requirement("DOC-001")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_python_that_only_root_can_read_is_named(served):
    home = served.folder / "home"
    home.mkdir(mode=0o700)
    (home / "python").symlink_to(sys.executable)
    program = served.folder / "server"
    program.write_text(f"#!{home}/python\n")
    program.chmod(0o755)
    for one in (served.folder, *served.folder.parents):
        if str(one).startswith("/tmp/"):
            one.chmod(one.stat().st_mode | 0o055)
    served.conf |= {"pluginserver_mcp_guard_start_cmd": str(program), "nginx_user": "nobody nogroup"}
    found = served.ask()["start command"]
    assert (found["level"], "nobody" in found["seen"], "interpreter" in found["seen"]) == ("fail", True, True)


@pytest.mark.requirement("DOC-001")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_socket_that_kong_s_user_may_not_use_is_named(served):
    served.conf["nginx_user"] = "nobody nogroup"
    found = served.ask()["socket"]
    assert (found["level"], "nobody" in found["seen"], "--socket-group" in found["mend"]) == ("fail", True, True)


@pytest.mark.requirement("DOC-001")
def test_a_socket_that_nobody_serves_is_named(site):
    site.conf["nginx_user"] = "root root"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(site.socket))
    found = site.ask()["socket"]
    assert (found["level"], "nobody serves it" in found["seen"]) == ("fail", True)


@pytest.mark.requirement("DOC-001")
def test_a_socket_of_somebody_else_is_named(site):
    site.conf["nginx_user"] = "root root"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(site.socket))
        other.listen()

        def answer():
            for _ in range(2):
                peer = other.accept()[0]
                with peer, contextlib.suppress(OSError):
                    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        found = site.ask()["socket"]
        thread.join()
    assert (found["level"], "is no plugin server" in found["seen"]) == ("fail", True)


@pytest.mark.requirement("DOC-001")
def test_a_dump_and_a_server_of_other_releases_are_named(site, tmp_path):
    site.conf["nginx_user"] = "root root"
    older = other_plugins(tmp_path / "older", priority=1300)
    with plugin_server(site, older):
        found = site.ask()
        assert levels(found)["description"] == "ok"
        assert (found["socket"]["level"], "of another release" in found["socket"]["seen"]) == ("fail", True)
        site.dump_of(older)
        found = site.ask()
        assert (found["description"]["level"], "of another release" in found["description"]["seen"]) == ("fail", True)
        assert levels(found)["socket"] == "ok"


@pytest.mark.requirement("DOC-001")
@pytest.mark.parametrize(
    ("guard", "sidecar", "seen"),
    [
        ({}, {}, "of the guard: there is no key"),
        ({"KONG_MCP_KEYS": KEY}, {}, "of the sidecar: there is no key"),
        ({"KONG_MCP_KEYS": KEY}, {"KONG_MCP_KEYS": OTHER}, "by which the guard signs"),
        ({"KONG_MCP_KEYS": KEY}, {"KONG_MCP_KEYS": f"{OTHER},{KEY}"}, "by which the sidecar signs"),
        ({"KONG_MCP_KEYS": "short"}, {"KONG_MCP_KEYS": KEY}, "of the guard: key 1"),
    ],
)
def test_keys_that_are_missing_or_differ_are_named_and_never_printed(site, guard, sidecar, seen):
    listen = site.sidecar["MCP_SIDECAR_LISTEN"]
    site.guard, site.sidecar = guard, {**sidecar, "MCP_SIDECAR_LISTEN": listen}
    found = site.ask()["keys"]
    assert (found["level"], seen in found["seen"]) == ("fail", True), found


@pytest.mark.requirement("DOC-001")
def test_a_rotation_in_progress_is_no_fault(site):
    site.guard["KONG_MCP_KEYS"] = f"{KEY},{OTHER}"
    site.sidecar["KONG_MCP_KEYS"] = f"{OTHER},{KEY}"
    assert levels(site.ask())["keys"] == "ok"


@pytest.mark.requirement("DOC-001")
def test_a_key_file_that_everybody_may_read_is_a_warning(site):
    (site.folder / "guard.env").touch(0o644)
    (site.folder / "guard.env").chmod(0o644)
    found = site.ask()["key files"]
    assert (found["level"], "guard.env" in found["mend"]) == ("warn", True)
    assert stat.S_IMODE((site.folder / "guard.env").stat().st_mode) == 0o644, "it changes nothing"


@pytest.mark.requirement("DOC-001")
def test_a_sidecar_that_is_not_ready_says_why(site):
    site.ready = (503, {"ready": False, "problems": {"kong": "nothing answers"}})
    found = site.ask()["sidecar"]
    assert (found["level"], "kong: nothing answers" in found["seen"]) == ("fail", True)
    site.ready = (200, {"ready": True, "problems": {}, "warnings": {"store": "it cannot be used"}})
    found = site.ask()["sidecar"]
    assert (found["level"], "store: it cannot be used" in found["seen"]) == ("warn", True)
    site.sidecar["MCP_SIDECAR_LISTEN"] = "127.0.0.1:1"
    found = site.ask()["sidecar"]
    assert (found["level"], "start it" in found["mend"]) == ("fail", True)


@pytest.mark.requirement("DOC-001")
def test_clocks_that_are_apart_are_named(site):
    site.date = "Thu, 01 Jan 2026 00:00:00 GMT"
    assert site.ask()["clock"]["level"] == "fail"


@pytest.mark.requirement("DOC-001")
def test_a_kong_that_was_not_restarted_or_is_not_there_is_named(site):
    site.root = (200, {"version": "3.9.3", "plugins": {"available_on_server": {}}})
    found = site.ask()["admin"]
    assert (found["level"], "restart Kong" in found["mend"]) == ("fail", True)
    site.conf["admin_listen"] = "127.0.0.1:1"
    assert site.ask()["admin"]["level"] == "fail"
    site.conf["admin_listen"] = "off"
    assert site.ask()["admin"]["level"] == "ok"


@pytest.mark.requirement("DOC-001")
@pytest.mark.parametrize(
    ("said", "level", "seen"),
    [
        ("3.9.3\n", "ok", "Kong 3.9.3"),
        ("3.9.2\n", "warn", "CVE-2026-49975"),
        ("3.9.1\n", "warn", "six holes of nginx"),
        ("3.9.0\n", "fail", "too old"),
        ("3.4.2\n", "fail", "not tried"),
        ("4.0.0\n", "fail", "not tried"),
        ("Kong Enterprise 3.9.1.2\n", "warn", "six holes"),
        ("command not found\n", "fail", "says"),
    ],
)
def test_releases_of_kong_are_judged(said, level, seen):
    found = judge_release(said)
    assert (found.level, seen in found.seen) == (level, True)


def test_an_environment_file_is_read_as_systemd_reads_it(tmp_path):
    path = tmp_path / "guard.env"
    path.write_text("# keys\n; too\n\nA=one\nB='two words'\nC=\"a=b\"\n")
    assert read_environment(path, {"X": "1"}) == {"A": "one", "B": "two words", "C": "a=b"}
    assert read_environment(Path("/none"), {"X": "1"}) == {"X": "1"}


@pytest.mark.requirement("DOC-001")
def test_its_text_says_the_same_in_lines(site):
    site.ask()
    command = [BIN / "kong-mcp", "doctor", f"--conf={site.folder}/kong.conf"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"fail  socket: {site.socket}: No such file or directory" in done.stdout
    assert "      -> start the plugin server" in done.stdout
