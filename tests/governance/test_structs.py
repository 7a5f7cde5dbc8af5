"""Every value of the governance layer is frozen; a document that travels refuses what it does not know."""

from __future__ import annotations

import importlib
import pkgutil

import msgspec

import byteor.governance

TRAVELS = {
    "Claims", "Key", "Signature", "KeySet", "Envelope", "EnvelopeSignature", "Request", "Shown", "Companion",
    "Denial", "Asker", "SignedReview", "Lift", "RevocationList", "Revoked", "SignedFile", "BreakGlass",
    "Freeze",
}  # fmt: skip


def structs() -> dict[str, type[msgspec.Struct]]:
    found: dict[str, type[msgspec.Struct]] = {}
    for info in pkgutil.iter_modules(byteor.governance.__path__):
        module = importlib.import_module(f"byteor.governance.{info.name}")
        for name, value in vars(module).items():
            if (
                isinstance(value, type)
                and issubclass(value, msgspec.Struct)
                and value.__module__ == module.__name__
            ):
                found[name] = value
    return found


def test_every_value_is_frozen() -> None:
    loose = [name for name, kind in structs().items() if not kind.__struct_config__.frozen]
    assert loose == []


def test_every_document_that_travels_refuses_unknown_fields() -> None:
    strict = {name for name, kind in structs().items() if kind.__struct_config__.forbid_unknown_fields}
    assert strict >= TRAVELS
