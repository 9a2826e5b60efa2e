"""Versions of a model on a running server: registering, gates, promotion, rollback, scaling, removal."""
