"""Configurations out of what people have already: folders of GGUF files, the stores of other programs, presets.

Looking (`searching` with a module for each kind of store, `reading` for what a file says of itself) gives a `Harvest`:
candidates, and what was passed over and why. Choosing (`kinds`, `names`, `entries`) and writing (`yamltext`) is pure.
"""
