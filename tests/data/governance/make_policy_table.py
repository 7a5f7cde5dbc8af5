"""Write policy_table.csv from the prose of the decision table, without the code that it tests.

Written the other way round than the program: not "first rule that holds", but cases told apart by what the
operator would ask first. Run it only when the table of the design changes: python make_policy_table.py
"""

from __future__ import annotations

import csv
from pathlib import Path

HEAD = [
    "posture",
    "replay_policy",
    "side_effect_policy",
    "side_effecting",
    "dry_run",
    "approved",
    "replay",
    "decision",
    "rule",
]


def expected(
    replay_policy: str, effects: str, acts: str, dry: str, approved: str, replay: str
) -> tuple[str, str]:
    if replay == "yes" and replay_policy == "disabled":
        return "Deny", "replay-disabled"
    if acts == "no":
        return "Allow", "no-side-effect"
    only_record = {
        "yes": "dry-run",
        "no": "replay-dry-run-only" if (replay, replay_policy) == ("yes", "dry_run_only") else "",
    }[dry]
    answers = {
        "deny_all": ("Deny", "deny-all"),
        "allow_all": ("Allow", "allow-all"),
        "require_approval": ("Allow", "approved")
        if approved == "yes"
        else ("RequireApproval", "approval-required"),
    }
    if effects != "deny_all" and only_record:
        return "DryRunOnly", only_record
    return answers[effects]


def main() -> None:
    rows = []
    for posture in ("dev", "staging", "prod"):
        for replay_policy in ("disabled", "dry_run_only", "allowed"):
            for effects in ("deny_all", "allow_all", "require_approval"):
                for number in range(16):
                    acts, dry, approved, replay = (
                        "yes" if number >> bit & 1 else "no" for bit in (3, 2, 1, 0)
                    )
                    answer = expected(replay_policy, effects, acts, dry, approved, replay)
                    rows.append((posture, replay_policy, effects, acts, dry, approved, replay, *answer))
    with Path(__file__).with_name("policy_table.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEAD)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
