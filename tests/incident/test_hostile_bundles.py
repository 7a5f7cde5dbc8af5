"""Bundles made to do harm: each is refused or fails to verify, and nothing is written anywhere."""

from __future__ import annotations

import os
import stat
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bundles import SPEC_HASH, RawMember, raw_zip

from byteor.governance.private_key import Signer
from byteor.incident.bundle.depth import deeper_than
from byteor.incident.bundle.manifest import make_manifest, sealed, verify_bundle
from byteor.incident.bundle.members import allowed
from byteor.incident.bundle.reader import Bundle
from byteor.incident.errors import IncidentError

Make = Callable[[list[RawMember]], bytes]
BAD_NAMES = [
    "../spec.kv", "../../etc/passwd", "/etc/passwd", "//etc/passwd", "./spec.kv", "journal/../spec.kv",
    "journal//00000000000000000000.journal", "journal/..", "journal/.", "journal/", "approvals/..",
    "approvals/", "approvals/../../x", "..\\spec.kv", "C:\\x", "C:spec.kv", "\\\\host\\share", "spec.kv/",
    "spec.kv/x", "SPEC.KV", "Spec.kv", "spec.KV", "spec.kv ", " spec.kv", "spec.kv.", "spec.kv\n",
    "spec.kv\r", "spec.kv\t", "manifest.JSON", "Manifest.json", "ｓpec.kv", "spec\u2024kv", "ſpec.kv",
    "spec.\u212av", "s\u0301pec.kv", "śpec.kv", "spec.kv\u200b", "\ufeffspec.kv", "spec\u202e.kv", "", ".",
    "..", "/", "~", "~root/x", "$HOME", "-rf", "--help", "con", "nul", "aux.json", "spec.kv:stream",
    "file:///etc/passwd", "journal/1.journal", "journal/0000000000000000000a.journal",
    "journal/00000000000000000000.journal/x", "approvals/A.json", "approvals/.json", "approvals/a.sh",
    "approvals/a/b.json", "approvals/a.json.sh", "x" * 4096, "run.sh", "__pycache__/x.pyc", ".git/config",
    "proc/self/mem", "%2e%2e/spec.kv", "spec.kv%00.json", "\x1b[2Jspec.kv",
]  # fmt: skip
KINDS = {"folder": stat.S_IFDIR, "link": stat.S_IFLNK, "pipe": stat.S_IFIFO, "disk": stat.S_IFBLK,
         "device": stat.S_IFCHR, "socket": stat.S_IFSOCK}  # fmt: skip
DEPTHS = {
    "arrays": b"[" * 65 + b"]" * 65,
    "objects": b'{"a":' * 65 + b"1" + b"}" * 65,
    "a million deep": b"[" * 1_000_000,
    "behind a string": b'["]]]]]]",' + b"[" * 70,
    "behind an escape": b'["\\"",' + b"[" * 70,
    "late": b"[" + b"[]," * 100_000 + b"[" * 70,
}
JSON = ["runtime.json", "timeline.json", "manifest.json", "manifest.dsse", "capture.json"]


def member(members: list[RawMember], name: str) -> int:
    return next((i for i, one in enumerate(members) if one.name == name.encode()), 0)


def changed(name: str, **changes: object) -> Make:
    def make(members: list[RawMember]) -> bytes:
        at = member(members, name)
        return raw_zip([*members[:at], members[at].with_(**changes), *members[at + 1 :]])

    return make


def added(*more: RawMember) -> Make:
    return lambda members: raw_zip([*members, *more])


