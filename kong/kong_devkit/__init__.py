"""A small stand-in for Kong Gateway, for trying and testing Python plugins: same files, same plugin protocol."""
