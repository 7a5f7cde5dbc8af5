"""A credential has one spelling and is refused with the code of the first rule that it breaks.

Every breakage below knows its place in the order; alone it must give its code, in pairs the earlier one's.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from itertools import combinations
from random import Random
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from byteor.governance.canonical import encode_base64url
from byteor.governance.credential import (
    MAX_CREDENTIAL_BYTES,
    Claims,
    VerifiedCredential,
    decode_credential,
    encode_credential,
    verify_credential,
)
from byteor.governance.errors import GovernanceError

FIELDS = Claims.__struct_fields__
HOUR = 3600


def sign(world: Any, payload: bytes, name: str = "alice") -> str:
    """A credential over any payload at all, rightly signed."""
    text = encode_base64url(payload)
    return f"{text}.{encode_base64url(world.signer(name).sign(text.encode()))}"


def document(world: Any) -> dict[str, Any]:
    return msgspec.to_builtins(world.claims("alice"))


def code_of(world: Any, text: str, **changes: Any) -> str | None:
    given_ = {"keys": world.keys, "wanted": world.wanted, "now": world.now + 60, **changes}
    try:
        verify_credential(text, **given_)
    except GovernanceError as error:
        assert error.exit == 9
        assert error.hint
        return error.code
    return None


def test_a_good_credential_is_taken_and_says_what_it_said(world: Any) -> None:
    text = world.credential("alice")
    found = verify_credential(text, keys=world.keys, wanted=world.wanted, now=world.now)
    assert found.claims == world.claims("alice")
    assert (found.key.principal, found.text) == ("alice", text)


def test_nobody_but_the_verifier_makes_a_verified_credential(world: Any) -> None:
    with pytest.raises(TypeError):
        VerifiedCredential(object(), world.claims("alice"), world.key("alice"), "")
    found = verify_credential(world.credential("alice"), keys=world.keys, wanted=world.wanted, now=world.now)
    with pytest.raises(AttributeError):
        found.claims = world.claims("bob")  # type: ignore[misc]


def test_the_payload_is_rfc_8785(world: Any) -> None:
    payload = decode_credential(world.credential("alice", issued_by='J\u00fcrgen "J" \x1f\u2028\\/'))[1]
    text = base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4))
    assert text == rfc8785.dumps(json.loads(text))


# --- wrong bytes: rightly signed payloads that are no credential --------------------------------------------

WRONG_VALUES: dict[str, list[Any]] = {
    "v": ["1", None, 1.5, True, [1], {}, 2**53, -(2**53)],
    "capabilities": [
        None, "exec:/bin/a", {}, ["b:1", "a:1"], ["a:1", "a:1"], [1], [None], [["a:1"]], 1, True, [{}],
        ["\u00e9:1", "z:1"],
    ],
    "issued_at": [
        None, 1, "",
        "2027-01-15", "2027-01-15T08:00:00", "2027-01-15T08:00:00+00:00", "2027-01-15T08:00:00.0Z",
        "2027-01-15t08:00:00z", "2027-01-15 08:00:00Z", "2027-02-30T08:00:00Z", "2027-01-15T24:00:00Z",
        "2027-01-15T08:60:00Z", "2027-01-15T08:00:60Z", "2027-13-15T08:00:00Z", "2027-00-15T08:00:00Z",
        "0000-01-01T00:00:00Z", "2027-01-15T08:00:00Z ", " 2027-01-15T08:00:00Z", "2027-01-15T08:00:00Z\n",
        "12027-01-15T08:00:00Z", "\u0662\u0660\u0662\u0667-01-15T08:00:00Z", [], {}, True,
    ],
    "approval_id": [
        None, 1, "", "11111111222243338444555555555555", "{11111111-2222-4333-8444-555555555555}",
        "11111111-2222-4333-8444-55555555555", "11111111-2222-4333-8444-5555555555555",
        "1111111-12222-4333-8444-555555555555", "urn:uuid:11111111-2222-4333-8444-555555555555",
        "A1111111-2222-4333-8444-555555555555", "11111111-2222-4333-8444-55555555555g",
        "11111111-2222-4333-8444-555555555555 ", [], {}, True,
    ],
}  # fmt: skip
WRONG_VALUES["expires_at"] = WRONG_VALUES["issued_at"]
TEXTS = ("environment_id", "environment_posture", "issued_by", "kid", "org_id", "project_id", "spec_hash")
WRONG_VALUES |= {name: [None, 1, 1.5, True, [], {}, [["x"]]] for name in TEXTS}

WRONG_TYPES = [(name, value) for name in FIELDS for value in WRONG_VALUES[name]]


@pytest.mark.parametrize(("name", "value"), WRONG_TYPES)
def test_a_field_of_another_type_or_form_is_refused(name: str, value: Any, world: Any) -> None:
    payload = json.dumps(
        {**document(world), name: value}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    assert code_of(world, sign(world, payload.encode())) == "E_DECODE"


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_is_absent_is_refused(name: str, world: Any) -> None:
    rest = {key: value for key, value in document(world).items() if key != name}
    assert code_of(world, sign(world, rfc8785.dumps(rest))) == "E_DECODE"


@pytest.mark.parametrize(("a", "b"), list(combinations(FIELDS, 2)))
def test_two_fields_that_are_absent_or_swapped_for_others_are_refused(a: str, b: str, world: Any) -> None:
    rest = {key: value for key, value in document(world).items() if key not in (a, b)}
    assert code_of(world, sign(world, rfc8785.dumps(rest))) == "E_DECODE"
    assert code_of(world, sign(world, rfc8785.dumps({**rest, a.upper(): "x", b: 1.5}))) == "E_DECODE"


@pytest.mark.parametrize("name", ["max_uses", "not_before", "", "V", "v ", "alg", "__class__", "\u00e9"])
@pytest.mark.parametrize("value", [None, 1, "x", [], {}])
def test_an_extra_field_is_refused(name: str, value: Any, world: Any) -> None:
    assert code_of(world, sign(world, rfc8785.dumps({**document(world), name: value}))) == "E_DECODE"


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("same", [True, False])
def test_a_field_that_stands_twice_is_refused(name: str, first: bool, same: bool, world: Any) -> None:
    fields = document(world)
    again = fields[name] if same else {"v": 2, "capabilities": []}.get(name, "2026-01-01T00:00:00Z")
    extra = json.dumps({name: again}, separators=(",", ":"))[1:-1]
    text = rfc8785.dumps(fields).decode()
    payload = "{" + extra + "," + text[1:] if first else text[:-1] + "," + extra + "}"
    assert code_of(world, sign(world, payload.encode())) == "E_DECODE"


def respelt(text: str) -> dict[str, str]:
    return {
        "blank at the front": " " + text,
        "blank at the end": text + " ",
        "newline at the end": text + "\n",
        "blank after a colon": text.replace('":', '": ', 1),
        "blank after a comma": text.replace('","', '", "', 1),
        "tab inside": text.replace("{", "{\t", 1),
        "escaped slash": text.replace("/", "\\/", 1),
        "escaped letter": text.replace("acme", "\\u0061cme", 1),
        "escaped key": text.replace('"v"', '"\\u0076"', 1),
        "float version": text.replace('"v":1', '"v":1.0'),
        "exponent version": text.replace('"v":1', '"v":1e0'),
        "negative zero version": text.replace('"v":1', '"v":-0'),
        "plus version": text.replace('"v":1', '"v":+1'),
        "leading zero version": text.replace('"v":1', '"v":01'),
        "byte order mark": "\ufeff" + text,
        "keys in another order": "{" + '"v":1,' + text[1:].replace(',"v":1', ""),
        "array around it": f"[{text}]",
        "text around it": json.dumps(text),
        "two documents": text + text,
        "trailing comma": text[:-1] + ",}",
        "comment": text + "//",
        "empty": "",
        "null": "null",
        "empty object": "{}",
        "cut off": text[:-1],
        "lone surrogate": text.replace("acme", "\\ud800", 1),
        "nul byte": text.replace("acme", "ac\0me", 1),
        "deep": "[" * 5000 + "]" * 5000,
    }


@pytest.mark.parametrize("which", list(respelt("{}")))
def test_another_spelling_of_the_same_json_is_refused(which: str, world: Any) -> None:
    text = rfc8785.dumps(document(world)).decode()
    payload = respelt(text)[which]
    assert payload != text
    assert code_of(world, sign(world, payload.encode())) == "E_DECODE"


@pytest.mark.parametrize("payload", [b"\xff", b'{"v":"\xff"}', b'{"v":"\xed\xa0\x80"}', b"\xc0\x80"])
def test_a_payload_that_is_no_utf8_is_refused(payload: bytes, world: Any) -> None:
    assert code_of(world, sign(world, payload)) == "E_DECODE"


def misspelt(token: str) -> dict[str, str]:
    payload, signature = token.split(".")
    # Two bytes carry 16 bits, three characters 18: the last two bits are stray. 64 bytes leave four.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    stray = alphabet[alphabet.index(signature[-1]) ^ 1]
    return {
        "stray bits in the signature": token[:-1] + stray,
        "padded signature": token + "=",
        "well padded signature": token + "==",
        "padded payload": f"{payload}=.{signature}",
        "newline at the end": token + "\n",
        "carriage return at the end": token + "\r",
        "blank at the end": token + " ",
        "blank at the front": " " + token,
        "newline inside": payload[:9] + "\n" + payload[9:] + "." + signature,
        "blank inside": payload[:9] + " " + payload[9:] + "." + signature,
        "outside the alphabet": payload[:9] + "!" + payload[9:] + "." + signature,
        "standard alphabet": f"{payload}.{'+' + signature[1:]}",
        "standard alphabet slash": f"{payload}.{'/' + signature[1:]}",
        "one part": payload,
        "no signature": payload + ".",
        "no payload": "." + signature,
        "three parts": token + ".",
        "three full parts": token + "." + signature,
        "dot at the front": "." + token,
        "only a dot": ".",
        "empty": "",
        "not ascii": token[:-1] + "\u00e9",
        "full-width letter": "\uff45" + token[1:],
        "surrogate": token[:-1] + "\ud800",
        "short signature": f"{payload}.{signature[:-4]}",
        "long signature": f"{payload}.{signature}AAAA",
        "one character left over": f"{payload}.{signature[:-1]}",
        "nul": token + "\0",
        "too long": "A" * (MAX_CREDENTIAL_BYTES + 1),
    }


@pytest.mark.parametrize("which", list(misspelt("AAAA.AAAA")))
def test_another_spelling_of_the_same_token_is_refused(which: str, world: Any) -> None:
    token = world.credential("alice")
    bad = misspelt(token)[which]
    assert bad != token
    assert code_of(world, bad) == "E_DECODE"


def test_stray_bits_are_refused_at_every_length_of_payload(world: Any) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    seen = set()
    for extra in ("", "x", "xx"):
        payload, signature = world.credential("alice", org_id="acme" + extra).split(".")
        seen.add(len(payload) % 4)
        if len(payload) % 4:
            bad = payload[:-1] + alphabet[alphabet.index(payload[-1]) ^ 1]
            resigned = encode_base64url(world.signer("alice").sign(bad.encode()))
            assert code_of(world, f"{bad}.{resigned}") == "E_DECODE"
        assert code_of(world, f"{payload}.{signature}") == ("E_ENVIRONMENT" if extra else None)
    assert seen == {0, 2, 3}


# --- breakages with their place in the order ---------------------------------------------------------------

ORDER = [
    "E_DECODE", "E_UNKNOWN_KEY", "E_SIGNATURE", "E_VERSION", "E_SPEC_HASH", "E_ENVIRONMENT", "E_EXPIRED",
    "E_CAPABILITY",
]  # fmt: skip


class Case:
    """What is changed before a credential is verified. Every breakage changes one thing of it."""

    def __init__(self, world: Any) -> None:
        self.claims = document(world)
        self.keys = world.keys
        self.wanted = world.wanted
        self.now = world.now + 60
        self.mangle: Callable[[str], str] = lambda token: token
        self.signer = "alice"

    def key(self, **changes: Any) -> None:
        """Change alice's entry of the key set."""
        rest = tuple(key for key in self.keys.keys if key.kid != "alice-1")
        mine = msgspec.structs.replace(self.keys.key("alice-1"), **changes)
        self.keys = msgspec.structs.replace(self.keys, keys=(mine, *rest))

    def want(self, **changes: Any) -> None:
        self.wanted = msgspec.structs.replace(self.wanted, **changes)

    def code(self, world: Any) -> str | None:
        token = self.mangle(sign(world, rfc8785.dumps(self.claims), self.signer))
        return code_of(world, token, keys=self.keys, wanted=self.wanted, now=self.now)


