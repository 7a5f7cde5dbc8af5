"""Codes of governed runs and of actions with side effects."""

from __future__ import annotations

from byteor.cli.codes.row import Row

_RUN = "byteor run alerting.plan.kv --env prod"
_REQUEST = "byteor approval request alerting.plan.kv --env prod --reason 'ticket 4711'"

ROWS = tuple(
    Row("actions", *rest)
    for rest in (
        (
            "E_POLICY_DENIED",
            "policy allows every capability of the run",
            "byteor policy explain names the rule and the smallest change that leads to Allow",
            "byteor run alerting.plan.kv (in the built-in dev, which denies every side effect)",
            "byteor run alerting.plan.kv --dry-effects",
        ),
        (
            "E_APPROVAL_REQUIRED",
            "an environment that wants approvals was given one",
            "ask for it, then run with --approval ID or --credential FILE",
            _RUN,
            f"{_REQUEST}; {_RUN} --approval ID",
        ),
        (
            "E_ENVIRONMENT_UNTRUSTED",
            "a staging or prod environment comes from a file that the asker cannot write",
            "put it into /etc/byteor/byteor.toml, or sign it: byteor env sign",
            f"{_RUN} --environments mine.toml",
            f"{_RUN} --environments mine.toml --dry-effects",
        ),
        (
            "E_ACTION_NOT_LISTED",
            "the environment lists the URL or program",
            "list it under [environments.NAME.actions] in byteor.toml",
            "a stage exec:/usr/bin/notify where exec = []",
            'exec = ["/usr/bin/notify"]',
        ),
        (
            "E_ACTION_UNGOVERNED",
            "an action stage was handed a decision that covers it",
            "run it with byteor run, which asks policy",
            "resolve('http_post:https://alerts.example').opened(Context()) in a program of your own",
            "byteor run alerting.plan.kv --env prod --approval ID",
        ),
        (
            "E_ACTION_FAILED",
            "the act was done",
            "mend the other side, then run on from this message; its Idempotency-Key is the same",
            "a stage http_post:https://alerts.example/gone (which answers 404)",
            "a stage http_post:https://alerts.example/hook",
        ),
        (
            "E_ACTION_REVOKED",
            "the run's approval was not revoked while it runs",
            "byteor approval request asks for a new one",
            "byteor approval revoke REQUEST ... (while its run acts)",
            "let the run end, or revoke it on purpose",
        ),
        (
            "E_ACTION_EXPIRED",
            "the run's approval has not expired while it runs",
            "ask for an approval that lasts longer: --use-hours",
            f"{_REQUEST} --use-hours 1; a run of two hours",
            f"{_REQUEST} --use-hours 8",
        ),
        (
            "E_ACTION_HELD",
            "a run is not stopped while a freeze holds its actions",
            "lift the freeze, then run on from this message",
            "byteor freeze --env prod ...; byteor stop RUN",
            "byteor unfreeze --env prod ... (two people)",
        ),
        (
            "E_GATE",
            "a gate cell is a file of 64 bytes that only its owner can write",
            "remove it when nothing runs; the next run makes it again",
            "echo > $BYTEOR_STATE_DIR/gates/environment-....gate",
            "rm $BYTEOR_STATE_DIR/gates/environment-....gate",
        ),
    )
)
