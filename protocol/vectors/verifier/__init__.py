"""The parts of verify.py: what docs/protocol.md says, in plain Python. Shares nothing with the rest of the project."""