def claim(name: str, value: Any) -> Callable[[Case, Any], None]:
    return lambda case, world: case.claims.update({name: value})


def flip_signature(token: str) -> str:
    payload, signature = token.split(".")
    other = "B" if signature[0] == "A" else "A"
    return f"{payload}.{other}{signature[1:]}"


def zero_signature(token: str) -> str:
    return token.split(".")[0] + "." + encode_base64url(bytes(64))


def malleable_signature(token: str) -> str:
    """S + L in place of S: the same signature to whoever does not check that S is below the group order."""
    order = 2**252 + 27742317777372353535851937790883648493
    payload, signature = token.split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    s = (int.from_bytes(raw[32:], "little") + order).to_bytes(32, "little")
    return f"{payload}.{encode_base64url(raw[:32] + s)}"


def at(offset: int) -> Callable[[Case, Any], None]:
    return lambda case, world: setattr(case, "now", world.now + offset)


BREAKS: dict[str, list[tuple[str, Callable[[Case, Any], Any]]]] = {
    "E_DECODE": [
        ("extra field", claim("max_uses", 2)),
        ("upper-case id", claim("approval_id", "AAAAAAAA-2222-4333-8444-555555555555")),
        ("unsorted", claim("capabilities", ["z:1", "exec:/usr/bin/notify", "http_post:https://alerts.example"])),
    ],
    "E_UNKNOWN_KEY": [
        ("absent", claim("kid", "nobody-1")),
        ("empty kid", claim("kid", "")),
        ("kid with a blank", claim("kid", "alice-1 ")),
        ("retired", lambda case, world: case.key(status="retired")),
        ("revoked", lambda case, world: case.key(status="revoked")),
        ("not yet", lambda case, world: case.key(not_before=world.time(world.now + 80_000))),
        ("over", lambda case, world: case.key(not_after=world.time(world.now - 80_000))),
        ("set expired", lambda case, world: setattr(
            case, "keys", msgspec.structs.replace(case.keys, expires_at=world.time(world.now - 80_000)))),
        ("another principal", claim("issued_by", "bob")),
        ("another case", claim("issued_by", "Alice")),
        ("a machine's key", lambda case, world: case.key(groups=("ops", "agent"))),
    ],
    "E_SIGNATURE": [
        ("another key's", lambda case, world: setattr(case, "signer", "bob")),
        ("flipped", lambda case, world: setattr(case, "mangle", flip_signature)),
        ("zero", lambda case, world: setattr(case, "mangle", zero_signature)),
        ("malleable", lambda case, world: setattr(case, "mangle", malleable_signature)),
    ],
    "E_VERSION": [("two", claim("v", 2)), ("version zero", claim("v", 0)), ("minus one", claim("v", -1))],
    "E_SPEC_HASH": [
        ("another hash", claim("spec_hash", "sha256:" + "6" * 64)),
        ("empty hash", claim("spec_hash", "")),
        ("upper case", claim("spec_hash", "SHA256:" + "5" * 64)),
        ("shorter", claim("spec_hash", "sha256:" + "5" * 63)),
        ("here another", lambda case, world: case.want(spec_hash="sha256:" + "7" * 64)),
    ],
    "E_ENVIRONMENT": [
        ("org", claim("org_id", "acme2")),
        ("project", claim("project_id", "")),
        ("id", claim("environment_id", "staging-2")),
        ("posture", claim("environment_posture", "dev")),
        ("unknown posture", claim("environment_posture", "qa")),
        ("here org", lambda case, world: case.want(org_id="x")),
        ("here project", lambda case, world: case.want(project_id="x")),
        ("here id", lambda case, world: case.want(environment_id="x")),
        ("here posture", lambda case, world: case.want(environment_posture="prod")),
    ],
    "E_EXPIRED": [
        ("too late", at(HOUR + 30)),
        ("too early", at(-31)),
        ("empty window", lambda case, world: case.claims.update(expires_at=world.time(world.now - HOUR))),
    ],
    "E_CAPABILITY": [
        ("one lacking", claim("capabilities", ["exec:/usr/bin/notify"])),
        ("none", claim("capabilities", [])),
        ("a look-alike", claim("capabilities", ["exec:/usr/bin/notify", "http_post:https://alerts.example.com"])),
        ("one more needed", lambda case, world: case.want(capabilities=(*world.capabilities, "tcp:x"))),
    ],
}  # fmt: skip
ALONE = [(code, label, break_) for code, rows in BREAKS.items() for label, break_ in rows]


