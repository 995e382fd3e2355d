"""The inspect lane: a verified request out, its answer back as far as the caller may see it."""
