"""One ASGI service: the inspect lane, and all that is known of what servers offer."""
