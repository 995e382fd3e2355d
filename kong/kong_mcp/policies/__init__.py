"""Know before you change: which rule decides over one item, and what a change of policies does to whom."""
