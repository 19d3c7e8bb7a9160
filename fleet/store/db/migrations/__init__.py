"""Alembic's migrations of the store. Their numbers count upwards, and `fleet.store.db.schema.NEWEST` names the
last."""