def cases() -> Iterator[tuple[str, Make]]:
    for name in BAD_NAMES:
        yield f"name {name[:60]!a}", added(RawMember(name.encode(), b"x"))
    yield "name with a zero", added(RawMember(b"spec.kv\0.json", b"x"))
    yield "name in no encoding", added(RawMember(b"\xff\xfe\xfd", b"x"))
    yield "name not UTF-8", added(RawMember(b"\xff\xfe\xfd", b"x", flags=0x800))
    for kind, mode in KINDS.items():
        yield f"kind {kind}", changed("spec.kv", attributes=(mode | 0o777) << 16)
        yield (
            f"new {kind}",
            added(RawMember(b"timeline.json", b"/etc/passwd", attributes=(mode | 0o777) << 16)),
        )
    for bit in [*range(11), *range(12, 16)]:
        yield f"flag {bit}", changed("spec.kv", flags=1 << bit)
    for method in (1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 14, 19, 93, 95, 97, 98, 99, 0xFFFF):
        yield f"method {method}", changed("spec.kv", method=method, packed=b"xx")
    for name in ("spec.kv", "runtime.json", "manifest.json", "manifest.dsse", "environment.json"):
        yield f"twice {name}", added(RawMember(name.encode(), b"x"))
        for where in ("central", "local"):
            for key, lie in (
                ("crc", 1),
                ("size", 1),
                ("packed", 3),
                ("size", 0xFFFFFFFF),
                ("packed", 0xFFFFFFFF),
            ):
                yield f"{name} {where} {key} {lie}", changed(name, **{where: {key: lie}})
        yield f"{name} local name", changed(name, local={"name": b"/etc/passwd"})
        yield f"{name} elsewhere", changed(name, central={"offset": 7})
        yield f"{name} far off", changed(name, central={"offset": 0xFFFFFFF0})
        yield (
            f"{name} on the first",
            lambda members, name=name: raw_zip(  # type: ignore[misc]
                [
                    one.with_(central={"offset": 0}) if one.name == name.encode() and i else one
                    for i, one in enumerate(members)
                ]
                + [RawMember(b"timeline.json", b"x", central={"offset": 0})]
            ),
        )
        yield f"{name} extra", changed(name, extra=b"\x01\x00\x08\x00" + b"\xff" * 8)
        yield f"{name} comment", changed(name, comment=b"hello")
    for key, lies in {
        "disk": (1, 0xFFFF), "first": (1, 0xFFFF), "here": (0, 1, 0xFFFF), "entries": (0, 1, 0xFFFF),
        "length": (0, 1, 0xFFFFFFFF), "start": (0, 1, 0xFFFFFFFF), "comment": (1, 0xFFFF),
    }.items():  # fmt: skip
        for lie in lies:
            yield f"end {key} {lie}", lambda members, key=key, lie=lie: raw_zip(members, end={key: lie})  # type: ignore[misc]
    yield "something before", lambda members: raw_zip(members, before=b"#!/bin/sh\n")
    yield "something behind", lambda members: raw_zip(members, behind=b"x")
    yield "a zip behind a zip", lambda members: raw_zip(members) + raw_zip(members)
    yield "only a directory's end", lambda members: raw_zip([])
    yield "nothing", lambda members: b""
    yield "no zip", lambda members: b"x" * 10_000
    yield "a bomb", changed("runtime.json", data=bytes(60 << 20), method=8)
    yield "a bomb beyond a member", added(RawMember(b"timeline.json", bytes(65 << 20), method=8))
    yield "a bomb that lies", changed("runtime.json", data=b"{}", method=8, packed=_bomb())
    yield (
        "a bomb in the journal",
        added(*(RawMember(b"journal/%020d.journal" % n, bytes(1 << 20), method=8) for n in range(20))),
    )
    yield (
        "250 GB declared",
        added(*(RawMember(b"journal/%020d.journal" % n, b"", central={"size": 1 << 30}) for n in range(240))),
    )
    yield "10^5 names", added(*(RawMember(b"journal/%020d.journal" % n, b"") for n in range(100_000)))
    yield (
        "10^5 names, said to be 7",
        lambda members: raw_zip(
            [*members, *(RawMember(b"journal/%020d.journal" % n, b"") for n in range(100_000))],
            end={"here": 7, "entries": 7},
        ),
    )
    yield "300 members", added(*(RawMember(b"journal/%020d.journal" % n, b"") for n in range(300)))
    for name in JSON:
        for kind, text in DEPTHS.items():
            yield (
                f"deep {name} {kind}",
                lambda members, name=name, text=text: raw_zip(  # type: ignore[misc]
                    [one for one in members if one.name != name.encode()] + [RawMember(name.encode(), text)]
                ),
            )
    yield "17 MiB of JSON", added(RawMember(b"timeline.json", b"[" + b"1," * (9 << 20) + b"1]"))
    for part in range(40):
        yield (
            f"cut after {part}/40",
            lambda members, part=part: (d := raw_zip(members))[: len(d) * part // 40],
        )  # type: ignore[misc]


def _bomb() -> bytes:
    import zlib

    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(bytes(32 << 20)) + packer.flush()


CASES = list(cases())


def test_there_are_two_hundred_kinds_of_harm() -> None:
    assert len(CASES) >= 200
    assert len({name for name, _ in CASES}) == len(CASES)


@pytest.fixture
def sound(members: dict[str, bytes], signer: Signer) -> list[RawMember]:
    manifest = make_manifest(members, incident_id="i", run_id="r", spec_hash=SPEC_HASH, created_unix_ms=1)
    return [RawMember(name.encode(), data) for name, data in {**members, **sealed(manifest, signer)}.items()]


def refused(path: Path, signer: Signer) -> str | None:
    """The code with which the bundle at ``path`` is refused; None when it passes."""
    try:
        with Bundle(path) as found:
            return verify_bundle(found, {signer.public_key: "this host"}).code
    except IncidentError as error:
        return error.code


def test_the_same_zip_without_harm_passes(tmp_path: Path, sound: list[RawMember], signer: Signer) -> None:
    (tmp_path / "b.zip").write_bytes(raw_zip(sound))
    assert refused(tmp_path / "b.zip", signer) is None


@pytest.mark.parametrize(("name", "make"), CASES, ids=[name for name, _ in CASES])
def test_a_hostile_zip_is_refused_in_bounded_memory(
    tmp_path: Path, sound: list[RawMember], signer: Signer, name: str, make: Make
) -> None:
    path = tmp_path / "b.zip"
    path.write_bytes(make(sound))
    tracemalloc.start()
    try:
        code = refused(path, signer)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert code is not None
    assert code.startswith("E_BUNDLE_")
    assert peak < 64 << 20
    assert [entry.name for entry in tmp_path.iterdir()] == ["b.zip"]


def links(folder: Path) -> None:
    (folder / "timeline.json").symlink_to("/etc/passwd")


def journal_link(folder: Path) -> None:
    (folder / "journal").symlink_to("/")


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "timeline.json")


