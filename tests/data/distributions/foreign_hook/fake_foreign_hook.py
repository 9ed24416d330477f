from nnfw.plugins import hookimpl


@hookimpl
def list_components():
    return []
