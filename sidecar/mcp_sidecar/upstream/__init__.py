"""The way to servers: requests through Kong's internal route, and their answers read within bounds."""
