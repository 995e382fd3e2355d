"""Virtual servers: many servers behind one URL, each asked for whoever calls."""
