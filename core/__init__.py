"""What every room shares: settings, identifiers, events, configuration models, files. No Prefect, no state."""
