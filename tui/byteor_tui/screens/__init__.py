"""One module and one stylesheet a screen: composition and handlers, no figures of their own."""
