"""Gatehouse, a validation gateway for FastAPI, with the Node.js that it runs on.

The command is ``gatehouse``, or ``python -m gatehouse_gateway``.
"""
