"""The benchmark room: candidates side by side in one run, on 127.0.0.1 only, and their figures as ratios."""
