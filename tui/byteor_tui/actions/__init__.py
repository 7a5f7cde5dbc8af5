"""What an operator can do, as a table, and the one way to run a verb of the command line."""
