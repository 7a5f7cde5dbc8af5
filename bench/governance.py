"""Credentials and decisions per second on one core: ``python -m bench.governance [--seconds 2]``.

Bars: the whole strict path of a credential >= 8,000/s, decisions with explanation >= 50,000/s. Prints beside
the first one what the signature library alone does with the same messages: it is the floor of the path.
CPU time is what counts here, so that other work on the machine does not.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from byteor.governance.canonical import time_of
from byteor.governance.credential import (
    Claims,
    Wanted,
    decode_credential,
    encode_credential,
    verify_credential,
)
from byteor.governance.explain import explain
from byteor.governance.keyset import Key, KeySet, signature_holds
from byteor.governance.policy import all_inputs, decide
from byteor.governance.private_key import generate

NOW = 1_800_000_000
CREDENTIALS = 256  # different texts, so that nothing is found in a cache that a real run would not find
WANTED = Wanted(
    "acme", "telemetry", "prod-1", "prod", "sha256:" + "5" * 64, ("http_post:https://alerts.example",)
)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=2.0)
    seconds = arguments.parse_args().seconds
    signer = generate()
    key = Key(
        kid="alice-1",
        alg="Ed25519",
        public_key=signer.public_key,
        principal="alice",
        groups=("ops",),
        not_before=time_of(NOW - 9),
        not_after=time_of(NOW + 9),
        status="active",
    )
    keys = KeySet(version=1, expires_at=time_of(NOW + 9), threshold=1, keys=(key,))
    texts = [encode_credential(_claims(number), signer) for number in range(CREDENTIALS)]
    raw = [(signature, signed) for _, signed, signature in map(decode_credential, texts)]
    rows = all_inputs()
    _report("credential, whole strict path", 8_000, seconds, len(texts), lambda: _verify(texts, keys))
    _report("  the signature alone", None, seconds, len(raw), lambda: _signatures(raw, key.raw))
    _report("  all but the signature's check", None, seconds, len(texts), lambda: _decode(texts))
    _report("decision with explanation", 50_000, seconds, len(rows), lambda: [explain(row) for row in rows])
    _report("decision alone", None, seconds, len(rows), lambda: [decide(row) for row in rows])


def _claims(number: int) -> Claims:
    return Claims(
        approval_id=f"{number:08x}-2222-4333-8444-555555555555",
        capabilities=WANTED.capabilities,
        environment_id=WANTED.environment_id,
        environment_posture=WANTED.environment_posture,
        expires_at=time_of(NOW + 3600 + number),
        issued_at=time_of(NOW - number),
        issued_by="alice",
        kid="alice-1",
        org_id=WANTED.org_id,
        project_id=WANTED.project_id,
        spec_hash=WANTED.spec_hash,
        v=1,
    )


def _verify(texts: list[str], keys: KeySet) -> None:
    for text in texts:
        verify_credential(text, keys=keys, wanted=WANTED, now=NOW)


def _signatures(rows: list[tuple[bytes, bytes]], raw_key: bytes) -> None:
    for signature, signed in rows:
        assert signature_holds(raw_key, signature, signed)


def _decode(texts: list[str]) -> None:
    for text in texts:
        decode_credential(text)


def _report(what: str, bar: int | None, seconds: float, count: int, work: Callable[[], object]) -> None:
    work()
    rounds, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        work()
        rounds += 1
    rate = rounds * count / (time.process_time() - start)
    verdict = "" if bar is None else f"  bar {bar:,}: {'reached' if rate >= bar else 'NOT reached'}"
    print(f"{what:<34} {rate:>12,.0f}/s{verdict}")


if __name__ == "__main__":
    main()
