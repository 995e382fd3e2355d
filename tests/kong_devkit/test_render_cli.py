import stat
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from kong_devkit.render_cli import render_command

TEXT = '_format_version: "3.0"\nconsumers: [{username: \'${{ env "DECK_WHO" }}\'}]\n'


def test_render_prints_the_document(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(TEXT)
    result = CliRunner().invoke(render_command, [str(tmp_path / "a.yaml")], env={"DECK_WHO": "ann"})
    assert yaml.safe_load(result.stdout) == {"_format_version": "3.0", "consumers": [{"username": "ann"}]}


def test_render_replaces_its_output_whole_and_for_its_owner_only(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(TEXT)
    output = tmp_path / "out.yaml"
    output.write_text("old")
    result = CliRunner().invoke(render_command, [str(tmp_path / "a.yaml"), "-o", str(output)], env={"DECK_WHO": "ann"})
    assert (result.exit_code, result.output) == (0, "")
    assert yaml.safe_load(output.read_text())["consumers"] == [{"username": "ann"}]
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.yaml", "out.yaml"]


@pytest.mark.requirement("KIT-016")
def test_render_says_what_is_missing_and_leaves_the_old_output(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(TEXT)
    output = tmp_path / "out.yaml"
    output.write_text("old")
    result = CliRunner().invoke(render_command, [str(tmp_path / "a.yaml"), "-o", str(output)])
    assert result.exit_code == 1
    assert "DECK_WHO is not set" in result.stderr
    assert output.read_text() == "old"


def test_an_output_that_cannot_be_written_is_a_plain_error(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(TEXT)
    result = CliRunner().invoke(
        render_command, [str(tmp_path / "a.yaml"), "-o", str(tmp_path / "no" / "out.yaml")], env={"DECK_WHO": "ann"}
    )
    assert result.exit_code == 1
    assert "cannot write" in result.stderr


@pytest.mark.requirement("KIT-017")
def test_what_is_shared_is_written_out_in_each_place(tmp_path: Path) -> None:
    targets = 'targets: &one [{ target: "a:1" }]'
    (tmp_path / "a.yaml").write_text(
        f'_format_version: "3.0"\nupstreams: [{{ name: a, {targets} }}, {{ name: b, targets: *one }}]\n'
    )
    result = CliRunner().invoke(render_command, [str(tmp_path / "a.yaml")])
    assert yaml.safe_load(result.stdout)["upstreams"][1]["targets"] == [{"target": "a:1"}]
    assert not {"&", "*"} & set(result.stdout)
