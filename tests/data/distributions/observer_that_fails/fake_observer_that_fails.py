from nnfw.plugins import hookimpl


@hookimpl
def nnfw_epoch_ended(record):
    raise ConnectionError("the server is down")
