"""The matrix: its language, compiling it, and which states it allows."""
