"""A script that the Makefile runs finds the tests' packages: Python looks for modules beside the script too."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_no_file_beside_a_script_has_the_name_of_a_package_of_the_tests():
    packages = {path.name for path in TESTS.iterdir() if path.is_dir()}
    beside = set(re.findall(r"/python tests/(\w+)/\w+\.py", (TESTS.parent / "Makefile").read_text()))
    assert "bench" in beside
    scripts = [path for folder in beside for path in (TESTS / folder).glob("*.py")]
    found = [str(script) for script in scripts if script.stem in packages - {script.parent.name}]
    assert found == []
