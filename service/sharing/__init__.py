"""Sharing: what several processes have in common, over Redis or Valkey; in the process's own memory without one."""
