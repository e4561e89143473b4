"""The table of keys, and what is derived from it as a whole."""
