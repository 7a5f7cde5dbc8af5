"""The spec verbs as scripts and people use them: exit codes, documents, files written whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from byteor.spec import load
from byteor.spec.explain_examples import RING, text

Byteor = Callable[..., Any]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.spec.kv"
    path.write_text(text(RING, {}))
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.spec.kv"
    path.write_text(text(RING, {"single_ring.capacity": "1000", "single_ring.stages.1.key": "exec:x"}))
    return path


def test_validate_tells_every_finding_of_every_file(byteor: Byteor, good: Path, bad: Path) -> None:
    ran = byteor("validate", good, bad, "--json")
    assert ran.code == 3
    document = ran.document
    assert next(iter(document)) == "schema" and document["schema"] == "byteor.validate/v1"
    assert document["ok"] is False
    first, second = document["documents"]
    assert (first["ok"], first["kind"], first["model"], first["name"]) == (
        True,
        "spec",
        "single_ring",
        "example",
    )
    assert first["spec_hash"] == load(good).spec_hash
    assert (second["ok"], second["spec_hash"]) == (False, None)
    assert [(f["code"], f["line"], f["column"], f["key"]) for f in second["findings"]] == [
        ("E_CAPACITY", 6, 22, "single_ring.capacity"),
        ("E_EXEC_PATH", 10, 26, "single_ring.stages.1.key"),
    ]
    assert all(f.keys() >= {"severity", "category", "message", "hint"} for f in second["findings"])


def test_validate_for_people_names_place_and_way_out(byteor: Byteor, bad: Path) -> None:
    ran = byteor("validate", bad.parent)
    assert ran.code == 3
    assert f"{bad}:6:22: error[E_CAPACITY] single_ring.capacity: capacity 1000" in ran.out
    assert "do: write 512 or 1024" in ran.out


def test_validate_of_nothing(byteor: Byteor, tmp_path: Path) -> None:
    assert byteor("validate").code == 2
    assert byteor("validate", tmp_path / "absent.kv").code == 3
    assert byteor("validate", tmp_path / "absent.kv", "--json").document["documents"][0]["ok"] is False
    assert byteor("validate", tmp_path).code == 7


def test_strict_makes_a_typo_an_error(byteor: Byteor, tmp_path: Path) -> None:
    path = tmp_path / "typo.spec.kv"
    path.write_text(text(RING, {"single_ring.capcity": "64"}))
    assert byteor("validate", path).code == 0
    assert byteor("validate", path, "--strict").code == 3
    assert byteor("hash", path, "--strict", "--json").document["code"] == "E_UNKNOWN_KEY"


def test_hash_prints_the_hash_alone_of_specs_and_plans(byteor: Byteor, specs: Path) -> None:
    path = specs / "host-telemetry.plan.kv"
    assert byteor("hash", path).out == load(path).spec_hash + "\n"
    assert byteor("hash", f"--spec={path}", "--json").document["spec_hash"] == load(path).spec_hash
    assert byteor("hash").code == 2
    assert byteor("hash", path, f"--spec={path}").code == 2


def test_an_error_document_has_a_place(byteor: Byteor, bad: Path) -> None:
    ran = byteor("hash", bad, "--json")
    assert ran.code == 3
    assert ran.document["schema"] == "byteor.error/v1"
    assert ran.document["where"] == {"file": str(bad), "line": 6, "column": 22, "key": "single_ring.capacity"}


def test_compile_writes_the_spec_and_tells_what_it_added(byteor: Byteor, specs: Path, tmp_path: Path) -> None:
    out = tmp_path / "g.spec.kv"
    plan = specs / "ab-shadow.plan.kv"
    dry = byteor("compile", plan, "-o", out, "--dry-run", "--json")
    assert dry.code == 0 and not out.exists()
    document = byteor("compile", plan, "-o", out, "--json").document
    assert document["output"] == str(out)
    assert document["spec_hash"] == load(out, strict=True).spec_hash == load(plan).spec_hash
    assert document["lowering_diagnostics"][0].keys() == {"kind", "subject", "message"}
    assert byteor("compile", plan).out.encode() == out.read_bytes()
    assert byteor("compile", plan, "--json").code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g.spec.kv"]


def test_fmt_rewrites_once_and_check_only_tells(byteor: Byteor, good: Path) -> None:
    before = good.read_bytes()
    assert byteor("fmt", good, "--check").code == 1
    assert good.read_bytes() == before
    assert byteor("fmt", good, "--json").document["changed"] is True
    assert good.read_bytes() == load(good).canonical
    assert byteor("fmt", good, "--check").code == 0


def test_fmt_says_that_comments_are_dropped(byteor: Byteor, good: Path, tmp_path: Path) -> None:
    good.write_text("# why\n" + good.read_text())
    before = good.read_bytes()
    out = tmp_path / "out.kv"
    assert byteor("fmt", good, "-o", out).code == 0
    assert (good.read_bytes(), out.read_bytes()) == (before, load(good).canonical)
    ran = byteor("fmt", good)
    assert ran.code == 0 and "1 comment lines dropped" in ran.err
    assert good.read_bytes() == out.read_bytes()


def test_fmt_writes_json_and_toml_as_kv_elsewhere(byteor: Byteor, tmp_path: Path) -> None:
    path, out = tmp_path / "p.plan.toml", tmp_path / "p.plan.kv"
    path.write_text(
        'v = 2\n[pipeline]\nname = "p"\ntarget = "SingleRing"\nstages = [{id = "a", key = "identity"}]\n'
    )
    assert byteor("fmt", path).code == 2
    checked = byteor("fmt", path, "--check", "--json")  # it can never be canonical: KV is
    assert (checked.code, checked.document["code"]) == (2, "E_USAGE")
    assert byteor("fmt", path, "-o", out).code == 0
    assert load(out) == load(path)


def test_fmt_tells_the_keys_that_it_drops(byteor: Byteor, good: Path) -> None:
    good.write_text(good.read_text() + "zzz=1\n")
    for more in (("--check",), ("--json",)):
        ran = byteor("fmt", good, *more)
        assert "W_UNKNOWN_KEY" in ran.err and "zzz" in ran.err
    assert [found["key"] for found in ran.document["findings"]] == ["zzz"]
    assert "zzz" not in good.read_text()


def test_fmt_names_the_file_and_the_place_of_what_is_wrong(byteor: Byteor, bad: Path) -> None:
    bad.write_text("v=1\nbad\n")
    assert byteor("fmt", bad, "--json").document["where"]["file"] == str(bad)


def test_fmt_writes_through_a_link(byteor: Byteor, good: Path, tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    link = tmp_path / "dir/link.spec.kv"
    link.symlink_to(good)
    assert byteor("fmt", link).code == 0
    assert link.is_symlink() and good.read_bytes() == load(good).canonical
    assert [path.name for path in link.parent.iterdir()] == [link.name]


@pytest.mark.parametrize("reads", [1, 2])
def test_fmt_never_overwrites_what_was_saved_meanwhile(
    good: Path, monkeypatch: pytest.MonkeyPatch, reads: int
) -> None:
    from byteor.cli.fmt import command
    from byteor.spec import files
    from byteor.spec.errors import SpecError

    saved = text(RING, {"single_ring.capacity": "64"}).encode()
    read, times = files.read_bounded, []

    def read_and_save(path: Path) -> bytes:
        """An editor saves after the first, or before the second read of the file."""
        times.append(path)
        if reads == 2 and len(times) == 2:
            good.write_bytes(saved)
        data = read(path)
        if reads == 1 and len(times) == 1:
            good.write_bytes(saved)
        return data

    for module in ("byteor.spec.files", "byteor.spec.document"):
        monkeypatch.setattr(f"{module}.read_bounded", read_and_save)
    with pytest.raises(SpecError) as caught:
        command(good)
    assert caught.value.code == "E_CHANGED"
    assert good.read_bytes() == saved


def test_describe_and_dot(byteor: Byteor, specs: Path, tmp_path: Path) -> None:
    path = specs / "alerting.plan.kv"
    document = byteor("describe", path, "--json").document
    assert document["capabilities"] == ["http_post:http://127.0.0.1:8099"]
    assert document["plan"]["inserted"][0]["kind"] == "RouterInserted"
    assert "! acts" in byteor("describe", path).out
    graph = byteor("dot", path).out
    assert graph == byteor("dot", path, "--json").document["dot"]
    ran = byteor("dot", path, "--svg", tmp_path / "x.svg", env={"PATH": "/nonexistent"})
    assert ran.code == 69 and "E_NO_GRAPHVIZ" in ran.err


def test_dot_renders_with_the_program_that_is_there(byteor: Byteor, specs: Path, tmp_path: Path) -> None:
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\nprintf '<svg>'; cat\n")
    program.chmod(0o755)
    target = tmp_path / "x.svg"
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    assert byteor("dot", specs / "diamond.plan.kv", "--svg", target, env=env).code == 0
    assert target.read_text().startswith("<svg>digraph")


def test_diff_exits_0_or_1_and_never_colours_a_pipe(byteor: Byteor, good: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.spec.kv"
    other.write_text(text(RING, {"single_ring.capacity": "64", "single_ring.stages.1.name": "judge"}))
    same = byteor("diff", good, good, "--json")
    assert (same.code, same.document["same"], same.document["changes"]) == (0, True, [])
    ran = byteor("diff", good, other, "--json")
    assert ran.code == 1
    assert ran.document["changes"] == [
        {"op": "changed", "path": "capacity", "a": 1024, "b": 64},
        {"op": "renamed", "path": "stages.judge", "a": "detect", "b": "judge"},
    ]
    for more in ((), ("--side-by-side",)):
        shown = byteor("diff", good, other, *more)
        assert shown.code == 1 and "\x1b" not in shown.out


def test_capabilities_with_and_without_a_spec(byteor: Byteor, specs: Path) -> None:
    offered = {row["key"] for row in byteor("capabilities", "--json").document["offered"]}
    assert {"identity", "zscore"} <= offered
    document = byteor("capabilities", specs / "alerting.plan.kv", "--json").document
    assert document["capabilities"] == ["http_post:http://127.0.0.1:8099"]
    assert [one["stage"] for one in document["stages"] if one["capability"]] == ["notify"]


def test_compatibility_names_the_credentials_that_would_be_void(
    byteor: Byteor, specs: Path, tmp_path: Path
) -> None:
    import base64

    old, new = specs / "alerting.plan.kv", specs / "ab-shadow.plan.kv"

    def credential(name: str, spec_hash: str) -> Path:
        payload = json.dumps({"approval_id": name, "spec_hash": spec_hash}).encode()
        path = tmp_path / name
        path.write_bytes(base64.urlsafe_b64encode(payload).rstrip(b"=") + b".c2ln")
        return path

    mine = credential("mine", load(old).spec_hash)
    other = credential("other", load(new).spec_hash)
    junk = tmp_path / "junk"
    junk.write_text("not a credential")
    args = [f"--credential={path}" for path in (mine, other, junk)]
    ran = byteor("compatibility", old, new, *args, "--json")
    assert [one["voided"] for one in ran.document["credentials"]] == [True, False, False]
    assert (ran.document["replace"], ran.code) == ("no", 1)
    assert byteor("compatibility", old, old).code == 0


def test_explain_knows_every_code_and_guesses(byteor: Byteor) -> None:
    assert "wrong:" in byteor("explain", "e_shards").out
    assert byteor("explain", "Cycle", "--json").document["codes"] == ["E_CYCLE"]
    ran = byteor("explain", "E_SHARD")
    assert ran.code == 7 and "did you mean `E_SHARDS`?" in ran.err
    assert len(byteor("explain", "--json").document["codes"]) > 40


def test_schema_prints_json_schema(byteor: Byteor) -> None:
    assert json.loads(byteor("schema", "plan").out)["title"].startswith("ByteOr plan")
    assert byteor("schema", "yaml").code == 2
    assert "pipeline.stages.N.depends_on.K" in byteor("schema", "kv").out


def test_a_file_s_name_cannot_write_to_the_terminal(byteor: Byteor, tmp_path: Path) -> None:
    (tmp_path / "a\x1b[31m\nok.kv").write_text("v=1\n")
    (tmp_path / "b\udcff.kv").write_text("v=1\n")
    for verb in ("validate", "watch"):
        more = ("--once",) if verb == "watch" else ()
        ran = byteor(verb, tmp_path, *more)
        assert ran.code == 3 and "\x1b" not in ran.out and "\\x1b[31m\\nok.kv" in ran.out
        ran = byteor(verb, tmp_path, *more, "--json")
        assert ran.code == 3 and "b\\\\udcff.kv" in ran.out


@pytest.mark.parametrize("form", ["json", "toml"])
def test_a_key_cannot_write_to_the_terminal(byteor: Byteor, tmp_path: Path, form: str) -> None:
    key = '"\\u001b[31mRED\\u0007"'
    raw = f'{{"v": 1, {key}: 1}}' if form == "json" else f"v = 1\n{key} = 1\n"
    path = tmp_path / f"evil.spec.{form}"
    path.write_text(raw)
    for arguments in (("validate", path), ("watch", path, "--once")):
        ran = byteor(*arguments)
        assert ran.code == 3 and "\\x1b[31mRED\\x07" in ran.out
        assert "\x1b" not in ran.out + ran.err and "\x07" not in ran.out + ran.err


def test_a_finding_is_shown_without_control_characters_and_told_with_any() -> None:
    from byteor.cli.spec_io import finding_fields, finding_lines
    from byteor.spec.finding import Findings

    findings = Findings("a\x1b\udcff.kv")
    findings.add("E_KEY", "no \x1b\udcff", key="k\x9b\ud800", value="\udc80", hint="do \x07\udcff")
    lines = finding_lines(list(findings))
    assert all(line.isprintable() and line.isascii() for line in lines)
    json.dumps([finding_fields(found) for found in findings], ensure_ascii=False).encode()
