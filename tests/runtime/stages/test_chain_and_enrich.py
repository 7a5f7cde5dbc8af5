"""The chain of digests, the table of ``enrich``, and the examples of every built-in stage."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byteor.indexbus.pure.stages import STAGES as PURE_STAGES
from byteor.runtime.stages import Context, ResolvedStage, StageError, resolve
from byteor.runtime.stages.built_in import built_in
from byteor.runtime.stages.enrich import key_text

FORMS = ["json", "append"]
objects = st.dictionaries(st.text(max_size=4).filter(lambda name: name != "chain"), st.integers(), max_size=3)


@pytest.mark.parametrize("form", FORMS)
@given(st.lists(objects, min_size=1, max_size=6))
def test_a_chain_follows_and_is_json_with_the_digest_of_all_before(
    form: str, documents: list[dict[str, int]]
) -> None:
    messages = [json.dumps(document).encode() + b" " for document in documents]
    out = resolve(f"hash_chain:{form}").make()(messages)
    assert resolve(f"hash_chain_check:{form}").make()(out) == out
    last = bytes(32)
    for message, linked in zip(messages, out, strict=True):
        last = hashlib.sha256(last + (message if form == "append" else message.rstrip())).digest()
        if form == "json":
            assert json.loads(linked) == json.loads(message) | {"chain": last.hex()}
        else:
            assert linked == message + last


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("harm", ["change", "lose", "double", "swap", "first"])
def test_whatever_was_done_to_a_chain_is_found_where_it_was_done(form: str, harm: str) -> None:
    out = resolve(f"hash_chain:{form}").make()([b'{"n":%d}' % n for n in range(5)])
    harmed, at = {
        "change": ([*out[:2], out[2].replace(b'"n":2', b'"n":9'), *out[3:]], 2),
        "lose": (out[:2] + out[3:], 2),
        "double": ([*out[:3], out[2], *out[3:]], 3),
        "swap": ([*out[:2], out[3], out[2], out[4]], 2),
        "first": (out[1:], 0),
    }[harm]
    with pytest.raises(StageError) as caught:
        resolve(f"hash_chain_check:{form}").make()(harmed)
    assert (caught.value.code, caught.value.index) == ("E_STAGE_INPUT", at)


def test_an_empty_object_is_linked_however_it_is_written() -> None:
    out = resolve("hash_chain").make()([b"{ }", b'{"a":1 }'])
    assert [json.loads(one).keys() for one in out] == [{"chain"}, {"a", "chain"}]
    assert resolve("hash_chain_check").make()(out) == out


def test_a_chain_goes_on_over_batches() -> None:
    messages = [b'{"n":%d}' % n for n in range(6)]
    whole, parts = resolve("hash_chain").make(), resolve("hash_chain").make()
    assert whole(messages) == [*parts(messages[:2]), *parts(messages[2:])]


@pytest.mark.parametrize("message", [b"text", b"[]", b'{"chain":1}', b'{"ch\\u0061in":1}', b""])
def test_what_cannot_be_linked_is_an_error(message: bytes) -> None:
    with pytest.raises(StageError) as caught:
        resolve("hash_chain").make()([b"{}", message])
    assert (caught.value.code, caught.value.index) == ("E_STAGE_INPUT", 1)


CSV = 'sku,name,price\n42,"Tea, green",3.5\nx-1,Pot,\n'
JSONL = '{"sku":42,"name":"Tea, green","price":3.5}\n\n{"sku":"x-1","name":"Pot","price":null}\n'


def enriched(key: str, messages: list[bytes], folder: Path | None = None) -> list[bytes | None]:
    with resolve(key).opened(Context("e", key, folder=folder)) as run:
        return list(run(messages))


@pytest.mark.parametrize(("name", "text"), [("t.csv", CSV), ("t.jsonl", JSONL), ("t.csv", "\ufeff" + CSV)])
def test_an_object_gets_the_columns_of_its_row(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    out = enriched(
        f"enrich:file={tmp_path / name};key=/order/sku",
        [b'{"order":{"sku":"42"},"name":1}', b'{"order":{"sku":42.0}}', b'{"order":{"sku":"none"}}', b"{}"],
    )
    price = "3.5" if name == "t.csv" else 3.5
    assert json.loads(out[0]) == {"order": {"sku": "42"}, "name": "Tea, green", "price": price}
    assert json.loads(out[1]) == {"order": {"sku": 42.0}, "name": "Tea, green", "price": price}
    assert out[2:] == [b'{"order":{"sku":"none"}}', b"{}"]


def test_columns_are_taken_as_asked_and_the_keys_may_have_other_names(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(CSV)
    key = f"enrich:file={tmp_path}/t.csv;key=item;column=sku;take=price;missing=filter"
    assert enriched(key, [b'{"item":42}', b'{"item":43}']) == [b'{"item":42,"price":"3.5"}', None]


def test_the_report_adds_up_and_names_the_file_by_its_digest(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(CSV)
    enriched(f"enrich:file={tmp_path}/t.csv;key=sku", [b'{"sku":"42"}', b'{"sku":1}', b"{}"], tmp_path)
    report = dict(line.split("=", 1) for line in (tmp_path / "e.report.kv").read_text().splitlines())
    assert report["table_sha256"] == hashlib.sha256(CSV.encode()).hexdigest()
    assert (report["in"], report["enriched"], report["missing"], report["rows"]) == ("3", "1", "2", "2")


@pytest.mark.parametrize(
    ("message", "missing"), [(b"text", "pass"), (b"[]", "pass"), (b'{"sku":9}', "fail"), (b"{}", "fail")]
)
def test_what_cannot_be_enriched_stops_the_run(tmp_path: Path, message: bytes, missing: str) -> None:
    (tmp_path / "t.csv").write_text(CSV)
    with pytest.raises(StageError) as caught:
        enriched(f"enrich:file={tmp_path}/t.csv;key=sku;missing={missing}", [b'{"sku":42}', message])
    assert (caught.value.code, caught.value.index) == ("E_STAGE_INPUT", 1)


BAD_TABLES = {
    "empty key": ("t.jsonl", '{"sku":null}', "line 1: the key is neither"),
    "twice": ("t.csv", "sku,a\n1,2\n1,3\n", "line 3: the key '1' stands twice"),
    "ragged": ("t.csv", "sku,a\n1\n", "line 2 has 1 values for 2 columns"),
    "header twice": ("t.csv", "sku,sku\n1,2\n", "the same name"),
    "no column": ("t.csv", "a,b\n1,2\n", "line 2 has no 'sku'"),
    "no json": ("t.jsonl", '{"sku":1}\n[1]\n', "line 2 is no JSON object"),
    "quote": ("t.csv", 'sku,a\n1,"x\n', "unexpected end of data"),
    "bytes": ("t.csv", b"sku\n\xff\n", "not UTF-8 at byte 4"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_bad_table_is_told_with_its_line_before_anything_runs(tmp_path: Path, case: str) -> None:
    name, text, why = BAD_TABLES[case]
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(StageError) as caught:
        enriched(f"enrich:file={tmp_path / name};key=sku", [])
    assert caught.value.code == "E_STAGE_TABLE"
    assert why in caught.value.message


def test_a_table_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(CSV)
    digest = hashlib.sha256(CSV.encode()).hexdigest()
    key = f"enrich:file={tmp_path}/t.csv;key=sku;sha256={digest}"
    assert enriched(key, []) == []
    (tmp_path / "t.csv").write_text(CSV + "9,a,b\n")
    with pytest.raises(StageError, match="not the pinned"):
        enriched(key, [])


@pytest.mark.parametrize(
    "parameters",
    ["", "file=a.csv", "file=/nowhere.csv;key=a", "file=a.txt;key=a", "key=a;key=b", "file", "x=1", "key="],
)
def test_wrong_options_are_refused(parameters: str) -> None:
    with pytest.raises(StageError) as caught:
        resolve(f"enrich:{parameters}")
    assert caught.value.code == "E_STAGE_PARAMETERS"


@pytest.mark.parametrize(
    ("value", "text"),
    [("1", "1"), (1, "1"), (1.0, "1"), (1.5, "1.5"), (True, None), (None, None), ([], None)],
)
def test_a_key_is_the_same_as_text_and_as_a_number(value: object, text: str | None) -> None:
    assert key_text(value) == text


@pytest.mark.parametrize("key", sorted(built_in()))
def test_every_built_in_stage_has_an_example_that_is_true(key: str) -> None:
    definition = built_in()[key]
    example = definition.example
    assert example is not None
    assert example.key.partition(":")[0] == key
    given = [text.encode() for text in example.given]
    gives = [None if text is None else text.encode() for text in example.gives]
    if definition.native is not None:
        argument = definition.native(example.key.partition(":")[2])
        assert [PURE_STAGES[key](message, argument) for message in given] == gives
    elif given:
        found = ResolvedStage(example.key, example.key.partition(":")[2], definition)
        assert found.make()(given) == gives
