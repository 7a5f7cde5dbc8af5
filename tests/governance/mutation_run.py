"""One module's mutants against its tests: ``python mutation_run.py MODULE.py TEST.py...``.

Survivors are told on stdout. The last line is ``KILLED FOUND``. See ``test_mutation.py`` for how.
"""

from __future__ import annotations

import ast
import functools
import gc
import importlib.machinery
import importlib.util
import inspect
import json
import math
import os
import resource
import select
import signal
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from mutants import Mutant, mutants

LOOK_S, HANGS_S = 180, 180
SPARE_CPU_S = (
    2  # over what the tests took while they were looked at, traced: a mutant that loops for ever is killed
)
WORDS = ("-q", "-p", "no:cacheprovider", "-W", "ignore")
WORDS += ("-o", "addopts=--import-mode=importlib", "-m", "not campaign")

# A function's place in a module: the same in the module and in its mutant.
Place = tuple[str, int, int]


class Look(dict[str, Any]):
    """What a test did: ``seconds`` of CPU, ``lines`` of the module, ``functions`` (name and first line)."""


class Reports:
    """The pytest plugin that remembers whether a test has failed."""

    failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed |= report.failed


class Campaign(Reports):
    """The pytest plugin that lets mutants run where the tests would."""

    def __init__(self, module: Path) -> None:
        self.module = module
        self.source = module.read_text()
        # By their number among all mutants.
        self.outside: list[int] = []
        self.alive: list[int] = []
        self.found = 0

    def pytest_internalerror(self, excrepr: object) -> None:
        sys.stderr.write(f"{excrepr}\n")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        looks = in_fork(lambda: [self.look(item) for item in session.items], LOOK_S)
        assert looks is not None, "the tests must pass on the unchanged module"
        assert all(looks), "the tests must pass on the unchanged module"
        cpu_s = SPARE_CPU_S + sum(look["seconds"] for look in looks)
        old = places(compile(ast.parse(self.source), str(self.module.resolve()), "exec"))
        for number, mutant in enumerate(mutants(self.source)):
            new = places(compile(mutant.tree, str(self.module.resolve()), "exec"))
            changed = [place for place in old if new.get(place) != old[place]]
            if not changed:
                continue  # the same code: an annotation, a text for people
            self.found += 1
            inner = [place for place in changed if old[place].co_flags & inspect.CO_OPTIMIZED]
            kept = [place for place in inner if place in new]  # what was left out may hold a function
            if not kept or any(new[place].co_freevars != old[place].co_freevars for place in kept):
                self.outside.append(number)
                continue
            function = max(kept, key=lambda place: place[1])[:2]
            order = sorted(range(len(looks)), key=lambda at: self.rank(looks[at], mutant.line, function))
            tests = [session.items[at] for at in order]
            if in_fork(lambda: self.passes(tests, old, new), HANGS_S, cpu_s):  # noqa: B023  (runs at once)
                self.alive.append(number)
        return True

    def rank(self, look: Look, line: int, function: Sequence[object]) -> tuple[bool, bool, float]:
        """Tests that reach the line come first, then those of the function; the quickest of each."""
        return (line not in look["lines"], list(function) not in look["functions"], look["seconds"])

    def look(self, item: pytest.Item) -> Look | None:
        """Run a test and see what of the module it reaches; None when it fails."""
        name = str(self.module.resolve())
        lines: set[int] = set()
        functions: set[tuple[str, int]] = set()

        def in_module(frame: types.FrameType, event: str, _: object) -> Any:
            lines.add(frame.f_lineno)
            return in_module

        def enters(frame: types.FrameType, event: str, _: object) -> Any:
            code = frame.f_code
            if code.co_filename != name:
                return None
            functions.add((code.co_qualname, code.co_firstlineno))
            return in_module(frame, event, None)

        began = time.process_time()
        threading.settrace(enters)
        sys.settrace(enters)
        self.run(item)
        sys.settrace(None)
        seconds = time.process_time() - began
        if self.failed:
            return None
        return Look(seconds=seconds, lines=list(lines), functions=[list(one) for one in functions])

    def passes(self, tests: Sequence[pytest.Item], old: dict[Place, Any], new: dict[Place, Any]) -> bool:
        """Whether all ``tests`` pass while the code at every place of ``old`` is that of ``new``."""
        by_code = {code: new[place] for place, code in old.items() if place in new}
        for thing in gc.get_objects():
            if isinstance(thing, types.FunctionType) and thing.__code__ in by_code:
                thing.__code__ = by_code[thing.__code__]
            elif isinstance(thing, functools._lru_cache_wrapper):
                thing.cache_clear()  # what the unchanged code said
        for test in tests:
            self.run(test)
            if self.failed:
                return False
        return True

    def run(self, item: pytest.Item) -> None:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)


