"""Virtual servers, as far as they are pure: names, and what a list holds."""