def test_the_unbroken_case_is_taken(world: Any) -> None:
    assert Case(world).code(world) is None


@pytest.mark.parametrize(
    ("code", "label", "break_"), ALONE, ids=[f"{code}-{label}" for code, label, _ in ALONE]
)
def test_each_rule_alone_gives_its_code(
    code: str, label: str, break_: Callable[..., Any], world: Any
) -> None:
    case = Case(world)
    break_(case, world)
    assert case.code(world) == code


PAIRS = [(a, b) for a, b in combinations(ALONE, 2) if a[0] != b[0]]


def touched(break_: Callable[..., Any], world: Any) -> set[str]:
    """What a breakage changes: of two that change one claim only the later would be left."""
    case, plain = Case(world), Case(world)
    break_(case, world)
    return {
        name
        for name in plain.claims.keys() | case.claims.keys()
        if case.claims.get(name) != plain.claims.get(name)
    }


def test_of_two_broken_rules_the_earlier_one_is_told(world: Any) -> None:
    tried = 0
    changes = {label: touched(break_, world) for _, label, break_ in ALONE}
    assert len(changes) == len(ALONE)  # labels tell breakages apart
    for (first, label_a, break_a), (second, label_b, break_b) in PAIRS:
        if changes[label_a] & changes[label_b]:
            continue
        case = Case(world)
        break_a(case, world)
        break_b(case, world)
        expected = min(first, second, key=ORDER.index)
        tried += 1
        assert case.code(world) == expected, (label_a, label_b)
    assert tried > 600


