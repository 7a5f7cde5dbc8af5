"""The pure-Python twin of the kernel: the same calls over the same bytes, for machines without a compiler."""
