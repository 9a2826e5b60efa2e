"""New versions of a model beside the running one: registered, gated, promoted, drained, scaled, and remembered."""
