"""The store: every version of every item that servers ever sent, and who decided what about it."""
