"""Who may run what, where, and how it is proved: policy, credentials, quorum.

Decisions are functions of values: nothing in here reads a clock, and only ``environment_file``,
``private_key`` and ``trust`` touch the disk.
"""
