"""Incident records of this host, newest first, read-only."""

from __future__ import annotations

from byteor_tui.model.evidence import Incidents


class IncidentsTail:
    """Looks at the records once a second."""

    def look(self) -> Incidents:
        """All records that are kept."""
        return Incidents()
