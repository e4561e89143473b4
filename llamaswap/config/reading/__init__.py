"""Typed values from nodes."""
