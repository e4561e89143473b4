"""Configuration: text in, frozen values (or every problem at once) out. Pure but for the files it reads."""
