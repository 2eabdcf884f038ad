"""Meter files: from the inbox through the queue into the warehouse, each file once."""
