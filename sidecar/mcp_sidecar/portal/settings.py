"""What the sidecar is told about the portal. Without an address there is none."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from mcp_core.principal import Principal
from mcp_sidecar.auth.secret import WANTED, Secret
from mcp_sidecar.surface.viewers import ViewerRole

PREFIX: Final = "/portal"
"""Where Kong's route leads (deck/portal.yaml)."""
_GROUP: Final = "group:"


@dataclass(frozen=True, slots=True)
class LoginProvider:
    """An OpenID provider, and as whom it is asked."""

    issuer: str
    client: str
    secret: Secret
    scopes: str = "openid profile"


@dataclass(frozen=True)
class PortalSettings:
    """Settings of the portal. `url` is where people find the gateway: scheme and host, without a path.

    `roles` maps names of people, and `group:NAME`, to their role; everybody else is a viewer. `links` is the folder of
    one-time links.
    """

    url: str | None = None
    roles: Mapping[str, ViewerRole] = field(default_factory=dict)
    links: str | None = None
    login: LoginProvider | None = None

    @property
    def is_secure(self) -> bool:
        """Return whether browsers come by https."""
        return (self.url or "").startswith("https:")

    def problem(self) -> str | None:
        """Return what is missing where one setting needs another."""
        if self.url is None and (self.roles or self.links or self.login):
            return "MCP_SIDECAR_PUBLIC_URL is not set, or has a path: without the gateway's address there is no portal"
        if self.login is not None and self.login.issuer.startswith("http:") and self.is_secure:
            return "MCP_SIDECAR_PORTAL_LOGIN: write https, as MCP_SIDECAR_PUBLIC_URL does"
        return None

    def role_of(self, principal: Principal) -> ViewerRole:
        """Return the highest role of somebody, by name and by groups. Nobody is a group by what they are called."""
        name = principal.name or ""
        named = ["" if name.startswith(_GROUP) else name, *(f"{_GROUP}{group}" for group in principal.groups)]
        return max(
            (self.roles[name] for name in named if name in self.roles),
            default=ViewerRole.VIEWER,
            key=list(ViewerRole).index,
        )


def page_address(public_url: str | None) -> str | None:
    """Return where people find the portal: MCP_SIDECAR_PUBLIC_URL, None where that is not set, or has a path."""
    url = urlsplit(public_url or "")
    bad = url.path not in ("", "/") or re.search(r"[;,']", url.netloc)
    return None if public_url is None or bad else f"{url.scheme}://{url.netloc}"


def _roles(text: str) -> dict[str, ViewerRole]:
    roles = {}
    for part in text.split(","):
        name, equals, role = part.strip().rpartition("=")
        if not equals or not name or role not in list(ViewerRole) or name in roles:
            raise ValueError(
                f"write NAME=ROLE or group:NAME=ROLE with commas, each name once; a role is {', '.join(ViewerRole)}"
            )
        roles[name] = ViewerRole(role)
    return roles


def _folder(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError("write the full path of the folder of one-time links")
    return text


def _login(text: str) -> LoginProvider:
    words = text.split()
    if len(words) != 3 or not words[0].startswith(("https://", "http://127.0.0.1", "http://localhost")):
        raise ValueError(f"write ISSUER CLIENT-ID SECRET with blanks between them; of SECRET {WANTED}")
    return LoginProvider(words[0], words[1], Secret.parse(words[2]))


PORTAL_VARIABLES: Final[dict[str, tuple[str, Callable[[str], object]]]] = {
    "MCP_SIDECAR_PORTAL_ROLES": ("roles", _roles),
    "MCP_SIDECAR_PORTAL_LINKS": ("links", _folder),
    "MCP_SIDECAR_PORTAL_LOGIN": ("login", _login),
}
"""Variable -> the field it sets and its parser, which raises ValueError saying what to write."""
