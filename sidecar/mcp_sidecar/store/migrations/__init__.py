"""Alembic's folder: env.py is its way in, versions/ holds one step a file."""
