"""What a source may forget, and what a run remembers of it meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

from byteor.runtime.edges import MOST_WAITING, Commits, Departed


class Counted:
    """A source whose position is how many messages it gave."""

    name = "counted"
    given = 0
    committed: int | None = None

    def checkpoint(self) -> object:
        return self.given

    def commit(self, position: object) -> None:
        assert isinstance(position, int)
        self.committed = position

    def read(self, count: int, timeout_s: float) -> Sequence[bytes] | None:
        return None

    def close(self) -> None:
        pass


def test_a_run_that_commits_late_remembers_a_bounded_number_of_positions() -> None:
    source, departed = Counted(), Departed(sinks=1)
    commits = Commits(source, departed)  # type: ignore[arg-type]
    for ticket in range(1, 20 * MOST_WAITING):
        source.given = ticket
        commits.took(ticket)
        assert len(commits._waiting) <= MOST_WAITING
    assert commits.settle() is False
    assert source.committed is None, "nothing has left"

    departed.flushed(0, 10 * MOST_WAITING)
    commits.settle()
    assert source.committed is not None
    assert 9.9 * MOST_WAITING < source.committed <= 10 * MOST_WAITING, "coarser, never ahead of what has left"

    departed.finished(0)
    assert commits.settle() is True
    assert source.committed == 20 * MOST_WAITING - 1, "the newest position is always kept"
