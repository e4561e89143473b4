"""From files to one tree of nodes with places: YAML, merging, environment, macros; and what is wrong on the way."""
