"""Command lines: splitting them, and slips in them."""
