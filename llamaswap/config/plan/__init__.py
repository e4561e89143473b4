"""A reload as a plan: what differs, what is kept, and how to say it."""
