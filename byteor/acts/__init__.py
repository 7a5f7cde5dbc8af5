"""What an operator does, as functions: the layers below joined, each act with its audit row.

The command line and the console call the same acts, so that both leave the same trace.
"""
