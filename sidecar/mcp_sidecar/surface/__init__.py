"""What servers offer: looks at them, what is open and what waits, review, alerts, the snapshot and the lock file."""
