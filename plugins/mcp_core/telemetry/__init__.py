"""What the collector makes of Kong's log records: pure, as all of the core."""
