"""What a plugin implements: one protocol for each kind of component.

Components are frozen dataclasses of hyper-parameters. They hold no arrays and no state, so one object serves many
models and threads, and its fields are its configuration. Arrays live in the model's parameter vector and in a
:class:`~nnfw.Workspace`, the memory of one layer during one pass.

Conventions, the same everywhere:

- Examples are rows. A batch is ``(N, n)``; a weight keeps the note's orientation ``(n_out, n_in)``.
- δ is always ∂C/∂z of the cost that is minimised.
- The factor 1/N and the sample weights live in the cost and nowhere else.
- A `Shape` is that of one example, without the batch axis.

Subclass the protocol of your kind: methods with a default may then be left out.

References
----------
A. Mehrotra (2020), *Neural Networks*: the definitions and Equations 1 to 4.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