def deep_folder(folder: Path) -> None:
    (folder / "journal" / "journal").mkdir(parents=True)


def strange(folder: Path) -> None:
    (folder / "run.sh").write_text("rm -rf /")


def swapped(folder: Path) -> None:
    (folder / "spec.kv").unlink()
    (folder / "spec.kv").mkdir()


def huge(folder: Path) -> None:
    with (folder / "timeline.json").open("wb") as file:
        file.truncate(1 << 40)


@pytest.mark.parametrize("harm", [links, journal_link, pipe, deep_folder, strange, swapped, huge])
def test_a_hostile_folder_is_refused(
    tmp_path: Path, sound: list[RawMember], signer: Signer, harm: Callable[[Path], None]
) -> None:
    folder = tmp_path / "b"
    folder.mkdir()
    for one in sound:
        (folder / one.name.decode()).write_bytes(one.data)
    assert refused(folder, signer) is None
    harm(folder)
    assert (refused(folder, signer) or "").startswith("E_BUNDLE_")


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_a_device_is_no_bundle(path: str, signer: Signer) -> None:
    assert refused(Path(path), signer) == "E_BUNDLE_UNSAFE"


@pytest.mark.parametrize("name", BAD_NAMES)
def test_no_bad_name_is_allowed(name: str) -> None:
    assert not allowed(name)


def test_depth_is_told_to_the_bracket() -> None:
    for depth in (1, 63, 64):
        assert not deeper_than(b"[" * depth + b"]" * depth, 64)
    assert deeper_than(b"[" * 65, 64)
    assert not deeper_than(b'"' + b"[" * 100 + b'"', 64)
    assert not deeper_than(b"[]" * 100_000, 64)
    assert deeper_than(b"[]" * 40_000 + b"[" * 30 + b'"\\\\"' + b"[" * 35, 64)