def in_fork(work: Callable[[], Any], seconds: float, cpu_s: float | None = None) -> Any:
    """What ``work`` gives, from a fork of ours; None when it hangs, uses more than ``cpu_s`` or dies."""
    hear, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(hear)
        if cpu_s is not None:  # not by the clock: on a busy machine a mutant would seem to hang
            used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
            resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used + cpu_s), resource.RLIM_INFINITY))
        try:
            with os.fdopen(told, "wb") as pipe:
                pipe.write(json.dumps(work()).encode())
        except BaseException:  # noqa: BLE001
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(told)
    text, deadline = b"", time.monotonic() + seconds
    with os.fdopen(hear, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            data = pipe.read(1 << 16)
            if not data:
                break
            text += data
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    try:
        return json.loads(text)
    except ValueError:
        return None


def places(module: types.CodeType) -> dict[Place, types.CodeType]:
    """Every code object by its place, the module's own among them."""
    found: dict[Place, types.CodeType] = {}
    for code in _codes(module):
        nth = 0
        while (place := (code.co_qualname, code.co_firstlineno, nth)) in found:
            nth += 1  # two lambdas on one line
        found[place] = code
    return found


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            yield from _codes(one)


class Instead(importlib.machinery.SourceFileLoader):
    """Loads a mutant under the module's name."""

    def __init__(self, name: str, module: Path, tree: ast.Module) -> None:
        super().__init__(name, str(module.resolve()))
        self.tree = tree

    def get_code(self, fullname: str) -> types.CodeType:
        return compile(self.tree, self.path, "exec")

    def find_spec(self, fullname: str, *_: object) -> Any:
        return importlib.util.spec_from_loader(fullname, self) if fullname == self.name else None


def passes_anew(module: Path, mutant: Mutant, tests: Sequence[str]) -> bool:
    """Whether the tests pass when the mutant is imported in the module's place, from nothing."""
    name = ".".join(part for part in module.with_suffix("").parts if part != "store")
    for one in [one for one in sys.modules if one.split(".")[0] in ("byteor", "byteor_store")]:
        del sys.modules[one]
    sys.meta_path.insert(0, Instead(name, module, mutant.tree))  # type: ignore[arg-type]
    reports = Reports()
    code = pytest.main([*WORDS, "-x", *tests], plugins=[reports])
    return code == pytest.ExitCode.OK


def main(words: Sequence[str]) -> None:
    module, tests = Path(words[0]), words[1:]
    quiet, sys.stdout = sys.stdout, open(os.devnull, "w")  # noqa: PTH123, SIM115
    campaign = Campaign(module)
    # These import nothing of ours yet, so that each fork can import the mutant.
    in_order = in_fork(lambda: _inside(campaign, tests), 3600)
    found, lines, outside = in_order
    rows = list(mutants(campaign.source))
    lines += [row for row in outside if in_fork(lambda: passes_anew(module, rows[row], tests), HANGS_S)]  # noqa: B023
    sys.stdout = quiet
    text = campaign.source.splitlines()
    for row in sorted(lines):
        line = rows[row].line
        print(f"{module}:{line}: {rows[row].what}: {text[line - 1].strip()}")
    print(found - len(lines), found)


def _inside(campaign: Campaign, tests: Sequence[str]) -> tuple[int, list[int], list[int]]:
    """How many mutants there are, which survive, and which want another way: by their number."""
    code = pytest.main([*WORDS, *tests], plugins=[campaign])
    assert code == pytest.ExitCode.OK, code
    return campaign.found, campaign.alive, campaign.outside


if __name__ == "__main__":
    main(sys.argv[1:])
