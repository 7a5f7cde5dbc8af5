"""The demo in the middle of an incident, for pictures: what people would have done by then."""

from __future__ import annotations

import contextlib
import time

from byteor.errors import ByteorError
from byteor_tui.actions import commands
from byteor_tui.actions.verbs import run_verb
from byteor_tui.demo import SPEC_NAME, Demo

SCENE_S = 4.0


def set_scene(found: Demo, env: str, after_s: float) -> None:
    """A while of life, mark, snapshot, bundle, dry run, a request with a comment, handover, a changed spec.

    What fails is left out: a picture of less is still a picture.
    """
    time.sleep(after_s)
    run = found.run.run_id
    with contextlib.suppress(ByteorError):
        run_verb(commands.mark("traffic doubled", run, time.time_ns()))
        run_verb(commands.snapshot(run, time.time_ns(), commands.evidence_folder("snapshots")))
        run_verb(commands.bundle(run))
        replay = commands.dry_run(run, env, time.time_ns(), commands.evidence_folder("replays"))
        done = run_verb(replay)
        certificate = str(done.document.get("certificate_path", ""))
        plan = found.root / SPEC_NAME
        why, stages = "resend what was lost", ("byteor_tui.demo_stage",)
        asked = run_verb(commands.request(str(plan), env, "replay_execute", why, certificate, stages))
        if asked.ok:
            run_verb(
                commands.comment("does the receiver drop what it has?", str(asked.document["request_id"]))
            )
        text = found.root / "handover.txt"
        text.write_text("alert posts fail since 12:03; a request waits for two of sre\n")
        run_verb(commands.handover(text))
        plan.write_text(plan.read_text().replace("zscore:120,4.0", "zscore:300,3.5"))
