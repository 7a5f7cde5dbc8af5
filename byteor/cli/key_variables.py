"""A key is named to a verb by two options. Variables name one to the console, and no verb reads them."""

from __future__ import annotations

import os
from collections.abc import Mapping

BOTH = "--kid KID --key-file PEM"
VARIABLES = ("BYTEOR_KID", "BYTEOR_KEY_FILE")


def unread_variables(environ: Mapping[str, str] = os.environ) -> str:
    """What to say to somebody whose key stands in variables; empty when it does not."""
    found = [name for name in VARIABLES if environ.get(name)]
    if not found:
        return ""
    return f"{' and '.join(found)} {'is' if len(found) == 1 else 'are'} read by byteor-console alone"


def how_to_sign(environ: Mapping[str, str] = os.environ) -> str:
    """The hint for a signature whose key was not named, or by half."""
    return "; ".join(filter(None, (f"give both: {BOTH}", unread_variables(environ))))
