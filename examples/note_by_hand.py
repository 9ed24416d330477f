"""The note's equations by hand, on a network with two inputs, two hidden sigmoid neurons and one output.

Run it with: python examples/note_by_hand.py
"""

import numpy as np

import nnfw
from nnfw_standard import Dense

np.set_printoptions(precision=6, suppress=True)

model = nnfw.Sequential(
    [Dense(2, activation="sigmoid"), Dense(1, activation="sigmoid")], input_shape=(2,), dtype="float64"
)
model.parameters["layers.0.weight"] = [[0.15, 0.20], [0.25, 0.30]]  # w^1: row j holds the weights into neuron j
model.parameters["layers.0.bias"] = [0.35, 0.35]
model.parameters["layers.1.weight"] = [[0.40, 0.45]]
model.parameters["layers.1.bias"] = [0.60]

x, y = np.array([[0.05, 0.10]]), np.array([[0.01]])
trace = model.trace(x, y, cost="mse")

print("Forward propagation: z^l = w^l a^(l-1) + b^l and a^l = σ(z^l)")
print("  a^0 =", trace.x[0])
for number, layer in enumerate(trace.layers, start=1):
    print(f"  z^{number} =", layer.z[0])
    print(f"  a^{number} =", layer.a[0])
print("The cost: C = 1/2 ‖a^L − y‖² =", round(trace.cost, 9))

(hidden, output), w2 = trace.layers, model.parameters["layers.1.weight"]
a0, a1, a2 = trace.x[0], hidden.a[0], output.a[0]

print("Equation 1: δ^L = ∇_a C ⊙ σ'(z^L)")
print("  by hand ", (a2 - y[0]) * a2 * (1 - a2))
print("  by nnfw ", output.delta[0])
print("Equation 2: δ^1 = ((w^2)^T δ^2) ⊙ σ'(z^1)")
print("  by hand ", (w2.T @ output.delta[0]) * a1 * (1 - a1))
print("  by nnfw ", hidden.delta[0])
print("Equation 3: ∂C/∂b^1 = δ^1")
print("  by nnfw ", hidden.grad_bias)
print("Equation 4: ∂C/∂w^1 = δ^1 (a^0)^T")
print("  by hand ", np.outer(hidden.delta[0], a0).tolist())
print("  by nnfw ", hidden.grad_weight.tolist())

before = trace.cost
model.fit(x, y, cost="mse", optimizer=nnfw.optimizer("sgd", learning_rate=0.5), epochs=100)
after = model.evaluate(x, y, cost="mse")["cost"]
print(f"After 100 steps of gradient descent the cost is {after:.3e}; it was {before:.3e}.")
