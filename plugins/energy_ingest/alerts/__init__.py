"""Alerts without input or output: what is wrong, when people are told of it, and in which words."""
