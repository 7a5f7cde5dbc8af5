"""Codes of runs and of the stages in them (``byteor.runtime``, ``byteor.acts``)."""

from __future__ import annotations

from byteor.cli.codes.row import Row

_ENDS = "--source generate:10,16 --sink null:"
_RUN = f"byteor run demo.spec.kv {_ENDS}"
_OWN = f"byteor run own.spec.kv {_ENDS} --stages ./mine.py"
_STAGE = "@stage\ndef mine(message: bytes) -> bytes | None:\n    return {}"

_GUARD = "single_ring.stages.0.key=dataguard_{}:registry=schemas;schema-id=orders;msg-type=placed{}"

ROWS = tuple(
    Row("run", *rest)
    for rest in (
        (
            "E_RUN_NAME",
            "a run's name is a name",
            "use a-z 0-9 _ - and begin with a letter",
            f"{_RUN} --name ../../etc",
            f"{_RUN} --name demo",
        ),
        (
            "E_RUN_EXISTS",
            "one live run has a name",
            "byteor stop NAME, or give another --name",
            f"byteor run demo.spec.kv --source generate:0,16 --sink null: (twice at once)\n{_RUN}",
            f"{_RUN} --name second",
        ),
        (
            "E_RUN_NOT_FOUND",
            "the run exists",
            "byteor ps lists the runs",
            "byteor snapshot nobody",
            "byteor snapshot demo",
        ),
        (
            "E_RUN_AMBIGUOUS",
            "a verb without a name finds one live run",
            "name one: byteor ps lists them",
            "byteor stop (while two runs are live)",
            "byteor stop demo",
        ),
        (
            "E_RUN_ALIVE",
            "what is removed has ended",
            "byteor stop NAME first",
            "byteor gc of a live run's folder, from a program",
            "byteor stop demo; byteor gc",
        ),
        (
            "E_RUN_JSON",
            "run.json is whole",
            "byteor gc removes what is left of the run",
            "echo junk > RUN_FOLDER/run.json; byteor snapshot demo",
            "byteor snapshot demo",
        ),
        (
            "E_RUN_OWNER",
            "who may look at a run (--group) may not end it: its owner alone asks it for anything",
            "sudo -u OWNER with the same command, or systemctl stop its unit",
            "byteor stop orders (a run of the user byteor)",
            "sudo -u byteor byteor stop orders",
        ),
        (
            "E_RUN_SILENT",
            "a live run answers on its control socket",
            "byteor snapshot still works on a hung run; then kill its pid (byteor ps)",
            "kill -STOP PID; byteor stop demo",
            "kill -CONT PID; byteor stop demo",
        ),
        (
            "E_TOO_MANY_WORKERS",
            "workers and lanes of a run together are at most 4,096",
            "split the pipeline into several runs joined by a journal or a socket",
            f"byteor run huge.spec.kv (5,000 roles) {_ENDS}",
            _RUN,
        ),
        (
            "E_ENDPOINT",
            "every ingress has one source, every egress one sink, each named where there are several",
            "write --source=NAME=KIND:ARG for each ingress, --sink=NAME=KIND:ARG for each egress",
            f"{_RUN} --source nobody=stdin:",
            f"{_RUN}",
        ),
        (
            "E_SAME_FILE",
            "source and sink are two files",
            "write to another file",
            "byteor run demo.spec.kv --source file:in.log --sink file:in.log",
            "byteor run demo.spec.kv --source file:in.log --sink file:out.log",
        ),
        (
            "E_SHARED_WRITE",
            "a stage of your own that writes overlaps with no other",
            "order it with depends_on, or declare it with writes=False",
            _STAGE.format("message.upper()") + "\n# with a stage beside it",
            _STAGE.replace("@stage", "@stage(writes=False)").format("message if message else None"),
        ),
        (
            "E_DRAIN_TIMEOUT",
            "messages in flight finish in time",
            "give more time: --drain-timeout SECONDS; look at the stage that lags",
            f"{_RUN} --drain-timeout 0",
            f"{_RUN} --drain-timeout 5",
        ),
        (
            "E_STAGE_KEY",
            "every stage's key is known",
            "did you name its module? --stages MODULE",
            "single_ring.stages.0.key=identitty",
            "single_ring.stages.0.key=identity",
        ),
        (
            "E_STAGE_PARAMETERS",
            "what follows a key's colon is what the stage takes",
            "write it as the hint says; docs/stages.md lists them",
            "single_ring.stages.0.key=identity:fast",
            "single_ring.stages.0.key=identity",
        ),
        (
            "E_STAGE_MODULE",
            "the module of --stages can be loaded",
            "check its name, and PYTHONPATH",
            f"{_RUN} --stages no.such.module",
            f"{_RUN} --stages ./mine.py",
        ),
        (
            "E_STAGE_CLASH",
            "one stage has a key",
            "give one of them another key",
            "@stage('crc32c')  # built in\ndef mine(message: bytes) -> bytes: ...",
            "@stage('my_crc')\ndef mine(message: bytes) -> bytes: ...",
        ),
        (
            "E_STAGE_DEFINITION",
            "a stage is declared rightly",
            "see docs/stages.md",
            "@stage('My Stage')\ndef mine(message: bytes) -> bytes: ...",
            "@stage('my_stage')\ndef mine(message: bytes) -> bytes: ...",
        ),
        (
            "E_STAGE_INPUT",
            "a stage can work on every message",
            "put a stage that filters such messages before it",
            "echo 'not json' | byteor run json.spec.kv (with key=json_normalise)",
            "echo '{\"a\": 1}' | byteor run json.spec.kv (with key=json_normalise)",
        ),
        (
            "E_STAGE_OVERSIZE",
            "a result fits its slot",
            "make slot_bytes larger, or the result shorter",
            _STAGE.format("message * 1000"),
            _STAGE.format("message[:100]"),
        ),
        (
            "E_STAGE_RAISED",
            "a stage raises nothing",
            "mend the stage; the message names sequence and error",
            _STAGE.format("1 / 0"),
            _STAGE.format("message.upper()"),
        ),
        (
            "E_STAGE_RESULT",
            "a batch stage returns one result a message",
            "return a list as long as the batch; None in it filters",
            "@batch_stage()\ndef mine(messages):\n    return None",
            "@batch_stage()\ndef mine(messages):\n    return [None for _ in messages]",
        ),
        (
            "E_STAGE_FANOUT",
            "a stage of a ring returns at most one message for each",
            "a list fans out: use a LaneGraph, or return one message",
            _STAGE.format("[message, message]"),
            _STAGE.format("message + message"),
        ),
        (
            "E_STAGE_TABLE",
            "a file that a stage needs is there, whole, and the one that was pinned",
            "check the path, the file's form and its sha256",
            "single_ring.stages.0.key=enrich:/nowhere.csv;key=sku",
            "single_ring.stages.0.key=enrich:/etc/byteor/skus.csv;key=sku",
        ),
        (
            "E_DATAGUARD_REGISTRY",
            "every file of a schema registry is a schema",
            "mend or remove the file; docs/dataguard.md shows a schema",
            "echo junk > schemas/orders.json",
            _GUARD.format("check", ""),
        ),
        (
            "E_DATAGUARD_SCHEMA",
            "the registry has the schema that a stage names, fit for its mode",
            "add the schema's file to the registry",
            _GUARD.format("check", "").replace("placed", "plaecd"),
            _GUARD.format("check", ""),
        ),
        (
            "E_DATAGUARD_VERSION",
            "the schema is at least at the version that a stage asks for",
            "add the newer version's file to the registry, or lower min-version",
            _GUARD.format("check", ";min-version=99"),
            _GUARD.format("check", ";min-version=1"),
        ),
        (
            "E_DATAGUARD_RULE",
            "a rule is about a field that the schema can have",
            "correct the name: a rule about nothing redacts nothing",
            _GUARD.format("redact", ";rules=emial:drop"),
            _GUARD.format("redact", ";rules=email:drop"),
        ),
        (
            "E_DATAGUARD_KEY",
            "hash rules have a key of 16 bytes or more that is ours alone",
            "openssl rand -hex 32 > key; chmod 600 key",
            _GUARD.format("redact", ";rules=email:hash"),
            _GUARD.format("redact", ";rules=email:hash;key-file=key"),
        ),
        (
            "E_STAGE_START",
            "a stage's process starts and says that it is ready",
            "see what the message says; import the module by hand: python -c 'import mine'",
            "import sys; sys.exit(1)  # in mine.py, in the worker only",
            _OWN,
        ),
        (
            "E_WORKER_DIED",
            "a stage's process lives to its end",
            "see dmesg for the kernel's words (out of memory?); start the run again",
            "kill -9 the stage's process",
            _RUN,
        ),
        (
            "E_WORKER_PROTOCOL",
            "a stage's process talks to its run in its own form",
            "let no stage write to file descriptors that it did not open",
            "os.write(3, b'junk')  # in a stage",
            "print('junk', file=sys.stderr)  # in a stage",
        ),
        (
            "E_STAGE_TIMEOUT",
            "a stage comes back, or gives a sign of life, within --stage-timeout",
            "give its calls a timeout, or call context.beat() in long work; --stage-timeout 0 waits for ever",
            _STAGE.format("requests.get(url).content"),
            _STAGE.format("requests.get(url, timeout=1).content"),
        ),
        (
            "E_STAGE_MEMORY",
            "a stage's process has room for what the stage keeps",
            "look for what grows with each message; raise or leave out --stage-memory",
            _STAGE.format("kept.append(message * 1000) or message"),
            _STAGE.format("message"),
        ),
        (
            "E_WORKER_STUCK",
            "a worker stops when told to",
            "a stage waits without end: give its calls a timeout",
            _STAGE.format("requests.get(url).content"),
            _STAGE.format("requests.get(url, timeout=1).content"),
        ),
    )
)
