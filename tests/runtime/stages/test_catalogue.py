"""How a stage is declared and found, and what a wrong key is told."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from byteor.errors import Exit
from byteor.indexbus import native_stage_names
from byteor.indexbus.pure.stages import STAGES as PURE_STAGES
from byteor.runtime.stages import StageDef, StageError, batch_stage, known_stages, resolve, stage

MODULE = '''
import msgspec
from byteor.runtime.stages import batch_stage, stage

@stage
def shout(message):
    """Upper case."""
    return message.upper()

@stage("prefix", writes=True, parameters="TEXT", required=True)
def make_prefix(parameters):
    if len(parameters) > 3:
        raise ValueError("TEXT has at most 3 characters")
    return lambda message: parameters.encode() + message

class Order(msgspec.Struct):
    item: str
    count: int = 1

@stage("double", decode=Order)
def double(order):
    order.count *= 2
    return order if order.count < 100 else None

@batch_stage("count", kind="clocked", writes=False, parameters="START")
def count(parameters):
    seen = int(parameters or 0)
    def run(messages):
        nonlocal seen
        seen += len(messages)
        return [b"%d" % seen] * len(messages)
    return run
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    name = f"stages_of_{abs(hash(request.node.nodeid))}"
    path = tmp_path / f"{name}.py"
    path.write_text(MODULE)
    yield str(path)
    sys.modules.pop(name, None)


def test_a_function_is_a_stage_under_its_own_name(module: str) -> None:
    found = resolve("shout", [module])
    assert (found.definition.shape, found.definition.kind, found.definition.doc) == (
        "message",
        "pure",
        "Upper case.",
    )
    assert found.native is None
    assert found.make()(b"quiet") == b"QUIET"


def test_a_factory_gets_the_text_behind_the_first_colon(module: str) -> None:
    assert resolve("prefix:a:b", [module]).make()(b"!") == b"a:b!"


def test_a_typed_stage_gets_and_gives_structs(module: str) -> None:
    double = resolve("double", [module]).make()
    assert double(b'{"item": "a"}') == b'{"item":"a","count":2}'
    assert double(b'{"item":"a","count":50}') is None


@pytest.mark.parametrize("message", [b"text", b'{"item":1}', b"{}", b'{"item":"\xff"}'])
def test_what_is_not_of_the_type_is_an_error_of_that_stage(module: str, message: bytes) -> None:
    with pytest.raises(StageError, match="double cannot read") as caught:
        resolve("double", [module]).make()(message)
    assert caught.value.code == "E_STAGE_INPUT"


def test_every_make_has_state_of_its_own(module: str) -> None:
    found = resolve("count:10", [module])
    one, other = found.make(), found.make()
    assert (one([b"x", b"y"]), one([b"x"]), other([b"x"])) == ([b"12"] * 2, [b"13"], [b"11"])


def test_a_decorated_function_can_still_be_called() -> None:
    @stage
    def twice(message: bytes) -> bytes | None:
        return message * 2

    assert twice(b"ab") == b"abab"


def test_a_module_on_the_path_is_named_with_dots(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(module).parent))
    assert resolve("shout", [Path(module).stem]).definition.module == Path(module).stem


def test_a_package_may_gather_stages_from_its_modules(module: str, tmp_path: Path) -> None:
    front = tmp_path / "front_of_stages.py"
    front.write_text(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        f"from {Path(module).stem} import shout\n"
        "from byteor.runtime.stages.detect import zscore\n"
    )
    path = list(sys.path)
    try:
        assert resolve("shout", [str(front)]).make()(b"x") == b"X"
        assert resolve("zscore", [str(front)]).distribution == "byteor"
    finally:
        sys.path[:] = path
        sys.modules.pop("front_of_stages", None)


BAD_KEYS = [
    ("identiy", "E_STAGE_KEY", Exit.INVALID, "did you mean 'identity'?"),
    ("", "E_STAGE_KEY", Exit.INVALID, "known stages: crc32c, crc32c_append"),
    ("identity:x", "E_STAGE_PARAMETERS", Exit.INVALID, "write it as identity"),
    ("identity:", "E_STAGE_PARAMETERS", Exit.INVALID, "write it as identity"),
    ("json_append", "E_STAGE_PARAMETERS", Exit.INVALID, 'json_append:"NAME":VALUE,...'),
    ("json_append:", "E_STAGE_PARAMETERS", Exit.INVALID, "json_append:"),
    ("json_append:site=demo", "E_STAGE_PARAMETERS", Exit.INVALID, "json_append:"),
    ('json_append:"a":1}', "E_STAGE_PARAMETERS", Exit.INVALID, "json_append:"),
    ("json_normalise:0", "E_STAGE_PARAMETERS", Exit.INVALID, "json_normalise[:WINDOW_MS"),
    ("json_normalise:100,ignore", "E_STAGE_PARAMETERS", Exit.INVALID, "json_normalise"),
    ("json_normalise:1,error,x", "E_STAGE_PARAMETERS", Exit.INVALID, "json_normalise"),
    ("zscore:1", "E_STAGE_PARAMETERS", Exit.INVALID, "zscore[:WINDOW[,THRESHOLD]]"),
    ("zscore:10,nan", "E_STAGE_PARAMETERS", Exit.INVALID, "zscore"),
    ("zscore:10,0", "E_STAGE_PARAMETERS", Exit.INVALID, "zscore"),
    ("zscore:ten", "E_STAGE_PARAMETERS", Exit.INVALID, "zscore"),
    ("threshold:m,1", "E_STAGE_PARAMETERS", Exit.INVALID, "threshold:METRIC,LOW,HIGH"),
    ("threshold:m,2,1", "E_STAGE_PARAMETERS", Exit.INVALID, "threshold"),
    ("json_select:a,,b", "E_STAGE_PARAMETERS", Exit.INVALID, "json_select:NAME,..."),
    ("json_drop:a,a", "E_STAGE_PARAMETERS", Exit.INVALID, "json_drop"),
    ("json_rename:a", "E_STAGE_PARAMETERS", Exit.INVALID, "json_rename"),
    ("json_rename:a=b,a=c", "E_STAGE_PARAMETERS", Exit.INVALID, "json_rename"),
    ("json_rename:a=c,b=c", "E_STAGE_PARAMETERS", Exit.INVALID, "json_rename"),
    ("json_filter:outlier", "E_STAGE_PARAMETERS", Exit.INVALID, "json_filter"),
    ("json_filter:a<true", "E_STAGE_PARAMETERS", Exit.INVALID, "json_filter"),
    ("json_filter:a=[1]", "E_STAGE_PARAMETERS", Exit.INVALID, "json_filter"),
    ("sample:0", "E_STAGE_PARAMETERS", Exit.INVALID, "sample:N"),
    ("dedupe:a", "E_STAGE_PARAMETERS", Exit.INVALID, "dedupe:NAME,LAST"),
]


@pytest.mark.parametrize(("key", "code", "exit", "hint"), BAD_KEYS)
def test_a_wrong_key_or_parameter_is_told_with_what_to_write(
    key: str, code: str, exit: Exit, hint: str
) -> None:
    with pytest.raises(StageError) as caught:
        resolve(key)
    assert (caught.value.code, caught.value.exit) == (code, exit)
    assert caught.value.hint is not None
    assert hint in caught.value.hint


def test_a_users_factory_tells_its_own_reason(module: str) -> None:
    with pytest.raises(StageError, match="at most 3 characters"):
        resolve("prefix:long", [module])


BAD_MODULES = {
    "raises": ("1 / 0", "ZeroDivisionError"),
    "exits": ("raise SystemExit(3)", "SystemExit"),
    "syntax": ("def (", "SyntaxError"),
    "empty": ("x = 1", "has no stage"),
    "imports": ("import byteor_has_no_such_module", "byteor_has_no_such_module"),
    "clash": ("from byteor.runtime.stages import stage\n@stage\ndef identity(m): return m", "declared by"),
    "key": ("from byteor.runtime.stages import stage\n@stage('Bad Key')\ndef f(m): return m", "Bad Key"),
    "kind": ("from byteor.runtime.stages import stage\n@stage(kind='odd')\ndef f(m): return m", "odd"),
}


@pytest.mark.parametrize("name", BAD_MODULES)
def test_a_users_module_that_does_not_load_is_an_error_and_no_traceback(tmp_path: Path, name: str) -> None:
    text, expected = BAD_MODULES[name]
    path = tmp_path / f"bad_{name}.py"
    path.write_text(text)
    try:
        with pytest.raises(StageError) as caught:
            resolve("identity", [str(path)])
    finally:
        sys.modules.pop(path.stem, None)
    assert caught.value.exit == Exit.USAGE
    assert expected in caught.value.message


def test_a_module_that_does_not_exist_is_told_how_to_name_a_file() -> None:
    with pytest.raises(StageError) as caught:
        resolve("identity", ["mystages"])
    assert caught.value.hint == "a file is named by its path: --stages ./mystages.py"


def test_a_definition_can_be_made_again_in_another_process(module: str) -> None:
    code = (
        "import sys; from byteor.runtime.stages import resolve;"
        "print(resolve('shout', sys.argv[1:]).make()(b'hi'))"
    )
    ran = subprocess.run([sys.executable, "-c", code, module], capture_output=True, text=True, timeout=30)
    assert ran.stdout == "b'HI'\n", ran.stderr


def test_the_digest_is_the_modules_own(module: str) -> None:
    digest = resolve("shout", [module]).digest()
    assert digest["module_sha256"] == hashlib.sha256(MODULE.encode()).hexdigest()
    assert resolve("zscore").digest()["distribution"] == "byteor"


def test_an_installed_packages_stage_is_found_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "their_stages.py").write_text(MODULE)
    info = tmp_path / "theirs-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[byteor.stages]\nprefix = their_stages:make_prefix\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        found = resolve("prefix:x")
        assert found.make()(b"y") == b"xy"
        assert (found.distribution, found.version) == ("theirs", "1.2")
        assert "prefix" in {definition.key for definition in known_stages()}
    finally:
        sys.modules.pop("their_stages", None)


def test_every_known_stage_says_what_it_does_and_how_it_is_written() -> None:
    stages = known_stages()
    assert [definition.key for definition in stages] == sorted(definition.key for definition in stages)
    for definition in stages:
        assert isinstance(definition, StageDef)
        assert definition.doc.endswith("."), definition.key
        assert (definition.native is None) != (definition.make is None)


NATIVE = [
    ("identity", b""),
    ("crc32c", b""),
    ("crc32c_append", b""),
    ("crc32c_check", b""),
    ('json_append:"site":"demo"', b',"site":"demo"'),
    ('json_append: "a" : 1 , "b":"x : y"', b',"a":1,"b":"x : y"'),
]


@pytest.mark.parametrize(("key", "argument"), NATIVE)
def test_native_stages_have_a_name_and_an_argument_for_the_kernel(key: str, argument: bytes) -> None:
    assert resolve(key).native == (key.partition(":")[0], argument)
    with pytest.raises(StageError):
        resolve(key).make()


def test_the_kernel_has_every_native_stage_and_we_name_all_of_them() -> None:
    named = {definition.key for definition in known_stages() if definition.native is not None}
    assert named == set(native_stage_names())


@pytest.mark.parametrize("message", [b"{}", b'{"a":1}', b'{ "a" : {} } '])
def test_the_kernel_makes_json_of_the_argument_that_it_is_given(message: bytes) -> None:
    native = resolve('json_append:"site" : "demo"').native
    assert native is not None
    out = PURE_STAGES[native[0]](message, native[1])
    assert json.loads(out) == json.loads(message) | {"site": "demo"}


def test_a_batch_stage_needs_a_known_kind() -> None:
    with pytest.raises(StageError) as caught:
        batch_stage("x", kind="odd")(lambda messages: messages)  # type: ignore[arg-type]
    assert caught.value.code == "E_STAGE_DEFINITION"
