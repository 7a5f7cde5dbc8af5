"""Codes of captures, bundles, replays and incident records (``byteor.incident``)."""

from __future__ import annotations

from byteor.cli.codes.row import Row

_VERIFY = "byteor bundle verify incident.bundle.zip"
_REPLAY = "byteor replay demo"

ROWS = tuple(
    Row("incident", *rest)
    for rest in (
        (
            "E_CAPTURE_MISSING",
            "the run was captured",
            "byteor journal ls lists the captures; --capture off leaves none",
            "byteor replay nobody",
            _REPLAY,
        ),
        (
            "E_CAPTURE_FRAME",
            "every record of a capture is one of ours",
            "byteor journal verify says where; what lies before it can be used",
            "byteor journal cat ./folder-of-another-journal",
            "byteor journal cat demo",
        ),
        (
            "E_CAPTURE_SPACE",
            "a run records what it takes in before it works on it",
            "free space on the disk of BYTEOR_STATE_DIR, or run with --capture best-effort or off",
            "byteor run demo.spec.kv --source generate:0,1024 --sink null: (on a full disk)",
            "byteor run demo.spec.kv --source generate:0,1024 --sink null: --capture best-effort",
        ),
        (
            "E_BUNDLE_NOT_FOUND",
            "the bundle is there",
            "name its file or folder",
            "byteor bundle verify nothing.bundle.zip",
            _VERIFY,
        ),
        (
            "E_BUNDLE_UNSAFE",
            "a bundle has only names, kinds and forms that our writer makes",
            "ask its sender to write it again; keep this one as evidence",
            "zip -r bundle.zip /etc; byteor bundle verify bundle.zip",
            _VERIFY,
        ),
        (
            "E_BUNDLE_LIMIT",
            "a bundle has 256 members, 64 MiB each and 256 MiB together at most",
            "bundle a shorter part: byteor journal slice",
            "head -c 1G /dev/zero > runtime.json; byteor bundle verify .",
            _VERIFY,
        ),
        (
            "E_BUNDLE_FORMAT",
            "the members that must be there are there and say what they must",
            "write it again with byteor incident-bundle",
            "rm incident.bundle/manifest.json; byteor bundle verify incident.bundle",
            _VERIFY,
        ),
        (
            "E_BUNDLE_DIGEST",
            "every member is the one that was signed",
            "get the original; keep this one as evidence",
            "echo >> incident.bundle/spec.kv; byteor bundle verify incident.bundle",
            _VERIFY,
        ),
        (
            "E_BUNDLE_SIGNATURE",
            "a bundle is signed by a host that is known here",
            "compare the signer's key with its host, then give it with --key",
            "byteor bundle verify from-another-host.bundle.zip",
            "byteor bundle verify from-another-host.bundle.zip --key PUBLIC_KEY",
        ),
        (
            "E_REPLAY_INPUT",
            "there are inputs to replay",
            "byteor journal stat says which were recorded",
            "byteor replay demo --from 1000000000",
            _REPLAY,
        ),
        (
            "E_REPLAY_SPEC",
            "the spec is the recorded one, or has the same ingresses and shards",
            "name the right one with --spec",
            "byteor replay demo --spec with-fewer-ingresses.spec.kv",
            _REPLAY,
        ),
        (
            "E_REPLAY_REFUSED",
            "a replay that acts meets every condition",
            "the message names the condition that is not met",
            "byteor replay demo --mode execute",
            _REPLAY,
        ),
        (
            "E_REPLAY_DIED",
            "a stage does not end its process",
            "look at the stage: os._exit, a crash in native code, or too little memory",
            "@stage\ndef mine(message):\n    os._exit(1)",
            "@stage\ndef mine(message):\n    raise ValueError('no')",
        ),
        (
            "E_REPLAY_STALLED",
            "something moves in a replay at least every 30 s",
            "the message says how far each worker came; for a stage that is only slow, --stall SECONDS",
            "@stage\ndef mine(message):\n    while True: pass",
            "byteor replay demo --stall 300",
        ),
        (
            "E_REPLAY_EQUAL",
            "only a replay that diverges is minimised",
            "byteor determinism check runs it under other conditions",
            "byteor replay demo --minimize (of a run that replays equal)",
            _REPLAY,
        ),
        (
            "E_REPLAY_TRACE",
            "replay_trace.json is what byteor replay --trace wrote, and its recording is still there",
            "byteor replay RUN --trace makes another",
            "a replay_trace.json that was edited, or whose capture was pruned",
            "byteor replay demo --trace",
        ),
        (
            "E_SNAPSHOT",
            "a file that is opened as a snapshot is one that byteor snapshot wrote",
            "byteor snapshot RUN -o FILE writes one",
            "byteor-console --run notes.snapshot.json",
            "byteor snapshot demo -o demo.snapshot.json",
        ),
        (
            "E_NOTE",
            "a note has a text of at most 16 KiB",
            "give it as TEXT, or with --file",
            "byteor note ''",
            "byteor note 'the link came back'",
        ),
        (
            "E_INCIDENT_WHEN",
            "a condition under [incident] when has one of its forms",
            'write "error", "drops > N", "lag > N", "stall > SECONDS" or "rate < N"',
            '[incident]\nwhen = ["drops are many"]',
            '[incident]\nwhen = ["error", "drops > 100"]',
        ),
        (
            "E_INCIDENT_NOT_FOUND",
            "the incident is one of this host's",
            "byteor incident list",
            "byteor incident show inc-19700101T000000-0000",
            "byteor incident show",
        ),
        (
            "E_INCIDENT_STATE",
            "an incident goes from open by investigating and explained to closed, with a reason",
            "byteor incident show tells its state",
            "byteor incident close",
            "byteor incident close --reason 'the disk was full'",
        ),
    )
)
