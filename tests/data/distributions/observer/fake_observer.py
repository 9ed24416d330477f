from nnfw.plugins import hookimpl

CALLS = []


@hookimpl
def nnfw_run_started(directory, experiment):
    CALLS.append(("run_started", directory, experiment))


@hookimpl
def nnfw_epoch_ended(record):
    CALLS.append(("epoch_ended", record))


@hookimpl
def nnfw_run_ended():
    CALLS.append(("run_ended",))
