"""An incident's evidence as one directory or one zip: its members, manifest, signature, safe reading."""