@pytest.mark.parametrize(
    ("offset", "good"),
    [(-31, False), (-30, True), (0, True), (HOUR + 29, True), (HOUR + 30, False)],
)
def test_the_window_has_thirty_seconds_of_leeway_to_the_second(offset: int, good: bool, world: Any) -> None:
    assert code_of(world, world.credential("alice"), now=world.now + offset) == (
        None if good else "E_EXPIRED"
    )


@pytest.mark.parametrize(("offset", "good"), [(-1, False), (0, True), (HOUR - 1, True), (HOUR, False)])
def test_the_leeway_is_configured(offset: int, good: bool, world: Any) -> None:
    found = code_of(world, world.credential("alice"), now=world.now + offset, leeway_s=0)
    assert found == (None if good else "E_EXPIRED")


def test_more_may_be_granted_than_is_needed(world: Any) -> None:
    wanted = msgspec.structs.replace(world.wanted, capabilities=world.capabilities[:1])
    assert code_of(world, world.credential("alice"), wanted=wanted) is None


@pytest.mark.parametrize(
    "change", [{"approval_id": "x"}, {"capabilities": ("b:1", "a:1")}, {"issued_at": "now"}]
)
def test_no_credential_is_written_that_no_verifier_would_take(change: dict[str, Any], world: Any) -> None:
    claims = msgspec.structs.replace(world.claims("alice"), **change)
    with pytest.raises(GovernanceError) as caught:
        encode_credential(claims, world.signer("alice"))
    assert caught.value.code == "E_DECODE"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(deadline=None)
