"""Bringing a server in: a look that reaches no further than it may, what a reviewer must decide, and a Git change."""
