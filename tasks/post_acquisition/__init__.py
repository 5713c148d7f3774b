"""Modules that run after an acquisition; each file is one, and its name is the module's."""