@given(TEXT, st.lists(TEXT, max_size=4, unique=True))
@example('\x7f\x1f"\\/\u2028\U0001f600', ["\ue000", "\U0001f600"])
def test_any_text_survives_and_is_written_as_rfc_8785_does(
    world: Any, who: str, capabilities: list[str]
) -> None:
    # By UTF-8 bytes, which differs from UTF-16 order above U+FFFF.
    ordered = tuple(sorted(capabilities, key=lambda one: one.encode()))
    token = world.credential("alice", issued_by=who, capabilities=ordered)
    claims, payload, _ = decode_credential(token)
    assert (claims.issued_by, claims.capabilities) == (who, ordered)
    text = base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4))
    assert text == rfc8785.dumps(msgspec.to_builtins(claims))


@settings(deadline=None)
@given(st.data())
def test_no_mutated_credential_is_taken_and_none_raises_anything_else(
    world: Any, data: st.DataObject
) -> None:
    token = mutate(data.draw, world.credential("alice"))
    assert code_of(world, token) in ORDER


def mutate(draw: Callable[[Any], Any], token: str) -> str:
    """``token`` with one to three edits, never the same text."""
    found = token
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(found)))
        piece = draw(st.text(max_size=2))
        found = found[:place] + piece + found[place + draw(st.integers(0, 2)) :]
    return found if found != token else token + "."


