"""llama.cpp's own HTTP server in one process, from PyPI's wheels: what the default configuration runs as its models."""
