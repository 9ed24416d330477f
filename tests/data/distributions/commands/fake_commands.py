from nnfw.plugins import CommandSpec, hookimpl


@hookimpl
def nnfw_commands():
    return [CommandSpec("plot-cost", "fake_commands_plot:plot", "draw the cost of a run")]
