"""A third-party distribution as it should be: importing it imports no component."""
