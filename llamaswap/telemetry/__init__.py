"""What the daemon remembers and shows: log histories and their live readers."""
