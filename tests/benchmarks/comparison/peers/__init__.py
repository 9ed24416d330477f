"""The libraries that are compared, a module for each; a library is imported when its network is made."""
