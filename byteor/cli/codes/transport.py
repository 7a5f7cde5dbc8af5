"""Codes of the transport (``byteor.indexbus``). Hints are the transport's own."""

from __future__ import annotations

from byteor.cli.codes.row import Row
from byteor.indexbus.errors import CODES

_LANE = "lane = Events.create(path, capacity=8, slot_bytes=64)"
_ROWS = (
    (
        "E_REGION_MISSING",
        "the region's file exists",
        "byteor region inspect /dev/shm/nothing",
        "byteor region ls",
    ),
    ("E_REGION_EXISTS", "a new region has a name of its own", f"{_LANE}\n{_LANE}", _LANE),
    (
        "E_REGION_FILE",
        "a region is a regular file of yours, closed to group and world",
        "chmod 644 demo.region; byteor region inspect demo.region",
        "chmod 600 demo.region; byteor region inspect demo.region",
    ),
    (
        "E_REGION_LENGTH",
        "a region is at least as long as its header",
        "truncate -s 10 demo.region; byteor region inspect demo.region",
        "byteor region inspect demo.region",
    ),
    (
        "E_REGION_MAGIC",
        "a region starts with IBUS",
        "byteor region inspect notes.txt",
        "byteor region inspect demo.region",
    ),
    (
        "E_REGION_VERSION",
        "a region has the version that this build reads",
        "byteor region inspect demo.region (made by another version)",
        "byteor run demo.spec.kv (makes its regions anew)",
    ),
    (
        "E_REGION_KIND",
        "a region is opened as the kind that it is",
        "byteor region dump state.region (a state cell has no slots)",
        "byteor region inspect state.region",
    ),
    (
        "E_REGION_CAPABILITIES",
        "a region's capability bits are known to this build",
        "byteor region inspect demo.region (made by a newer version)",
        "byteor run demo.spec.kv (makes its regions anew)",
    ),
    (
        "E_REGION_LAYOUT",
        "a region's length is what its header says",
        "truncate -s -64 demo.region; byteor region inspect demo.region",
        "byteor region inspect demo.region",
    ),
    (
        "E_REGION_GEOMETRY",
        "a region's header agrees with itself",
        "byteor region inspect demo.region (its capacity was overwritten with 1000)",
        "byteor region inspect demo.region",
    ),
    (
        "E_REGION_INIT",
        "a region's creator finished it",
        "kill -9 the creator half-way; byteor region inspect demo.region",
        "byteor gc, and start the run again",
    ),
    (
        "E_REGION_STALE",
        "an open region is still the file of its name",
        "rm demo.region; create it again; use the old handle",
        "close the old handle; open demo.region again",
    ),
    (
        "E_REGION_GONE",
        "a region keeps its length while it is open",
        "truncate -s 0 demo.region, while a run uses it",
        "byteor stop NAME; byteor gc",
    ),
    (
        "E_SHM_SPACE",
        "there is room for the region",
        "single_ring.capacity=1048576 and slot_bytes=65536 on a small /dev/shm",
        "single_ring.capacity=1024 and slot_bytes=256",
    ),
    (
        "E_JOURNAL_SYNC",
        "the journal's disk takes what is written",
        "byteor run demo.spec.kv (captures to a disk that went read-only)",
        "byteor run demo.spec.kv (with a state folder on a healthy disk)",
    ),
    (
        "E_GEOMETRY",
        "capacity, slot size and roles are in range",
        "Events.create(path, capacity=1000, slot_bytes=64)",
        "Events.create(path, capacity=1024, slot_bytes=64)",
    ),
    (
        "E_ROLE_TAKEN",
        "a role has one live handle",
        "a = lane.producer()\nb = lane.producer()",
        "a = lane.producer()\na.close()\nb = lane.producer()",
    ),
    (
        "E_ROLE",
        "a role exists in its lane",
        "lane.producer(5)  # of one producer",
        "lane.producer(0)",
    ),
    (
        "E_FORKED",
        "a handle is used by the process that opened it",
        "producer = lane.producer()\nos.fork()  # the child publishes with it",
        "os.fork()  # the child opens the lane and takes its own handle",
    ),
    (
        "E_CLOSED",
        "a handle is open while it is used",
        "producer.close()\nproducer.publish(b'x')",
        "producer.publish(b'x')\nproducer.close()",
    ),
    (
        "E_OVERSIZE",
        "a message fits its slot",
        "byteor run demo.spec.kv --source generate:1,4096 --sink null: (slot_bytes=256)",
        "byteor run demo.spec.kv --source generate:1,256 --sink null: (slot_bytes=256)",
    ),
    (
        "E_VALUE",
        "the arguments of a call are in range",
        "consumer.receive_many(0)",
        "consumer.receive_many(16)",
    ),
    (
        "E_VIEW_HELD",
        "no view points into a batch that is given back",
        "view = batch.view(0)\nconsumer.advance(1)",
        "view = batch.view(0)\nview.release()\nconsumer.advance(1)",
    ),
    (
        "E_BATCH_PASSED",
        "a batch is read before the next one is asked for",
        "kept = [batch for batch in consumer.batches()]\nkept[0][0]",
        "kept = [bytes(view) for batch in consumer.batches() for view in batch]",
    ),
    (
        "E_PEER_DEAD",
        "the processes of a lane live",
        "kill -9 a stage's process of a run",
        "byteor stop NAME",
    ),
    ("E_ABORTED", "nobody aborted the stream", "lane.abort()\nconsumer.receive()", "consumer.receive()"),
    (
        "E_CORRUPT",
        "only the lane's handles write to its memory",
        "dd if=/dev/urandom of=demo.region conv=notrunc, while a run uses it",
        "byteor region watch demo.region (only looks)",
    ),
    (
        "E_OVERRUN",
        "a journal's reader keeps up with its window",
        "read 1 record while more than the window is appended",
        "read in a loop, or make the window larger",
    ),
    (
        "E_BUSY",
        "a reader finds a quiet moment",
        "cell.read(timeout_s=0.0)  # while a writer never pauses",
        "cell.read(timeout_s=1.0)",
    ),
    (
        "E_UNSUPPORTED",
        "the kernel that was asked for is there",
        "BYTEOR_KERNEL=native byteor run demo.spec.kv --source generate:1,8 --sink null: (no C kernel here)",
        "BYTEOR_KERNEL=pure byteor run demo.spec.kv --source generate:1,8 --sink null:",
    ),
)

ROWS = tuple(Row("transport", code, rule, CODES[code][1], bad, good) for code, rule, bad, good in _ROWS)
