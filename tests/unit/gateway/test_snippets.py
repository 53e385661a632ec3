"""Texts for other people's SDKs: filled in whole, and refused in words."""

import ast
import json
from importlib.resources import files

import pytest

from ossicle.core.errors import Refused
from ossicle.gateway.snippets import TEMPLATES, Address, fill, find, snippets

HERE = Address(
    "http://localhost:8080",
    "https://localhost:8443",
    "/var/lib/ossicle/ca.pem",
    "grpc://localhost:50051",
    "grpcs://localhost:50052",
)
EVERYWHERE = {each.path for each in TEMPLATES}
every_template = pytest.mark.parametrize(
    "template", TEMPLATES, ids=lambda each: f"{each.sdk}-{each.language}"
)


def test_every_text_has_a_row_and_every_row_a_text():
    folder = files("ossicle.gateway.snippets") / "texts"
    held = {each.name for each in folder.iterdir()}
    assert held == {each.file for each in TEMPLATES}


@every_template
def test_nothing_is_left_to_fill_in(template):
    for here in (HERE, Address(https=HERE.https), Address("", HERE.https, HERE.ca)):
        filled = fill(template, here)
        assert "{{" not in filled.text
        assert "»" not in filled.text
        assert filled.title


@every_template
def test_the_lines_that_differ_name_this_gateway(template):
    filled = fill(template, HERE)
    lines = filled.text.splitlines()
    changed = "\n".join(lines[number - 1] for number in filled.changes)
    if template.rpc:
        assert "50052" in changed
        assert "localhost" in changed
    else:
        assert "localhost:8443" in changed if template.secure else "localhost:8080" in changed


@every_template
def test_no_key_stands_in_a_text(template):
    if template.language in {"python", "javascript", "shell"} and template.sdk != "twilio":
        names = ("OSSICLE_KEY", "AWS_SECRET_ACCESS_KEY", "token")
        assert any(name in template.text for name in names)


@pytest.mark.parametrize("template", [t for t in TEMPLATES if t.language == "python"],
                         ids=lambda each: each.sdk)  # fmt: skip
def test_python_is_python(template):
    ast.parse(fill(template, HERE).text)


def test_a_ca_is_named_only_where_it_is_needed():
    assert "ca.pem" not in fill(_one("curl"), HERE).text, "the plain door needs none"
    secure = fill(_one("curl"), Address("", HERE.https, HERE.ca)).text
    assert "--cacert /var/lib/ossicle/ca.pem" in secure
    assert "ca.pem" not in fill(_one("curl"), Address("", HERE.https)).text, "a public certificate"
    assert "NODE_EXTRA_CA_CERTS=/var/lib/ossicle/ca.pem node" in (
        find(HERE, EVERYWHERE, "assemblyai", "js")[0].text
    )


def test_what_is_not_answered_is_not_offered():
    assert {each.sdk for each in snippets(HERE, {"/v1/stream"})} == {"ossicle", "curl", "websocket"}
    assert snippets(Address(), EVERYWHERE) == ()
    plain = {each.sdk for each in snippets(Address("http://localhost:1"), EVERYWHERE)}
    assert "twilio" not in plain, "it insists on TLS"


@pytest.mark.parametrize("name", ["deepgram", "Deepgram", "@deepgram/sdk", "deepgram-sdk"])
def test_names_as_people_write_them(name):
    assert {each.language for each in find(HERE, EVERYWHERE, name)} == {"python", "javascript"}


@pytest.mark.parametrize(
    ("name", "language"),
    [("google-python", "python"), ("google-node", "javascript"), ("deepgram-js", "javascript")],
)
def test_a_name_may_say_the_language_too(name, language):
    assert [each.language for each in find(HERE, EVERYWHERE, name)] == [language]


@pytest.mark.parametrize("name", ["google-cloud-speech", "@google-cloud/speech", "Google"])
def test_names_of_googles_packages(name):
    assert {each.sdk for each in find(HERE, EVERYWHERE, name)} == {"google"}


def test_the_authority_of_a_grpc_door_is_named_as_grpc_reads_it():
    (text,) = find(HERE, EVERYWHERE, "google", "python")
    assert "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=/var/lib/ossicle/ca.pem python" in text.text
    (text,) = find(HERE, EVERYWHERE, "riva")
    assert 'ssl_root_cert="/var/lib/ossicle/ca.pem"' in text.text


@pytest.mark.parametrize(
    ("sdk", "language", "said"),
    [
        ("deepgran", "", "did you mean 'deepgram'?"),
        ("x", "", "there are ossicle, deepgram"),
        ("deepgram", "cobol", "there are python, javascript"),
    ],
)
def test_what_is_not_known_is_refused_with_a_suggestion(sdk, language, said):
    with pytest.raises(Refused) as caught:
        find(HERE, EVERYWHERE, sdk, language)
    assert said in str(caught.value)


def test_what_cannot_be_reached_is_refused_with_the_way_out():
    with pytest.raises(Refused, match="/v3/ws, where nothing answers"):
        find(HERE, {"/v1/stream"}, "assemblyai")
    with pytest.raises(Refused, match="--grpc-tls-port"):
        find(Address("http://localhost:1", grpc="grpc://localhost:2"), EVERYWHERE, "riva")
    with pytest.raises(Refused, match="--tls-port"):
        find(Address("http://localhost:1"), EVERYWHERE, "assemblyai", "javascript")


@pytest.mark.parametrize(
    ("host", "http"),
    [
        ("speech.lan:9999", "http://speech.lan:8080"),
        ("speech.lan", "http://speech.lan:8080"),
        ("[::1]:80", "http://[::1]:8080"),
        ("[::1]", "http://[::1]:8080"),
        ('"><script>', "http://localhost:8080"),
        ("", "http://localhost:8080"),
    ],
)
def test_a_client_is_told_the_name_it_used(host, http):
    assert HERE.seen_from(host).http == http


def test_a_closed_door_stays_closed():
    assert Address(https="https://a:1").seen_from("b").http == ""


def test_it_travels_as_json():
    import msgspec

    told = json.loads(msgspec.json.encode(snippets(HERE, EVERYWHERE)))
    assert {"sdk", "language", "title", "text", "changes"} <= set(told[0])


def _one(sdk):
    return next(each for each in TEMPLATES if each.sdk == sdk)
