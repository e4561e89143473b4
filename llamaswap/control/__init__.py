"""The control plane: hypercorn and Quart-Trio on a private Unix socket."""
