"""The collector: Kong's log records in, metrics, usage and audit out."""
