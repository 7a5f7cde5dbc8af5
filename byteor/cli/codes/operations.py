"""Codes of looking after runs: tuning, telemetry, detached runs, replacement."""

from __future__ import annotations

from byteor.cli.codes.row import Row

_RUN = "byteor run demo.spec.kv --source generate:10,16 --sink null:"

ROWS = tuple(
    Row("operations", *rest)
    for rest in (
        (
            "E_PROFILE",
            "a tuning profile has one of the known names",
            "default, low-latency or isolated-core",
            "byteor doctor --profile fast",
            "byteor doctor --profile low-latency",
        ),
        (
            "E_RUN_VERSION",
            "run.json has the version that this byteor writes",
            "look at the run, and end it, with the byteor that started it; then byteor gc of that byteor",
            "byteor snapshot NAME (of a run that a newer byteor started)",
            "/opt/byteor-NEWER/bin/byteor snapshot NAME",
        ),
        (
            "E_METRICS_ADDR",
            "metrics are served at a free address of this host",
            "write PORT or HOST:PORT; port 0 takes a free one and tells it",
            f"{_RUN} --metrics-addr nowhere",
            f"{_RUN} --metrics-addr 0",
        ),
        (
            "E_DETACHED_STREAM",
            "a detached run reads and writes no terminal",
            "name another source or sink: --source file:PATH, --sink file:PATH",
            "byteor run demo.spec.kv --detach --source generate:10,16",
            "byteor run demo.spec.kv --detach --source generate:10,16 --sink null:",
        ),
        (
            "E_DETACH",
            "the supervisor of a detached run says that it is up, or why not",
            "see what it printed; dmesg tells when the kernel killed it (out of memory)",
            f"{_RUN} --detach (and kill -9 the supervisor while it starts)",
            f"{_RUN} --detach",
        ),
        (
            "E_RUN_LOG",
            "a run that was started with --detach has a log",
            "start it with --detach, or look where its stderr went: journalctl -u UNIT",
            f"{_RUN}; byteor logs demo",
            f"{_RUN} --detach; byteor logs demo",
        ),
        (
            "E_STILL_DRAINING",
            "a run that drains ends in time",
            "byteor top shows who lags; byteor stop --now does not wait for it",
            "byteor drain demo --timeout 0",
            "byteor drain demo --timeout 30",
        ),
        (
            "E_REPLACE_REFUSED",
            "the new run can go on where the old one stops, without loss",
            "byteor compatibility OLD NEW tells why not; drain the old run, then start the new one alone",
            "byteor run other-ends.spec.kv --replace --name demo",
            "byteor run demo.spec.kv --replace",
        ),
        (
            "E_REPLACE_BUSY",
            "the old run gets empty within --drain-timeout while its sources rest; else it goes on",
            "give --drain-timeout more, or see with byteor top what is slow",
            "byteor run demo.spec.kv --replace (while a stage hangs)",
            "byteor run demo.spec.kv --replace --drain-timeout 60",
        ),
        (
            "E_REPLACE_UNCLEAN",
            "the old run has let everything out before the new one begins",
            "look at it with byteor snapshot, then start the new one without --replace",
            "byteor run demo.spec.kv --replace (and a stage of the old run fails meanwhile)",
            "byteor run demo.spec.kv --replace --drain-timeout 60",
        ),
        (
            "E_GROUP",
            "a run is opened to a group that exists and that its user belongs to",
            "getent group lists the groups; usermod -aG GROUP USER, then log in again",
            f"{_RUN} --group nobodys",
            f"{_RUN} --group $(id -gn)",
        ),
        (
            "E_RUN_FOREIGN",
            "a run is removed by the user whose it is",
            "let its user do it: sudo -u USER byteor gc",
            "byteor gc of another user's run, from a program",
            "sudo -u byteor byteor gc",
        ),
    )
)
