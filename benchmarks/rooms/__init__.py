"""Measurements of live rooms."""
