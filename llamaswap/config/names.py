"""The identifiers that every room uses."""

from typing import NewType

#: A key of ``models:``, after resolution of aliases.
ModelId = NewType("ModelId", str)
