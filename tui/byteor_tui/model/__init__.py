"""What the console knows of a run: values and the thread that collects them. Imports no Textual."""
