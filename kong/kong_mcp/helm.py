"""`kong-mcp helm-values`: the values of Kong's Helm chart for this release and one image of it."""

from __future__ import annotations

import re
from typing import Final

import click

from kong_mcp.share import kong_folder

PLACEHOLDER: Final = "registry.example/kong-mcp"
_REFERENCE: Final = re.compile(
    r"[a-z0-9]+(?:[._-][a-z0-9]+)*(?::[0-9]+)?(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
"""An image's name, tag and digest (github.com/distribution/reference)."""


@click.command("helm-values")
@click.argument("image")
def helm_values(image: str) -> None:
    """Write values for the Helm chart kong/kong to standard output.

    IMAGE is yours, built from kong/Dockerfile: plugin server and sidecar. Name it by its digest
    (registry.example/kong-mcp@sha256:...): a tag can mean another image tomorrow.

    \b
    kong-mcp helm-values registry.example/kong-mcp@sha256:... > kong-mcp.yaml
    helm install kong kong/kong -f kong-mcp.yaml -f mine.yaml
    """  # noqa: D301 - click's \b keeps the example's lines
    if not _REFERENCE.fullmatch(image):
        raise click.BadParameter(
            f"{image!r} names no image; write REGISTRY/NAME@sha256:DIGEST or REGISTRY/NAME:TAG", param_hint="IMAGE"
        )
    if "@sha256:" not in image:
        click.echo(f"warning: {image} has no digest: the registry may give another image for it tomorrow", err=True)
    text = (kong_folder() / "values.yaml").read_text(encoding="utf-8")
    click.echo(text.replace(f"image: {PLACEHOLDER}", f"image: {image}"), nl=False)
