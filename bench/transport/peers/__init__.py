"""What a Python user would take instead, each in an interpreter that has it. Only the standard library here."""