@settings(deadline=None)
@given(st.text(max_size=300))
def test_no_text_at_all_is_taken(world: Any, text: str) -> None:
    assert code_of(world, text) == "E_DECODE"


@pytest.mark.campaign
def test_two_hundred_thousand_mutated_credentials_are_refused(world: Any) -> None:
    """BYTEOR_SEED=1 .venv/bin/pytest -m campaign tests/governance/test_credential.py"""
    random = Random(int(os.environ.get("BYTEOR_SEED", "1")))
    seen = dict.fromkeys(ORDER, 0)
    for number in range(200_000):
        token = shaken(random, world, resign=number % 4 == 0)
        code = code_of(world, token)
        assert code is not None, token
        seen[code] += 1
    assert seen["E_DECODE"] > 50_000
    assert seen["E_SIGNATURE"] > 10_000
    assert sum(seen.values()) == 200_000


def shaken(random: Random, world: Any, *, resign: bool) -> str:
    """A credential with one to four bytes of its payload or signature changed; some are signed again."""
    token = world.credential("alice")
    payload, _, signature = token.partition(".")
    raw = bytearray(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    tail = bytearray(base64.urlsafe_b64decode(signature + "=="))
    while True:
        part = raw if resign or random.random() < 0.5 else tail
        for _ in range(random.randint(1, 4)):
            place = random.randrange(len(part))
            part[place] ^= 1 << random.randrange(8)
        found = f"{encode_base64url(bytes(raw))}.{encode_base64url(bytes(tail))}"
        if resign and bytes(raw) != base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)):
            return _or_scope(world, bytes(raw))
        if found != token:
            return found


def _or_scope(world: Any, raw: bytes) -> str:
    """Signed again by alice: what is still a credential then says another thing than is wanted here, or is
    refused for its form; only the approval's id and a longer window would be alice's own to change."""
    try:
        changed = json.loads(raw)
    except ValueError:
        return sign(world, raw)
    plain = json.loads(json.dumps(document(world)))  # lists, as in the text
    hers = ("approval_id", "issued_at", "expires_at")
    if isinstance(changed, dict) and all(
        changed.get(name) == plain[name] for name in plain if name not in hers
    ):
        return sign(world, raw, "bob")
    return sign(world, raw)


WORDS_OF = {
    "absent": "there is no key", "retired": "is retired", "revoked": "is revoked", "not yet": "is valid from",
    "over": "is valid from", "set expired": "the key set expired",
    "another principal": "is alice's, not bob's",
    "a machine's key": "is a machine's",
}  # fmt: skip


@pytest.mark.parametrize("label", list(WORDS_OF))
def test_an_unknown_key_is_told_with_its_reason(label: str, world: Any) -> None:
    case = Case(world)
    next(break_ for _, name, break_ in ALONE if name == label)(case, world)
    token = sign(world, rfc8785.dumps(case.claims))
    with pytest.raises(GovernanceError) as caught:
        verify_credential(token, keys=case.keys, wanted=case.wanted, now=case.now)
    assert WORDS_OF[label] in caught.value.message


@pytest.mark.parametrize(("length", "told"), [(65_536, "two base64url"), (65_537, "over 65,536")])
def test_a_credential_has_at_most_65536_characters(length: int, told: str) -> None:
    with pytest.raises(GovernanceError) as caught:
        decode_credential("A" * length)
    assert told in caught.value.message


def test_the_highest_version_that_json_holds_is_read_and_refused_as_a_version(world: Any) -> None:
    for version in (2**53 - 1, -(2**53) + 1):
        with pytest.raises(GovernanceError) as caught:
            verify_credential(
                world.credential("alice", v=version), keys=world.keys, wanted=world.wanted, now=world.now
            )
        assert caught.value.code == "E_VERSION"
