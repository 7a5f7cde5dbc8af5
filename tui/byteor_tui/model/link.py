"""Deep links: a place of the console as one word that can be mailed, and back. ``byteor-console go LINK``."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import msgspec

from byteor.errors import ByteorError, Exit

SCHEME = "byteor"


class Place(msgspec.Struct, frozen=True):
    """Where somebody looks. ``item`` is the id under the cursor; ``at_unix_ns`` is 0 when live.

    ``record`` counts in the recording that is gone through: several records can have arrived at one time.
    ``request`` is the request whose two specs Diff shows.
    """

    screen: str = "overview"
    run: str = ""
    item: str = ""
    at_unix_ns: int = 0
    record: int = -1
    request: str = ""


def link_of(place: Place) -> str:
    """``byteor://RUN/SCREEN?item=..&at=..&record=..&request=..``; a place without a run has ``-`` there."""
    query = {}
    if place.item:
        query["item"] = place.item
    if place.at_unix_ns:
        query["at"] = str(place.at_unix_ns)
    if place.record >= 0:
        query["record"] = str(place.record)
    if place.request:
        query["request"] = place.request
    tail = f"?{urlencode(query)}" if query else ""
    return f"{SCHEME}://{quote(place.run or '-', safe='')}/{place.screen}{tail}"


def place_of(link: str, screens: tuple[str, ...]) -> Place:
    """The place that ``link`` names. Raises ``E_LINK`` (exit 2)."""
    try:
        parts = urlsplit(link.strip())
        query = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        at, record = int(query.get("at", "0")), int(query.get("record", "-1"))
    except ValueError as error:
        raise _bad(link, str(error)) from None
    screen = parts.path.strip("/") or "overview"
    if parts.scheme != SCHEME or screen not in screens or set(query) - {"item", "at", "record", "request"}:
        raise _bad(link, f"byteor://RUN/SCREEN with one of {', '.join(screens)}")
    run = unquote(parts.netloc)
    return Place(
        screen, "" if run == "-" else run, query.get("item", ""), at, record, query.get("request", "")
    )


def _bad(link: str, why: str) -> ByteorError:
    return ByteorError(
        "E_LINK", f"{link!r} is no link to a place: {why}", hint="Y copies one", exit=Exit.USAGE
    )
