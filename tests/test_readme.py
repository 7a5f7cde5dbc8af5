"""What the README shows works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

from home import Home

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()


def block(first_line: str) -> str:
    """The fenced block that starts with ``first_line``."""
    found = re.search(rf"```[a-z]*\n({re.escape(first_line)}\n.*?)```", README, re.DOTALL)
    assert found, first_line
    return found[1]


def test_the_stage_of_the_readme_shouts(home: Home) -> None:
    for name in ("shout.py", "shout.plan.kv"):
        (home.root / name).write_text(block(f"# {name}"))
    done = home.byteor(
        "run", home.root / "shout.plan.kv", "--stages", home.root / "shout.py", stdin="hello\n"
    )
    assert (done.returncode, done.stdout) == (0, "HELLO\n")


def test_every_link_of_the_readme_and_of_the_docs_leads_somewhere() -> None:
    root = Path(__file__).resolve().parents[1]
    pages = [root / "README.md", root / "CONTRIBUTING.md", *(root / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
