"""What servers offer, as this node knows it: what is open, and what waits to be written down."""
