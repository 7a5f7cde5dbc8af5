"""Sources and sinks: where messages enter and leave a run."""
