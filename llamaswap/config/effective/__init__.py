"""The configuration as it holds, written out again."""
