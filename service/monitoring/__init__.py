"""Seeing inside: how long each step of a turn takes, what went wrong, whether the service can be relied on."""
