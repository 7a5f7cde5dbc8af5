"""``byteor stages``: the list, one stage in full, and parameters that are checked."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from byteor.cli.stages import command
from byteor.runtime.stages import StageError
from byteor.runtime.stages.__main__ import page
from byteor.runtime.stages.built_in import built_in

ROOT = Path(__file__).resolve().parents[2]


def told(capsysbinary: pytest.CaptureFixture[bytes], *args: Any, **options: Any) -> Any:
    command(*args, json=True, **options)
    return json.loads(capsysbinary.readouterr().out)


def test_the_list_has_every_built_in_stage_with_its_doc(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    document = told(capsysbinary)
    assert document["schema"] == "byteor.stages/v1"
    rows = {row["key"]: row for row in document["stages"]}
    assert rows.keys() >= built_in().keys()
    assert rows["rate_limit"]["kind"] == "clocked"
    assert rows["redact"]["example"]["gives"] == ['{"user":{"email":"[redacted]","id":7}}']
    assert all(row["doc"] and row["distribution"] for row in rows.values())


def test_a_module_of_ones_own_is_listed_beside_them(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "mine_listed.py"
    path.write_text(
        "from byteor.runtime.stages import stage\n@stage\ndef shout(m):\n    'Loud.\\x1b[2J'\n    return m\n"
    )
    try:
        document = told(capsysbinary, "shout", stages=[str(path)])
        assert (document["key"], document["distribution"]) == ("shout", None)
        command("shout", stages=[str(path)])
        assert b"\x1b" not in capsysbinary.readouterr().out
    finally:
        sys.modules.pop("mine_listed", None)


def test_one_stage_is_told_with_its_example(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    command("json_drop")
    text = capsysbinary.readouterr().out.decode()
    assert "json_drop:NAME,..." in text
    assert '{"id":1,"note":"x"}  ->  {"id":1}' in text


def test_parameters_are_checked_when_they_are_given(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert told(capsysbinary, "json_filter:a=1")["checked"] == "json_filter:a=1"
    assert told(capsysbinary, "json_filter")["checked"] is None
    for key, code in (
        ("json_filter:a=", "E_STAGE_PARAMETERS"),
        ("nope", "E_STAGE_KEY"),
        ("nope:1", "E_STAGE_KEY"),
    ):
        with pytest.raises(StageError) as caught:
            command(key)
        assert caught.value.code == code


def test_a_package_that_does_not_load_is_told_and_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    info = tmp_path / "broken-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[byteor.stages]\nbroken_one = no_such_module_here:f\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    document = told(capsysbinary)
    assert "no_such_module_here" in document["broken"][0]["message"]
    assert "identity" in {row["key"] for row in document["stages"]}
    command()
    assert b"not loaded" in capsysbinary.readouterr().err


def test_the_page_of_built_in_stages_is_current() -> None:
    assert (ROOT / "docs/built-in-stages.md").read_text() == page()
