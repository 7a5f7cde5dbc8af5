"""Windows of the audit log, read-only: the newest rows, or a page anywhere, each in one short query."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from byteor.errors import ByteorError
from byteor_tui.model.evidence import AuditPage, AuditRow
from byteor_tui.model.text import clean

if TYPE_CHECKING:
    from byteor_store import AuditLog, Row

PAGE = 200


class AuditTail:
    """Looks at the log and remembers the newest page; nothing is read again while the log has not grown.

    For one thread. The log is opened for reading at the first look and stays open; no transaction outlives
    a query.
    """

    def __init__(self) -> None:
        self._log: AuditLog | None = None
        self._page = AuditPage()

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
            size = self._log.size()
            if size != self._page.size or self._page.error:
                fresh = tuple(map(row_of, self._log.rows(last=PAGE)))
                self._page = AuditPage(fresh, size)
        except ByteorError as error:
            self.close()
            self._page = AuditPage((), 0, error=error.message)
        return self._page

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
