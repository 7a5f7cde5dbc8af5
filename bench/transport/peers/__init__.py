"""What a Python user would take instead, in interpreters that have it. Only the standard library here."""
