"""The console in a browser: an extra, on the loopback, behind a token, read-only unless said otherwise."""
