"""One record of every server, joined with what is known of it, and the registry that clients read."""
