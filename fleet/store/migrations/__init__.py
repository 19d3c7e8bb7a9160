"""Alembic's migrations of the store; they count upwards, and `fleet.store.schema.NEWEST` names the last."""
