"""A release has its base images by digest, or none at all."""

import re

import pytest

from ship.images import IMAGES, UnpinnedImageError, pinned
from ship.parts import ROOT

pytestmark = pytest.mark.requirement("SHIP-304")
GIVEN = {name: f"{tag}@sha256:{number * 64}" for number, (name, tag) in zip("ab", IMAGES.items(), strict=True)}


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("image", ["", "{}", "{}@sha256:abc", "{}@sha512:" + 64 * "a", "other:1@sha256:" + 64 * "a"])
def test_an_image_without_a_digest_or_another_one_is_no_release(name, image):
    with pytest.raises(UnpinnedImageError, match=f"{name} is .*write {name}="):
        pinned({**GIVEN, name: image.format(IMAGES[name])})


def test_an_image_that_nobody_thought_of_is_no_release(monkeypatch):
    monkeypatch.setattr("ship.images.IMAGES", {"KONG_IMAGE": IMAGES["KONG_IMAGE"]})
    with pytest.raises(UnpinnedImageError, match=r"names python:.* without a digest"):
        pinned(GIVEN)


def test_with_digests_every_line_that_names_a_base_image_has_one():
    files = {name: text.decode() for name, text in pinned(GIVEN).items()}
    assert re.findall(r"(?m)^FROM (\S+)", files["Dockerfile"]) == [GIVEN["PYTHON_IMAGE"]] * 2
    assert f"image: {GIVEN['KONG_IMAGE']}\n" in files["compose.yaml"]


def test_without_any_a_release_has_no_image_files():
    assert pinned({}) == {}


@pytest.mark.parametrize("path", ["Dockerfile", "compose.yaml", "values.yaml", "values-mine.yaml"])
def test_what_is_shipped_names_the_images_that_a_release_pins(path):
    text = (ROOT / "kong" / path).read_text()
    assert any(tag in text or tag.replace("kong:", "tag: ") in text for tag in IMAGES.values())
