"""Secrets taken out of answers, in whatever spelling."""

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest

from mcp_core.rest.redaction import NOT_SHOWN, REDACTED, Redaction
from mcp_core.rest.result import LONGEST_ERROR, result_of

KEY = 's3cr3t/of+the"gateway"&mine?'


def text(result):
    return result["content"][0]["text"]


def b64(raw):
    return base64.b64encode(raw).decode()


PLAIN = {
    "itself": KEY,
    "in JSON": json.dumps({"key": KEY}),
    "in JSON, slashes too": json.dumps({"key": KEY}).replace("/", "\\/"),
    "in a URL": f"/?key={quote(KEY, safe='')}&a=b",
    "in a path": quote(KEY),
    "in a form": quote_plus(KEY),
    "in percents alone": "".join(f"%{one:02X}" for one in KEY.encode()),
    "in HTML": html.escape(KEY),
    "in upper case": KEY.upper(),
    "in hex": KEY.encode().hex(),
    **{f"in base64 after {at}": b64(b"x" * at + KEY.encode() + b"y" * at) for at in range(6)},
    **{f"in base64url after {at}": base64.urlsafe_b64encode(b"x" * at + KEY.encode()).decode() for at in range(3)},
}
MIXED = {
    "twice in a URL": quote(quote(KEY, safe=""), safe=""),
    "base64 in lines": base64.encodebytes(b"user:" + KEY.encode() * 3).decode()[:90].replace("\n", "")[:30]
    + "\n"
    + b64(b"user:" + KEY.encode() * 3)[30:90],
    "base64 in lines of JSON": json.dumps(b64(KEY.encode())[:20] + "\r\n" + b64(KEY.encode())[20:]),
    "base64 in a URL": quote(b64(b"\xff\xfe" + KEY.encode()), safe="").replace("s", "%73"),
    "code points of JSON": "".join(f"\\u{ord(one):04x}" for one in KEY),
    "code points of HTML": "".join(f"&#x{ord(one):x};" for one in KEY),
    "in wide letters of UTF-16": KEY.encode("utf-16le").decode(),
    "hex with colons": KEY.encode().hex(":"),
    "some percents": KEY.replace("c", "%63").replace("t", "%2574"),
    "without its signs": KEY.replace("/", " ").replace("+", "-"),
}


@pytest.mark.requirement("REST-025")
@pytest.mark.parametrize("said", PLAIN.values(), ids=PLAIN)
def test_a_secret_is_taken_out_of_an_answer_and_the_rest_is_shown(said):
    shown = text(result_of(200, "text/plain", f"before {said} after".encode(), "", Redaction([KEY])))
    assert REDACTED in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")
    assert "s3cr3t" not in shown.lower()


@pytest.mark.requirement("REST-025")
@pytest.mark.parametrize("said", MIXED.values(), ids=MIXED)
def test_a_text_with_a_secret_in_some_mixture_of_spellings_is_not_shown(said):
    for status in (200, 500):
        shown = text(result_of(status, "text/plain", f"before {said} after".encode(), "", Redaction([KEY])))
        assert NOT_SHOWN in shown
        assert "after" not in shown


@pytest.mark.requirement("REST-025")
@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("Bearer abcdefgh12", "you sent abcdefgh12"),
        ("Basic " + b64(b"user:pass-word1"), "no user has pass-word1 here"),
        ("session=abcdefgh12; other=2", "session abcdefgh12 is over"),
        ("1234", "your pin 1234"),
    ],
)
def test_what_of_a_header_is_the_secret_is_taken_out_by_itself(secret, said):
    shown = Redaction([secret]).clean(said)
    assert REDACTED in shown
    assert not any(one in shown for one in ("abcdefgh12", "pass-word1", "1234"))


@pytest.mark.requirement("REST-025")
def test_a_secret_is_not_cut_in_two_by_the_end_of_an_error():
    said = "x" * (LONGEST_ERROR - 10) + KEY
    assert "s3cr" not in text(result_of(500, "text/plain", said.encode(), "", Redaction([KEY])))


@pytest.mark.requirement("REST-025")
def test_what_holds_no_secret_is_shown_as_it_is():
    said = json.dumps({"of": "the gateway", "url": "https://h/%2525?a=%25&b=&amp;", "s": "s3cr3t", "n": 1234})
    assert Redaction([KEY, "Bearer short"]).clean(said) == said
    assert Redaction().clean(KEY) == KEY
    assert "s3cr3t" not in repr(Redaction([KEY]))
    image = result_of(200, "image/png", b"\x89PNG", "", Redaction([KEY]))
    assert image["content"][0]["type"] == "image"


@pytest.mark.timeout(100)
@pytest.mark.requirement("REST-025")
@pytest.mark.parametrize("said", ["%25" * 1_000_000, "&amp;" * 500_000, "\\u0041" * 500_000, "s3cr3t/of+the" * 200_000])
def test_long_answers_are_looked_through_in_linear_time(said):
    assert Redaction([KEY, "k" * 4_000]).clean(said) in {said, NOT_SHOWN, REDACTED * 200_000}
