"""Codes of the audit log (``byteor_store``)."""

from __future__ import annotations

from byteor.cli.codes.row import Row

_VERIFY = "byteor audit verify"
_EDITED = "byteor audit verify audit.db (after somebody {} with sqlite3)"

ROWS = tuple(
    Row("audit", *rest)
    for rest in (
        (
            "E_AUDIT_NOT_FOUND",
            "there is an audit log",
            "it begins with the first run; BYTEOR_STATE_DIR names another place",
            "byteor audit verify nowhere.db",
            _VERIFY,
        ),
        (
            "E_AUDIT_UNREADABLE",
            "an audit log is a sound database of ours",
            "restore it from a copy; keep the damaged file as evidence",
            "echo junk > junk.db; byteor audit verify junk.db",
            _VERIFY,
        ),
        (
            "E_AUDIT_VERSION",
            "this program knows the shape of the log",
            "use the newer byteor; an audit log is never converted back",
            "byteor audit verify (an older byteor on a newer log)",
            _VERIFY,
        ),
        (
            "E_SQLITE_VERSION",
            "SQLite is one that keeps a shared log whole",
            "install the newest apsw from its wheel",
            "pip install --no-binary apsw apsw (against an old SQLite)",
            "pip install apsw",
        ),
        (
            "E_AUDIT_BUSY",
            "no other process locks the log for long",
            "look for a process that holds it: fuser -v audit.db",
            "sqlite3 audit.db 'begin exclusive' (left open)",
            _VERIFY,
        ),
        (
            "E_AUDIT_WRITE",
            "the log can be written; nothing acts that cannot be recorded",
            "check the disk's space and that the folder is yours and writable",
            "byteor audit checkpoint (on a full disk)",
            "byteor audit checkpoint",
        ),
        (
            "E_AUDIT_BODY",
            "a record has an RFC 8785 text",
            "write whole numbers beyond 2^53-1 as decimal strings",
            'body={"count": 9007199254740993}',
            'body={"count": "9007199254740993"}',
        ),
        (
            "E_AUDIT_ENTRY",
            "the entry exists",
            "`byteor audit log` lists the entries",
            "byteor audit prove --entry 999999999",
            "byteor audit prove --entry 0",
        ),
        (
            "E_AUDIT_KEY",
            "the log's key is a sound Ed25519 key of yours",
            "restore the key beside the log, or give the public key as it was printed",
            "byteor audit verify-proof proof.json --key abc",
            "byteor audit verify-proof proof.json --key KEY (43 characters, from its owner)",
        ),
        (
            "E_LEAF_HASH",
            "an entry is what was written",
            "somebody changed it: keep the file, compare with a witness",
            _EDITED.format("changed a leaf"),
            _VERIFY,
        ),
        (
            "E_SEQ_GAP",
            "entries follow each other without a gap",
            "somebody removed one: keep the file, compare with a witness",
            _EDITED.format("deleted entry 1 of 9"),
            _VERIFY,
        ),
        (
            "E_TRUNCATED",
            "the log holds as many entries as it counts",
            "somebody cut it: keep the file, compare with a witness",
            _EDITED.format("deleted the last entries"),
            _VERIFY,
        ),
        (
            "E_ROLLBACK",
            "the log holds all that a checkpoint counts",
            "an older copy was put back: find the newer one",
            "cp old-audit.db audit.db; byteor audit verify --witness SIZE:ROOT",
            "byteor audit verify --witness SIZE:ROOT",
        ),
        (
            "E_ROOT",
            "the entries give the root that the log and its witnesses keep",
            "the log was rewritten: keep the file, compare with a witness",
            "byteor audit verify --witness 5:0000... (of another log)",
            "byteor audit verify --witness SIZE:ROOT (as checkpoint printed it)",
        ),
        (
            "E_RESTORED",
            "a witness has seen no entry that is gone",
            "compare with the log that byteor audit restore moved aside; then byteor audit cosign --restored",
            "byteor audit restore backup.db; byteor audit verify --witness SIZE:ROOT (of before)",
            "byteor audit verify --witness SIZE:ROOT (of the copy)",
        ),
        (
            "E_AUDIT_RESTORE",
            "a copy that is put back is intact, and nothing runs meanwhile",
            "take another copy; stop what runs: byteor ps",
            "byteor audit restore tampered.db",
            "byteor audit restore backup.db",
        ),
        (
            "E_AUDIT_EXISTS",
            "a copy overwrites nothing",
            "name another file",
            "byteor audit backup -o backup.db (which exists)",
            "byteor audit backup -o backup-2.db",
        ),
        (
            "E_CHECKPOINT_SIG",
            "a checkpoint is signed by the log's key",
            "ask for a new checkpoint, and for the log's public key",
            "byteor audit verify-proof proof.json (of an unsigned tree)",
            "byteor audit checkpoint; byteor audit prove --entry 0 -o proof.json",
        ),
        (
            "E_PROOF",
            "a proof has its form, and leads to the root that it names",
            "have it made again: byteor audit prove",
            "echo '{}' > proof.json; byteor audit verify-proof proof.json",
            "byteor audit prove --entry 0 -o proof.json; byteor audit verify-proof proof.json",
        ),
        (
            "E_UNWITNESSED",
            "a witness agrees, where one is required",
            "give a size and root that you noted elsewhere: --witness SIZE:ROOT",
            "byteor audit verify --require-witness",
            "byteor audit verify --require-witness --witness SIZE:ROOT",
        ),
    )
)
