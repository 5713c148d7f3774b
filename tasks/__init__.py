"""One step each: thin Prefect tasks over the domain folders."""
