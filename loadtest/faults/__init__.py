"""`make chaos`: faults in a server of its own, and what its clients see."""
