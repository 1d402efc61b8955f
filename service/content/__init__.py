"""The guide's data: read from ``prompts/``, checked, built into a ``core.model.Guide``, watched."""
