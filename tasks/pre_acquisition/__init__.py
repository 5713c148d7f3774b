"""Modules that run before an acquisition; each file is one, and its name is the module's."""
