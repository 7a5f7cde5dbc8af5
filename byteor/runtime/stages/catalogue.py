"""From a stage key to what runs: built-ins, modules that the user names, and installed packages."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from byteor._version import __version__
from byteor.errors import Exit, Where
from byteor.runtime.stages.api import StageDef, StageError
from byteor.runtime.stages.built_in import MODULES, built_in, built_in_stage, definitions_of
from byteor.runtime.stages.context import Context
from byteor.runtime.stages.printing import prints_to_stderr


class ResolvedStage(msgspec.Struct, frozen=True):
    """A stage key with its definition found and its parameters checked."""

    key: str
    parameters: str
    definition: StageDef
    distribution: str = ""  # of an installed package, else empty
    version: str = ""

    @property
    def native(self) -> tuple[str, bytes] | None:
        """(the kernel's name of the stage, its argument), or None when Python runs it."""
        make = self.definition.native
        return None if make is None else (self.definition.key, make(self.parameters))

    def make(self, context: Context | None = None) -> Callable[..., Any]:
        """A new function with state of its own: for one message or a batch, as ``definition.shape`` says.

        Without a ``context`` it gets one outside of any run. Nothing is set up: see :meth:`opened`.
        """
        if self.definition.make is None:
            raise StageError("E_STAGE_DEFINITION", f"{self.key!r} is run by the kernel, not by Python")
        return self.definition.make(context or Context(key=self.key))

    @contextlib.contextmanager
    def opened(self, context: Context) -> Iterator[Callable[..., Any]]:
        """The function, set up. It is torn down once, whatever happens inside; not if ``setup`` raised.

        What ``context.on_teardown`` was given is called in any case, and after the object's ``teardown``.
        """
        with contextlib.ExitStack() as stack:
            stack.callback(context.tear_down)
            function = self.make(context)
            if (setup := getattr(function, "setup", None)) is not None:
                setup()
            if (teardown := getattr(function, "teardown", None)) is not None:
                stack.callback(teardown)
            yield function

    def digest(self) -> dict[str, str]:
        """Which code this is: distribution, version, and the SHA-256 (hex) of the module's file."""
        module = sys.modules.get(self.definition.module)
        file = getattr(module, "__file__", None)
        text = Path(file).read_bytes() if file else b""
        return {
            "distribution": self.distribution,
            "version": self.version,
            "module": self.definition.module,
            "module_sha256": hashlib.sha256(text).hexdigest(),
        }


def resolve(key: str, modules: Sequence[str] = ()) -> ResolvedStage:
    """The stage that ``key`` (``name`` or ``name:parameters``) means.

    ``modules`` are the user's: dotted names, or paths that end in ``.py``. Raises ``StageError``:
    ``E_STAGE_KEY``, ``E_STAGE_PARAMETERS``, ``E_STAGE_MODULE`` or ``E_STAGE_CLASH``.
    """
    base, colon, parameters = key.partition(":")
    theirs = _named(modules)
    if (ours := built_in_stage(base)) is not None:
        found = ResolvedStage(key, parameters, ours, "byteor", __version__)
    elif base in theirs:
        found = ResolvedStage(key, parameters, theirs[base])
    else:
        found = _installed(base, key, parameters) or _unknown(base, theirs)
    _check_parameters(found, bool(colon))
    return found


class Listed(msgspec.Struct, frozen=True):
    """A stage that can be named here, and the installed package that it comes from (empty: a module)."""

    definition: StageDef
    distribution: str = ""
    version: str = ""


def listing(modules: Sequence[str] = ()) -> tuple[list[Listed], list[StageError]]:
    """Every stage that can be named here, by key, and why those of installed packages that fail do not load.

    Raises ``StageError`` for ``modules``, as :func:`resolve`.
    """
    from byteor.runtime.stages import installed

    found = {key: Listed(stage, "byteor", __version__) for key, stage in built_in().items()}
    found |= {key: Listed(stage) for key, stage in _named(modules).items() if key not in found}
    broken = []
    for point in installed.entry_points():
        if point.name not in found:
            try:
                found[point.name] = Listed(installed.load(point), *installed.package(point))
            except StageError as error:
                broken.append(error)
    return [found[key] for key in sorted(found)], broken


def known_stages(modules: Sequence[str] = ()) -> list[StageDef]:
    """The definitions of ``listing``: built-in, of ``modules``, of installed packages; by key."""
    return [listed.definition for listed in listing(modules)[0]]


def _named(modules: Sequence[str]) -> dict[str, StageDef]:
    found: dict[str, StageDef] = {}
    for name in modules:
        definitions = definitions_of(_import(name))
        if not definitions:
            raise _bad_module(name, "it has no stage", hint="decorate a function with @stage")
        for definition in definitions:
            other = built_in_stage(definition.key) or found.get(definition.key)
            if other is not None and other is not definition:
                raise StageError(
                    "E_STAGE_CLASH",
                    f"stage {definition.key!r} is declared by {other.module} and by {definition.module}",
                    hint="give one of them another key",
                    exit=Exit.USAGE,
                )
            found[definition.key] = definition
    return found


def _import(name: str) -> ModuleType:
    try:
        with prints_to_stderr():
            return _load(name)
    except StageError:
        raise
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _bad_module(name, str(error)) from error
        hint = f"a file is named by its path: --stages ./{name.replace('.', '/')}.py"
        raise _bad_module(name, "no such module", hint=hint) from error
    except (Exception, SystemExit) as error:
        import traceback

        if isinstance(error, SyntaxError) and error.filename:  # the frames are the importer's own
            where = Where(file=error.filename, line=error.lineno, column=error.offset)
        else:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            where = Where(file=frame.filename, line=frame.lineno)
        raise _bad_module(name, f"{type(error).__name__}: {error}", where=where) from error


def _load(name: str) -> ModuleType:
    if name.endswith(".py"):
        return _import_file(Path(name))
    if not all(part.isidentifier() for part in name.split(".")):
        hint = "name a file (./mine.py) or a module that Python finds (package.stages)"
        raise _bad_module(name, "neither a .py file nor the name of a module", hint=hint)
    return importlib.import_module(name)


def _import_file(path: Path) -> ModuleType:
    name = path.stem
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, "__file__", None) == str(path.resolve()):
        return loaded
    if loaded is not None:
        raise _bad_module(str(path), f"a module named {name!r} is loaded already", hint="rename the file")
    if not path.is_file():
        raise _bad_module(str(path), "no regular file" if os.path.lexists(path) else "no such file")
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise _bad_module(str(path), "not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _bad_module(name: str, why: str, *, hint: str | None = None, where: Where | None = None) -> StageError:
    return StageError(
        "E_STAGE_MODULE", f"cannot load stages from {name!r}: {why}", hint=hint, where=where, exit=Exit.USAGE
    )


def _installed(base: str, key: str, parameters: str) -> ResolvedStage | None:
    from byteor.runtime.stages.installed import installed

    found = installed(base)
    return None if found is None else ResolvedStage(key, parameters, *found)


def _unknown(base: str, theirs: Iterable[str]) -> ResolvedStage:
    import difflib

    from byteor.runtime.stages.installed import entry_points

    keys = sorted({*MODULES, *theirs, *(point.name for point in entry_points())})
    near = difflib.get_close_matches(base, keys, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known stages: {', '.join(keys)}."
    raise StageError(
        "E_STAGE_KEY",
        f"no stage has the key {base!r}",
        hint=f"{hint} A stage of your own is named with --stages MODULE",
        exit=Exit.INVALID,
    )


def _check_parameters(found: ResolvedStage, given: bool) -> None:
    definition = found.definition
    why = ""
    if given and not definition.parameters:
        why = "takes no parameters"
    elif definition.required and not found.parameters:
        why = "needs parameters"
    else:
        try:
            if definition.native is not None:
                definition.native(found.parameters)
            else:
                context = Context(key=found.key)
                try:
                    with prints_to_stderr():
                        found.make(context)
                finally:
                    context.tear_down()
        except ValueError as error:
            why = str(error)
    if why:
        raise StageError(
            "E_STAGE_PARAMETERS",
            f"stage {found.key!r}: {why}",
            hint=f"write it as {definition.usage}",
            exit=Exit.INVALID,
        )
