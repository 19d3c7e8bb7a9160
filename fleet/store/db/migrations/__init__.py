"""Alembic's migrations of the store; they count upwards, and `fleet.store.db.schema.NEWEST` names the last."""
