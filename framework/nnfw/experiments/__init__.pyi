from . import toml as toml
