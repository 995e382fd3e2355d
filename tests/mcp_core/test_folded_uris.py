"""URIs that are in normal form as they are written, and not as a reader has them that folds width."""

import pytest

from mcp_core import uris
from mcp_core.methods import Kind
from mcp_core.policy import Policy
from mcp_core.principal import NOBODY

# URI as sent -> what it becomes
FOLDED = {
    "file:///public/\uff0e\uff0e/private/key": "wide dots",
    "file:///public/.\uff0e/private/key": "one wide dot",
    "file:///public/\u2025/private/key": "one character for two dots",
    "file:///public/\u2024\u2024/private/key": "leaders of one dot",
    "file:///public/.\u200b./private/key": "a blank without width between dots",
    "file:///public/..\u00ad/private/key": "a soft hyphen behind dots",
    "file:///public\uff0f..\uff0fprivate/key": "wide slashes around dots",
    "file:///public/%EF%BC%8E%EF%BC%8E/private/key": "wide dots, encoded",
    "file:///public/\uff05\uff12\uff45./private/key": "a wide encoding",
    "file:///public/x\uff3c..\uff3cprivate": "wide backslashes",
    "file:///private\uff3ckey": "a wide backslash",
    "file:///public/..\u2215private/key": "a division slash behind dots",
    "file:///public\u2044..\u29f8private/key": "fraction and big slashes around dots",
    "file:///public/..%E2%88%95private/key": "a division slash, encoded",
    "file:///public/x\u2216..\u29f9private": "signs that are like backslashes",
    "file:///public/%c0%ae%c0%ae/private/key": "dots in two bytes",
    "file:///public/..%C0%AFprivate/key": "a slash in two bytes",
    "file:///public/%e0%80%ae%e0%80%ae/private/key": "dots in three bytes",
    "file:///public/%f0%80%80%ae./private/key": "a dot in four bytes",
    "file:///public/%u002e%u002e/private/key": "an encoding of UTF-16",
    "file:///public/%U002E./private/key": "the same in capitals",
}


@pytest.mark.requirement("POL-005", "POL-019")
@pytest.mark.parametrize("uri", FOLDED, ids=FOLDED.values())
@pytest.mark.parametrize(
    "resources", [{"allow": ["*"], "deny": ["file:///private/*"]}, {"allow": ["file:///public/*", "f*"]}]
)
def test_what_leads_elsewhere_once_it_is_folded_is_neither_listed_nor_read(uri, resources):
    assert not all(map(uris.is_normal, uris.readings(uri)))
    assert not Policy.from_config({"resources": resources}).view(NOBODY).allows(Kind.RESOURCE, uri)


@pytest.mark.requirement("POL-005")
@pytest.mark.parametrize(
    "uri",
    [
        *("file:///\u672c/\u7b2c\uff11\u7ae0.md", "note://\uff21\uff22/x", "file:///100\uff05/x", "file:///a\u2026/b"),
        *("file:///\u7d42\u308f\u308a\u2025.txt", "file:///caf%C3%A9", "file:///caf%E9", "file:///%C0%20propos"),
        *("file:///\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "file:///a\uff0eb", "x:\u0130"),
        *("file:///\u00fc/a%20b%2Fc", "note://\u672c/%E6%9C%AC", "note://\u672c/50\uff05?q=%20x"),
    ],
)
def test_other_letters_stay_in_normal_form(uri):
    assert all(map(uris.is_normal, uris.readings(uri)))
    everything = {"resources": {"allow": ["*"], "deny": ["file:///private/*"]}}
    assert Policy.from_config(everything).view(NOBODY).allows(Kind.RESOURCE, uri)


@pytest.mark.requirement("POL-022")
@pytest.mark.parametrize(
    "uri",
    [
        *("file:///private\u2215key", "file:///private\u2044key", "file:\u2215\u2215/private/key"),
        *(
            "file:///private%E2%88%95key",
            "file:///PRIVATE\u29f8key",
            "note://h\u2215private/x",
            "note://h/private\u2044x",
        ),
        *("file:///notes.txt::$DATA", "file:///NOTES.TXT::$data", "file:///notes.txt%3A%3A%24DATA"),
        *("file:///private::$INDEX_ALLOCATION/key", "file:///private:$I30:$INDEX_ALLOCATION/key"),
        *("file:///notes.txt.::$DATA", "skill://private::$DATA/key"),
    ],
)
def test_what_windows_takes_for_something_denied_is_denied(uri):
    denied = ["file:///private/*", "file:///notes.txt", "note://h/private/*", "skill://private/*"]
    view = Policy.from_config({"resources": {"allow": ["*"], "deny": denied}}).view(NOBODY)
    assert not view.allows(Kind.RESOURCE, uri)


@pytest.mark.requirement("POL-022")
def test_a_glob_with_such_signs_denies_what_they_are_taken_for():
    view = Policy.from_config({"resources": {"allow": ["*"], "deny": ["note://h/a\u2215*"]}}).view(NOBODY)
    assert not any(
        view.allows(Kind.RESOURCE, uri) for uri in ("note://h/a\u2215b", "note://h/a/b", "note://h/A\u2044b")
    )


@pytest.mark.requirement("POL-022")
@pytest.mark.parametrize(
    "uri",
    [
        *("file:///1\u20442.txt", "file:///\u00bd.txt", "file:///privat\u2215key", "file:///x::y", "note://h/a::$b"),
        *("repo://o/r:main:$x", "note://[::2]/x", "file:///notes.txt:summary"),
    ],
)
def test_what_is_like_nothing_denied_stays_allowed(uri):
    denied = ["file:///private/*", "file:///notes.txt", "note://h/private/*"]
    view = Policy.from_config({"resources": {"allow": ["*"], "deny": denied}}).view(NOBODY)
    assert view.allows(Kind.RESOURCE, uri)
