"""Governed actions: stages that forward their input unchanged and act on the side, audited before and after.

Found like anybody's stages, by entry point; nothing below imports this package.
"""
