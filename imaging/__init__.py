"""Arrays in, arrays out: PS-OCT reconstruction, readers and writers, simulators. No state, no events, no Prefect."""
