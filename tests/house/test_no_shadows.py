"""A script that the Makefile runs finds the tests' packages: Python looks for modules beside the script too."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_no_file_beside_a_script_has_the_name_of_a_package_of_the_tests():
    packages = {one.name for one in TESTS.iterdir() if one.is_dir()}
    beside = set(re.findall(r"/python tests/(\w+)/\w+\.py", (TESTS.parent / "Makefile").read_text()))
    assert "bench" in beside
    scripts = [one for folder in beside for one in (TESTS / folder).glob("*.py")]
    found = [str(one) for one in scripts if one.stem in packages - {one.parent.name}]
    assert found == []
