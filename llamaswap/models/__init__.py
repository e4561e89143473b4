"""Model servers: one life from spawn to the end of its last process, under a guard."""
