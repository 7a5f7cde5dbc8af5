"""Windows of the audit log, read-only: the newest rows, or a page anywhere, each in one short query."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import msgspec

from byteor.errors import ByteorError
from byteor_tui.model.evidence import AuditPage, AuditRow, Comment, Comments
from byteor_tui.model.text import clean, one_line

if TYPE_CHECKING:
    from byteor.acts.comments import Comment as Kept
    from byteor_store import AuditLog, Row

PAGE = 200
NOTABLE, BACK = 500, 5_000


class AuditTail:
    """Looks at the log and remembers the newest page; nothing is read again while the log has not grown.

    For one thread. The log is opened for reading at the first look and stays open; no transaction outlives
    a query.
    """

    def __init__(self) -> None:
        self._log: AuditLog | None = None
        self._page = AuditPage()
        self._notable: list[AuditRow] = []
        self._seqs: set[int] = set()
        self._looked_back = False
        self._commented = ("", 0)
        self._comments = Comments()

    def look(self) -> AuditPage:
        """The newest ``PAGE`` rows. What is wrong with the log stands in ``error``."""
        from byteor_store import AuditLog, audit_path

        path = audit_path()
        if self._log is None and not path.exists():
            return AuditPage()
        try:
            if self._log is None or not path.exists():
                self.close()
                self._log = AuditLog.observe(path)
            size, first_look = self._log.size(), not self._page.rows
            if size != self._page.size or self._page.error:
                fresh = tuple(map(row_of, self._log.rows(last=PAGE)))
                joined = not fresh or fresh[0].seq <= self._page.size
                skipped = self._page.skipped if joined else fresh[0].seq
                self._page = AuditPage(fresh, size, notable=self._before(fresh), skipped=skipped)
            if not self._looked_back and not first_look and self._page.rows:
                self._looked_back = True  # not with the first look: the first paint waits for that
                self._look_back(self._log, self._page.rows[0].seq)
                self._page = msgspec.structs.replace(self._page, notable=self._before(self._page.rows))
        except ByteorError as error:
            self.close()
            self._page = AuditPage((), 0, error=error.message)
        return self._page

    def comments(self, request_id: str) -> Comments:
        """What was said about a request; read again when the log has grown. None where it is unreadable."""
        wanted = (request_id, self._page.size)
        if wanted != self._commented and self._log is not None:
            from byteor.acts.comments import comments_in

            try:
                found = comments_in(self._log, request_id) if request_id else ()
            except ByteorError:  # ``look`` tells it
                return Comments(request_id)
            self._commented = wanted
            self._comments = Comments(request_id, tuple(map(_comment, found)))
        return self._comments

    def _look_back(self, log: AuditLog, first: int) -> None:
        """What people did before the newest page, as far as one short query goes."""
        rows = map(row_of, itertools.islice(log.rows(after=first - 1 - BACK, page=BACK), min(BACK, first)))
        for row in rows:
            self._note(row)
        self._notable = sorted(self._notable, key=lambda row: row.seq)[-NOTABLE:]

    def _before(self, fresh: tuple[AuditRow, ...]) -> tuple[AuditRow, ...]:
        """The notable entries that are older than ``fresh``; those in it are remembered for later."""
        for row in fresh:
            self._note(row)
        self._notable = self._notable[-NOTABLE:]
        first = fresh[0].seq if fresh else 0
        return tuple(row for row in self._notable if row.seq < first)

    def _note(self, row: AuditRow) -> None:
        if not row.action.startswith("effect_") and row.seq not in self._seqs:
            self._seqs.add(row.seq)
            self._notable.append(row)

    def close(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None


def page_before(last: int, count: int = PAGE) -> AuditPage:
    """The ``count`` rows up to and with seq ``last``. Opens the log for this one page."""
    from byteor_store import AuditLog, audit_path

    try:
        with AuditLog.observe(audit_path()) as log:
            size = log.size()
            last = min(last, size - 1)
            found = itertools.islice(log.rows(after=last - count, page=count), min(count, last + 1))
            return AuditPage(tuple(map(row_of, found)), size, tail=last >= size - 1)
    except ByteorError as error:
        return AuditPage((), 0, error=error.message)


def _comment(one: Kept) -> Comment:
    who = clean(one.actor.removeprefix("user:"))
    return Comment(one.audit_seq, one.at_unix_ns, who, one_line(one.text))


def row_of(row: Row) -> AuditRow:
    """``row`` without what could steer a terminal."""
    leaf = row.leaf
    return AuditRow(
        seq=leaf.seq,
        at_unix_ns=int(leaf.ts_unix_ns),
        actor=clean(leaf.actor),
        action=clean(leaf.action),
        env=clean(leaf.env or ""),
        run_id=clean(leaf.run_id or ""),
        spec_hash=clean(leaf.spec_hash or ""),
        decision=clean(leaf.decision or ""),
        rule=clean(leaf.rule or ""),
        kid=clean(leaf.kid or ""),
        approval_id=clean(leaf.approval_id or ""),
        body=clean(row.body.decode("utf-8", "replace")) if row.body is not None else "",
        leaf_hash=row.leaf_hash.hex(),
    )
