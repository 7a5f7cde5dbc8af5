"""What is changed between two replays of one recording, one thing at a time: a table."""

from __future__ import annotations

import msgspec


class Condition(msgspec.Struct, frozen=True):
    """``env``: variables set (None: taken away). ``perturb``: what ``perturb`` does inside the process.

    ``apart``: each stage has modules of its own, as in a process of its own.
    ``suspects`` is what a stage reads, when it differs under this condition and not under the same ones.
    """

    name: str
    suspects: str
    env: dict[str, str | None] = {}
    perturb: tuple[str, ...] = ()
    batch: int = 256
    apart: bool = False


BASE: dict[str, str | None] = {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C.UTF-8"}

SAME = Condition("same", "")
CONDITIONS: tuple[Condition, ...] = (
    Condition("again", "a clock, randomness, process ids, memory addresses, races, the network"),
    Condition("again later", "a clock, randomness, process ids, memory addresses, races, the network"),
    Condition("hash seed", "the order of a set or the hash of a string", {"PYTHONHASHSEED": "1"}),
    Condition("another hash seed", "the order of a set or the hash of a string", {"PYTHONHASHSEED": "4242"}),
    Condition("time", "the date or the time", perturb=("time",)),
    Condition("time zone", "the time zone", {"TZ": "Asia/Kolkata"}),
    Condition(
        "locale",
        "the locale",
        {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ),
    Condition(
        "environment",
        "an environment variable, the user or the home folder",
        {
            "HOME": "/nonexistent",
            "USER": "somebody",
            "LOGNAME": "somebody",
            "SHELL": "/bin/other",
            "LANG": "C",
            "EDITOR": "other",
            "HOSTNAME": "elsewhere",
            "TERM": "dumb",
            "TMPDIR": "/var/tmp",
            "BYTEOR_OTHER": "1",
        },
        ("environment",),
    ),
    Condition("working folder", "the working folder or the host's name", perturb=("folder", "host")),
    Condition("order of files", "the order in which a folder lists its files", perturb=("files",)),
    Condition("network", "the network", perturb=("network",)),
    Condition("one message a batch", "how messages fall into batches", batch=1),
    Condition("seven messages a batch", "how messages fall into batches", batch=7),
    Condition(
        "each stage apart",
        "a variable of its module that other stages use; a run gives each a process",
        apart=True,
    ),
    Condition("quick threads", "a race between threads", perturb=("threads",)),
    Condition("garbage", "when garbage is collected, or what an address was before", perturb=("garbage",)),
)
