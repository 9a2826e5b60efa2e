"""`make chaos`: faults injected into a server of its own while two clients ask it."""
