"""Pages for people: what servers there are, what their tools do, what waits for a reviewer, and a way to try a tool."""
