from nnfw.plugins import ComponentSpec, hookimpl


@hookimpl
def nnfw_components():
    yield ComponentSpec("activation", "swish", "fake_swish.swish:Swish", "z σ(βz)")
    yield ComponentSpec("layer", "amplify", "fake_swish.amplify:Amplify", "z = factor · a")
