"""Pins: the approved digest of every item of a surface, what a change of one weighs, and what may be used now."""
