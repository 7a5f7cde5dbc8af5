"""The command line of each act, as a person would type it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path


def evidence_folder(kind: str) -> Path:
    """``KIND`` beside the audit log, 0700. Raises ``E_UNSAFE_FOLDER`` or ``OSError``."""
    from byteor.atomic import private_folder
    from byteor.state import state_dir

    return private_folder(private_folder(state_dir()) / kind)


def stamp(unix_ns: int) -> str:
    """A moment as part of a file name (UTC, to the millisecond)."""
    moment = datetime.fromtimestamp(unix_ns / 1e9, UTC)
    return f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03d}Z"


def snapshot(run_id: str, unix_ns: int, folder: Path) -> tuple[str, ...]:
    """``snapshot RUN --out=FILE``; the name says run and moment."""
    return ("snapshot", run_id, f"--out={folder / f'{run_id}.{stamp(unix_ns)}.snapshot.json'}")


def bundle(run_id: str, seen: Path | None = None) -> tuple[str, ...]:
    """``seen`` is a recording of the console."""
    return ("incident-bundle", run_id) if seen is None else ("incident-bundle", run_id, f"--seen={seen}")


def span(typed: str) -> tuple[str, ...]:
    """Which messages ``all``, ``last N`` or ``N..M`` are, as options. Raises ``ValueError``."""
    text = typed.strip().replace(",", "")
    if text in {"", "all"}:
        return ()
    if found := re.fullmatch(r"last\s*([1-9]\d*)", text, re.ASCII):
        return (f"--last={found[1]}",)
    if (found := re.fullmatch(r"(\d+)\s*\.\.\s*(\d+)", text, re.ASCII)) and int(found[1]) <= int(found[2]):
        return (f"--from={found[1]}", f"--to={found[2]}")
    raise ValueError(f"`{typed.strip()}` is no range: all, last 5000, or 120..480")


def dry_run(source: str, env: str, unix_ns: int, folder: Path, some: tuple[str, ...] = ()) -> tuple[str, ...]:
    name = Path(source).name.removesuffix(".bundle.zip")
    where = (f"--env={env}",) if env else ()
    return (
        "replay",
        source,
        "--mode=dry_run",
        "--trace",
        *where,
        *some,
        f"--out={folder / f'{name}.{stamp(unix_ns)}'}",
    )


def execute(
    source: str, env: str, approval: str, certificate: str, unix_ns: int, folder: Path
) -> tuple[str, ...]:
    name = Path(source).name.removesuffix(".bundle.zip")
    out = folder / f"{name}.{stamp(unix_ns)}"
    terms = (f"--env={env}", f"--approval={approval}", f"--certificate={certificate}")
    return ("replay", source, "--mode=execute", "--trace", *terms, f"--out={out}")


def request(
    spec: str, env: str, action: str, reason: str, certificate: str = "", stages: tuple[str, ...] = ()
) -> tuple[str, ...]:
    argv = ("approval", "request", spec, f"--env={env}", f"--action={action}", f"--reason={reason}")
    shown = (f"--certificate={certificate}",) if certificate else ()
    return (*argv, *shown, *(f"--stages={module}" for module in stages))


def approve(request_id: str, digest: str, kid: str, key_file: str) -> tuple[str, ...]:
    return ("approval", "approve", request_id, f"--digest={digest}", f"--kid={kid}", f"--key-file={key_file}")


def deny(request_id: str, digest: str, reason: str, kid: str, key_file: str) -> tuple[str, ...]:
    return (
        "approval", "deny", request_id, f"--digest={digest}", f"--reason={reason}", f"--kid={kid}",
        f"--key-file={key_file}",
    )  # fmt: skip


def freeze(env: str, reason: str) -> tuple[str, ...]:
    return ("freeze", f"--env={env}", f"--reason={reason}")


def unfreeze(env: str, kid: str, key_file: str) -> tuple[str, ...]:
    return ("unfreeze", f"--env={env}", f"--kid={kid}", f"--key-file={key_file}")


def mark(text: str, run_id: str, at_unix_ns: int) -> tuple[str, ...]:
    about = (f"--run={run_id}",) if run_id else ()
    return _note(text, *about, f"--at={at_unix_ns}")


def comment(text: str, request_id: str) -> tuple[str, ...]:
    return _note(text, f"--request={request_id}")


def _note(text: str, *about: str) -> tuple[str, ...]:
    """Words that begin like an option are words all the same."""
    return ("note", *about, "--", text) if text.startswith("-") else ("note", text, *about)


def prove(seq: int, folder: Path) -> tuple[str, ...]:
    return ("audit", "prove", f"--entry={seq}", f"--out={folder / f'entry-{seq}.proof.json'}")


def handover(path: Path) -> tuple[str, ...]:
    return ("note", "--kind=handover", f"--file={path}")


def key_is_encrypted(key_file: str) -> bool:
    """Whether the key wants a passphrase. A file that cannot be read is left to the verb to refuse."""
    try:
        return b"ENCRYPTED" in Path(key_file).expanduser().read_bytes()[:4096]
    except OSError:
        return False
