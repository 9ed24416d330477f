"""The hooks of the standard components. Importing this module imports neither them nor NumPy."""

from collections.abc import Iterator
from typing import Any

from nnfw.plugins import ComponentSpec, OperationSpec, TableReaderSpec, hookimpl

# kind: {name: (target below nnfw_standard, summary)}
COMPONENTS: dict[str, dict[str, tuple[str, str]]] = {
    "layer": {
        "dense": ("layers.dense:Dense", "z = a w^T + b"),
        "activation": ("layers.activation:ActivationLayer", "an activation on its own: z = a_prev"),
        "flatten": ("layers.reshaping:Flatten", "merges all axes of an example"),
        "reshape": ("layers.reshaping:Reshape", "gives an example another shape"),
        "dropout": ("layers.dropout:Dropout", "z = a ⊙ mask / (1 − rate) in training, z = a otherwise"),
        "spatial_dropout": ("layers.dropout:SpatialDropout", "dropout of whole channels"),
        "embedding": ("layers.embedding:Embedding", "z = the row of w of each index"),
        "batch_norm": ("layers.normalization:BatchNorm", "γ (a − μ) / √(v + ε) + β over the batch, per channel"),
        "layer_norm": ("layers.normalization:LayerNorm", "mean 0 and size 1 over the features of an example"),
        "rms_norm": ("layers.normalization:RMSNorm", "size 1 over the features of an example"),
        "group_norm": ("layers.normalization:GroupNorm", "mean 0 and size 1 over groups of channels"),
        "instance_norm": ("layers.normalization:InstanceNorm", "mean 0 and size 1 over the places of a channel"),
        "simple_rnn": ("layers.recurrent:SimpleRNN", "h_t = tanh(w a_t + u h_(t-1) + b)"),
        "lstm": ("layers.recurrent:LSTM", "long short-term memory, c_t = f ⊙ c_(t-1) + i ⊙ g, h_t = o ⊙ tanh c_t"),
        "gru": ("layers.recurrent:GRU", "gated recurrent unit, h_t = (1 − u) ⊙ n + u ⊙ h_(t-1)"),
        "conv2d": ("layers.convolution:Conv2D", "z = w ∗ a + b, the same weights at every place of an image"),
        "conv_transpose2d": (
            "layers.convolution:ConvTranspose2D",
            "the way back of a convolution as a layer: larger images from smaller ones",
        ),
        "conv1d": ("layers.over_time:Conv1D", "z = w ∗ a + b, the same weights at every place of a sequence"),
        "causal_conv1d": ("layers.over_time:CausalConv1D", "conv1d that sees only what came before"),
        "max_pool1d": ("layers.over_time:MaxPool1D", "largest value of each window of time steps"),
        "avg_pool1d": ("layers.over_time:AvgPool1D", "mean of each window of time steps"),
        "max_pool2d": ("layers.pooling:MaxPool2D", "largest pixel of each window"),
        "avg_pool2d": ("layers.pooling:AvgPool2D", "mean of each window"),
        "global_avg_pool": ("layers.pooling:GlobalAvgPool", "mean of each channel over the image"),
        "global_max_pool": ("layers.pooling:GlobalMaxPool", "largest pixel of each channel"),
        "upsample": ("layers.resizing:Upsample", "every pixel several times"),
        "zero_pad": ("layers.resizing:ZeroPad", "rows and columns of 0 around an image"),
        "random_flip": ("layers.augmentation:RandomFlip", "mirrors some images, in training"),
        "random_shift": ("layers.augmentation:RandomShift", "moves each image by some pixels, in training"),
        "random_crop": ("layers.augmentation:RandomCrop", "a part of each image, at a random place in training"),
        "gaussian_noise": ("layers.augmentation:GaussianNoise", "z = a + ε, ε ~ N(0, deviation²), in training"),
        "multi_head_attention": (
            "layers.attention:MultiHeadAttention",
            "means of values, weighted by softmax(q·k / √d), in several heads",
        ),
        "positional_encoding": (
            "layers.positions:PositionalEncoding",
            "a_t + p_t, which tells the place in a sequence",
        ),
        "time_pool": ("layers.time_pool:TimePool", "mean, maximum or last one of the time steps of a sequence"),
        "category_embedding": (
            "layers.category_embedding:CategoryEmbedding",
            "the embeddings of several columns of indices, side by side",
        ),
        "periodic": ("layers.periodic:Periodic", "sin and cos of numbers at learned frequencies"),
        "scale": ("layers.scaling:Scale", "s ⊙ a, a learned factor for each feature"),
        "feature_dropout": ("layers.feature_dropout:FeatureDropout", "dropout of whole features"),
        "batch_ensemble": (
            "layers.batch_ensemble:BatchEnsemble",
            "k dense layers with shared weights and factors of their own",
        ),
        "maxout": ("layers.gates:Maxout", "the largest of every few neighbours"),
        "glu": ("layers.gates:GLU", "the first half times the sigmoid of the second"),
        "swiglu": ("layers.gates:SwiGLU", "the swish of the first half times the second"),
        "add": ("layers.merging:Add", "Σ_k a_k of several inputs"),
        "multiply": ("layers.merging:Multiply", "Π_k a_k of several inputs"),
        "concatenate": ("layers.merging:Concatenate", "several inputs side by side"),
        "residual": ("layers.blocks:Residual", "block: f(x) + x"),
        "repeat": ("layers.blocks:Repeat", "block: the same layers several times"),
        "bidirectional": ("layers.blocks:Bidirectional", "block: a recurrent layer in both directions"),
        "stacked": ("layers.blocks:Stacked", "block: recurrent layers one after the other"),
        "transformer_encoder": ("layers.transformer:TransformerEncoder", "block: self-attention and an MLP"),
        "transformer_decoder": (
            "layers.transformer:TransformerDecoder",
            "block: causal self-attention, attention to a memory, and an MLP",
        ),
        "parallel": ("layers.blocks:Parallel", "block: layers that take the same input, merged"),
    },
    "activation": {
        "sigmoid": ("activations:Sigmoid", "1 / (1 + e^−z)"),
        "tanh": ("activations:Tanh", "tanh z"),
        "relu": ("activations:ReLU", "max(0, z)"),
        "leaky_relu": ("activations:LeakyReLU", "z if z > 0, else slope · z"),
        "prelu": ("layers.prelu:PReLU", "z if z > 0, else slope · z, with a trained slope for each channel"),
        "elu": ("activations:ELU", "z if z > 0, else alpha (e^z − 1)"),
        "celu": ("activations:CELU", "z if z > 0, else alpha (e^(z/alpha) − 1)"),
        "selu": ("activations:SELU", "scaled ELU that normalises itself"),
        "gelu": ("activations:GELU", "z Φ(z), exact"),
        "gelu_tanh": ("activations:GELUTanh", "z Φ(z), approximated by tanh"),
        "silu": ("activations:SiLU", "z · sigmoid(z)"),
        "mish": ("activations:Mish", "z tanh(log(1 + e^z))"),
        "softplus": ("activations:Softplus", "log(1 + e^z)"),
        "log_sigmoid": ("activations:LogSigmoid", "−log(1 + e^−z)"),
        "softsign": ("activations:Softsign", "z / (1 + |z|)"),
        "hard_sigmoid": ("activations:HardSigmoid", "z/6 + 1/2, clipped to [0, 1]"),
        "hard_swish": ("activations:HardSwish", "z times its hard sigmoid"),
        "relu6": ("activations:ReLU6", "z, clipped to [0, 6]"),
        "identity": ("activations:Identity", "z"),
        "softmax": ("activations:Softmax", "e^z_j / Σ_k e^z_k over the last axis"),
        "log_softmax": ("activations:LogSoftmax", "z_j − log Σ_k e^z_k over the last axis"),
        "sparsemax": ("activations:Sparsemax", "the nearest probabilities over the last axis, many of them 0"),
    },
    "cost": {
        "mse": ("costs:MSE", "the note's cost: 1/(2N) Σ ‖a − y‖²"),
        "mae": ("costs:MAE", "1/N Σ ‖a − y‖₁"),
        "huber": ("costs:Huber", "quadratic within threshold, linear beyond"),
        "cross_entropy": ("costs:CrossEntropy", "−1/N Σ Σ_k y_k log a_k; canonical with softmax"),
        "binary_cross_entropy": (
            "costs:BinaryCrossEntropy",
            "−1/N Σ Σ_j y_j log a_j + (1 − y_j) log(1 − a_j); canonical with sigmoid",
        ),
        "poisson": ("costs:Poisson", "1/N Σ Σ_j a_j − y_j log a_j"),
        "log_cosh": ("costs:LogCosh", "1/N Σ Σ_j log cosh(a_j − y_j)"),
        "hinge": ("costs:Hinge", "1/N Σ Σ_j max(0, 1 − y_j a_j)"),
        "squared_hinge": ("costs:SquaredHinge", "1/N Σ Σ_j max(0, 1 − y_j a_j)²"),
        "focal": ("costs:Focal", "binary cross-entropy that favours what is still wrong; canonical with sigmoid"),
        "kl_divergence": ("costs:KLDivergence", "1/N Σ Σ_k y_k log(y_k / a_k); canonical with softmax"),
        "token_cross_entropy": (
            "token_cost:TokenCrossEntropy",
            "cross-entropy of sequences of classes, some of them ignored; canonical with softmax",
        ),
        "ctc": ("ctc:CTC", "labels of sequences in their order, at times that nobody knows; canonical with softmax"),
        "quantile": ("vector_costs:Quantile", "the pinball cost of one or more quantiles"),
        "gaussian_nll": ("vector_costs:GaussianNLL", "negative log-likelihood of a mean and a log variance"),
        "each_member": ("member_cost:EachMember", "1/k Σ C of each member of an ensemble"),
        "cosine": ("vector_costs:CosineDistance", "1/N Σ 1 − a · y / (‖a‖ ‖y‖)"),
    },
    "optimizer": {
        "sgd": ("optimizers:SGD", "θ ← θ − η ∇C, with momentum and Nesterov's variant"),
        "adam": ("optimizers:Adam", "first and second moments, bias-corrected"),
        "adamw": ("optimizers:AdamW", "Adam with decoupled weight decay"),
        "nadam": ("optimizers:NAdam", "Adam with Nesterov's momentum"),
        "radam": ("optimizers:RAdam", "Adam that rectifies the variance of its first steps"),
        "lion": ("optimizers:Lion", "the sign of a mean gradient"),
        "lamb": ("optimizers:LAMB", "Adam with steps in proportion to each parameter's norm, for large batches"),
        "schedule_free": ("schedule_free:ScheduleFree", "AdamW or SGD with an average in place of a schedule"),
        "muon": ("muon:Muon", "orthogonal steps for matrices, Adam for the rest"),
        "rmsprop": ("optimizers:RMSProp", "gradient over the root of its mean square"),
        "adagrad": ("optimizers:Adagrad", "gradient over the root of its sum of squares"),
        "lbfgs": ("solvers:LBFGS", "all examples at once: limited-memory quasi-Newton steps"),
        "cg": ("solvers:ConjugateGradient", "all examples at once: conjugate gradients"),
        "newton_cg": ("solvers:NewtonCG", "all examples at once: Newton's steps, by conjugate gradients"),
        "trust_krylov": ("solvers:TrustKrylov", "all examples at once: Newton's steps in a trust region"),
    },
    "schedule": {
        "constant": ("schedules:ConstantRate", "1 throughout"),
        "step": ("schedules:Step", "times `rate` after every `every` epochs"),
        "exponential": ("schedules:Exponential", "rate^t"),
        "cosine": ("schedules:Cosine", "half a cosine from 1 to `floor`, after a linear warm-up"),
        "cosine_restarts": ("schedules:CosineRestarts", "half a cosine from 1 to `floor`, again and again"),
        "one_cycle": ("schedules:OneCycle", "up to 1 and down to almost 0, in half cosines"),
        "inverse_sqrt": ("schedules:InverseSqrt", "the full rate for a while, then 1/√t, after a linear warm-up"),
        "polynomial": ("schedules:Polynomial", "a power of the time that is left, after a linear warm-up"),
        "warmup_stable_decay": ("schedules:WarmupStableDecay", "a warm-up, the full rate, a linear decay at the end"),
        "chain": ("schedules:ScheduleChain", "several schedules, one after the other"),
        "plateau": ("schedules:Plateau", "times `rate` whenever the cost has not fallen for `patience` epochs"),
    },
    "initializer": {
        "glorot_uniform": ("initializers:GlorotUniform", "uniform, variance 2/(fan_in + fan_out)"),
        "glorot_normal": ("initializers:GlorotNormal", "normal, variance 2/(fan_in + fan_out)"),
        "he_uniform": ("initializers:HeUniform", "uniform, variance 2/fan_in"),
        "he_normal": ("initializers:HeNormal", "normal, variance 2/fan_in"),
        "lecun_uniform": ("initializers:LecunUniform", "uniform, variance 1/fan_in"),
        "lecun_normal": ("initializers:LecunNormal", "normal, variance 1/fan_in"),
        "normal": ("initializers:Normal", "normal with mean and standard deviation"),
        "uniform": ("initializers:Uniform", "uniform between low and high"),
        "orthogonal": ("initializers:Orthogonal", "rows or columns orthonormal, times gain"),
        "zeros": ("initializers:Zeros", "0"),
        "ones": ("initializers:Ones", "1"),
        "constant": ("initializers:Constant", "one value"),
        "signs": ("initializers:Signs", "+1 or −1, each with probability 1/2"),
    },
    "regularizer": {
        "l1": ("regularizers:L1", "rate Σ |w|"),
        "l2": ("regularizers:L2", "rate/2 Σ w²"),
    },
    "metric": {
        "accuracy": ("metrics:Accuracy", "share of examples whose class is right"),
        "top_k_accuracy": ("metrics:TopKAccuracy", "share of examples whose class is among the k likeliest"),
        "mse": ("metrics:MeanSquaredError", "mean of (a − y)² over all entries"),
        "mae": ("metrics:MeanAbsoluteError", "mean of |a − y| over all entries"),
        "r2": ("metrics:R2", "1 − residual over total sum of squares"),
        "precision": ("metrics:Precision", "true positives over predicted positives"),
        "recall": ("metrics:Recall", "true positives over actual positives"),
        "f1": ("metrics:F1", "harmonic mean of precision and recall"),
        "confusion_matrix": ("metrics:ConfusionMatrix", "counts, rows actual and columns predicted"),
        "balanced_accuracy": ("class_metrics:BalancedAccuracy", "mean over the classes of the share that is right"),
        "matthews_correlation": (
            "class_metrics:MatthewsCorrelation",
            "correlation of predicted and actual classes",
        ),
        "specificity": ("class_metrics:Specificity", "true negatives over actual negatives"),
        "class_report": ("class_metrics:ClassReport", "precision, recall, F1 and support of each class"),
        "exact_match": ("class_metrics:ExactMatch", "share of examples whose labels are all right (multi-label)"),
        "hamming_loss": ("class_metrics:HammingLoss", "share of labels that are wrong (multi-label)"),
        "roc_auc": ("ranking_metrics:ROCAUC", "area under the ROC curve"),
        "average_precision": ("ranking_metrics:AveragePrecision", "mean of the precision over the recall"),
        "log_loss": ("probability_metrics:LogLoss", "mean of −log of the probability of the right class"),
        "brier": ("probability_metrics:Brier", "mean squared error of the probabilities"),
        "expected_calibration_error": (
            "probability_metrics:ExpectedCalibrationError",
            "distance of confidence and accuracy, in bins",
        ),
        "rmse": ("number_metrics:RootMeanSquaredError", "root of the mean of (a − y)² over all entries"),
        "mape": ("number_metrics:MeanAbsolutePercentageError", "mean of |a − y| / |y| over all entries"),
        "pinball": ("number_metrics:Pinball", "mean pinball loss of quantiles"),
        "explained_variance": (
            "number_metrics:ExplainedVariance",
            "1 − variance of the errors over that of labels",
        ),
        "spearman": ("ranking_metrics:Spearman", "correlation of the ranks of outputs and labels"),
    },
    "dataset": {
        "table": ("datasets.tables:TableFile", "a table of any format: Parquet, Excel, JSON lines, SQL, ..."),
        "csv": ("datasets.csv:CSV", "a table with a header, numeric and categorical columns"),
        "npy": ("datasets.numpy_files:Npy", "x and y from .npy files, memory-mapped"),
        "npz": ("datasets.numpy_files:Npz", "x and y from one .npz archive"),
        "idx": ("datasets.idx:IDX", "images and labels in the format of MNIST, gzip too"),
        "image_folder": ("datasets.image_folder:ImageFolder", "images in a folder for each class (Pillow)"),
        "characters": ("datasets.text:Characters", "windows of a text, with the characters that come next"),
        "text_lines": ("datasets.text:TextLines", "lines of text with a label each, as words or characters"),
        "sequences_csv": ("datasets.sequences:SequencesCSV", "a table whose rows are the time steps of sequences"),
        "digits": ("datasets.digits:Digits", "1,797 real handwritten digits of 8x8 pixels (UCI), shipped with nnfw"),
        "xor": ("datasets.synthetic:XOR", "the four examples of exclusive or"),
        "spirals": ("datasets.synthetic:Spirals", "interleaved spirals in the plane"),
        "moons": ("datasets.synthetic:Moons", "two interleaved half circles in the plane"),
    },
    "transform": {
        "fill": ("filling:Fill", "a value in place of each that is missing: mean, median, most frequent, any"),
        "standardize": ("transforms:Standardize", "(x − mean) / standard deviation"),
        "min_max": ("transforms:MinMax", "linear onto [low, high]"),
        "robust": ("number_transforms:Robust", "(x − median) / interquartile range"),
        "quantile": ("number_transforms:QuantileTransform", "the share of training values below, as it is or normal"),
        "log": ("number_transforms:Log", "log(x + shift), or with the sign of x"),
        "power": ("number_transforms:Power", "the power that makes a column most normal: Yeo-Johnson, Box-Cox"),
        "clip": ("number_transforms:Clip", "bounds, given or quantiles of the training data"),
        "piecewise_linear": ("piecewise_linear:PiecewiseLinear", "how far a number fills each of several bins"),
        "one_hot": ("transforms:OneHot", "a category as a vector with a single 1"),
        "index": ("transforms:Index", "a category as its index, for an embedding"),
        "target_encoding": ("target_encoding:TargetEncoding", "a category as the mean target of its examples"),
        "ordinal": ("word_transforms:Ordinal", "a word as its position in an order that is given"),
        "hash": ("word_transforms:Hash", "a word as one of k slots, by a hash"),
        "tokens": ("word_transforms:Tokens", "the words of a text in k slots: counts, or indices for an embedding"),
        "date": ("dates:Date", "parts of a date, as sine and cosine, and elapsed days"),
    },
    "callback": {
        "early_stopping": ("callbacks:EarlyStopping", "stops when `monitor` no longer improves; restores the best"),
        "checkpoint_best": ("callbacks:CheckpointBest", "writes the model whenever `monitor` is best"),
        "csv_log": ("callbacks:CSVLog", "writes every epoch's record to a CSV file"),
        "terminate_on_nan": (
            "callbacks:TerminateOnNaN",
            "stops at the first step with non-finite cost, gradient or parameters",
        ),
    },
}
DEFAULT = {("callback", "terminate_on_nan")}
OPEN_ENDED = {("callback", "early_stopping"): {"patience": 40}}

EXAMPLES: dict[tuple[str, str], tuple[dict[str, Any], ...]] = {
    ("layer", "dense"): ({"units": 3}, {"units": 4, "activation": "tanh", "bias": False}),
    ("layer", "activation"): ({"activation": "tanh"}, {"activation": "softmax"}),
    ("layer", "reshape"): ({"shape": [2, 2]}, {"shape": [3, -1]}),
    ("layer", "spatial_dropout"): ({}, {"rate": 0.25, "axis": 0}),
    ("layer", "embedding"): ({"count": 5, "width": 3}, {"count": 4, "width": 2, "padding_index": 1}),
    ("layer", "bidirectional"): ({"layer": {"type": "gru", "units": 2}},),
    ("layer", "stacked"): (
        {"layer": {"type": "lstm", "units": 2}},
        {"layer": {"type": "gru", "units": 2, "states": "all"}, "times": 3, "dropout": 0.3},
    ),
    ("layer", "transformer_encoder"): (
        {"width": 4, "heads": 2},
        {"width": 4, "heads": 1, "hidden": 3, "norm_first": False, "dropout": 0.2, "causal": True},
    ),
    ("layer", "transformer_decoder"): (
        {"width": 4, "heads": 2, "rotary": True},
        {"width": 4, "heads": 2, "norm_first": False},
    ),
    ("layer", "multi_head_attention"): (
        {"heads": 2},
        {"heads": 4, "groups": 2, "causal": True, "rotary": True, "dropout": 0.3},
        {"heads": 2, "head_width": 3, "bias": False, "output_projection": False},
    ),
    ("layer", "time_pool"): ({}, {"kind": "max"}, {"kind": "last"}),
    ("layer", "positional_encoding"): ({}, {"kind": "learned"}),
    ("layer", "batch_norm"): ({}, {"axis": 0, "shift": False, "activation": "tanh"}, {"axis": -1, "scale": False}),
    ("layer", "layer_norm"): ({}, {"axes": 2, "activation": "tanh"}, {"scale": False, "shift": False}),
    ("layer", "rms_norm"): ({}, {"axes": 2, "shift": True}),
    ("layer", "group_norm"): ({"groups": 2}, {"groups": 1, "shift": False}),
    ("layer", "simple_rnn"): ({"units": 3}, {"units": 2, "states": "all", "reverse": True, "bias": False}),
    ("layer", "lstm"): (
        {"units": 3},
        {"units": 2, "states": "all", "initial_state": "learned"},
        {"units": 3, "reverse": True, "states": "complete"},
    ),
    ("layer", "gru"): (
        {"units": 3},
        {"units": 2, "states": "all", "initial_state": "learned"},
        {"units": 3, "reverse": True, "bias": False},
    ),
    ("layer", "conv2d"): (
        {"filters": 2, "kernel": 2, "activation": "tanh"},
        {"filters": 4, "kernel": [3, 2], "stride": [2, 1], "padding": "same", "groups": 2, "bias": False},
        {"filters": 3, "kernel": [2, 3], "stride": [1, 2], "padding": [1, 2], "dilation": [2, 1]},
    ),
    ("layer", "conv_transpose2d"): (
        {"filters": 2, "kernel": 2, "stride": 2, "activation": "tanh"},
        {"filters": 2, "kernel": [3, 2], "stride": [2, 1], "padding": "same", "groups": 2, "bias": False},
        {"filters": 3, "kernel": 2, "stride": [3, 2], "padding": [1, 0], "dilation": [2, 1], "output_padding": [1, 0]},
    ),
    ("layer", "conv1d"): (
        {"filters": 2, "kernel": 2, "activation": "tanh"},
        {"filters": 4, "kernel": 3, "padding": "same", "groups": 2, "bias": False},
        {"filters": 3, "kernel": 2, "stride": 2, "padding": 1, "dilation": 2},
    ),
    ("layer", "causal_conv1d"): ({"filters": 2, "kernel": 3}, {"filters": 4, "kernel": 2, "dilation": 2, "groups": 2}),
    ("layer", "max_pool1d"): ({}, {"kernel": 3, "stride": 1, "padding": "same"}),
    ("layer", "avg_pool1d"): ({}, {"kernel": 3, "stride": 2, "padding": 1}),
    ("layer", "upsample"): ({}, {"factor": [1, 3]}),
    ("layer", "zero_pad"): ({"padding": 1}, {"padding": [0, 1, 2, 0]}),
    ("layer", "random_flip"): ({}, {"axis": "vertical", "rate": 1.0}),
    ("layer", "random_shift"): ({}, {"most": [0, 2]}),
    ("layer", "random_crop"): ({"size": 2}, {"size": [1, 3]}),
    ("layer", "max_pool2d"): ({}, {"kernel": 3, "stride": 1, "padding": "same"}),
    ("layer", "avg_pool2d"): ({}, {"kernel": [3, 2], "stride": [2, 1], "padding": 1}),
    ("layer", "category_embedding"): (
        {"counts": [5, 3, 2], "widths": 2},
        {"counts": [2, 4, 3], "widths": [1, 3, 2]},
    ),
    ("layer", "periodic"): ({"frequencies": 2}, {"frequencies": 1, "width": 3, "activation": "tanh"}),
    ("layer", "feature_dropout"): ({}, {"rate": 0.3, "width": 2}),
    ("layer", "batch_ensemble"): (
        {"units": 3, "members": 2},
        {"units": 2, "members": 4, "activation": "tanh", "output_initializer": "signs"},
    ),
    ("layer", "maxout"): ({"pieces": 2}, {"pieces": 1, "activation": "tanh"}),
    ("layer", "glu"): ({}, {"activation": "tanh"}),
    ("layer", "swiglu"): ({}, {"activation": "tanh"}),
    ("layer", "add"): ({}, {"activation": "tanh"}),
    ("layer", "residual"): (
        {"layers": [{"type": "dense", "units": 4, "activation": "tanh"}]},
        {"layers": [{"type": "dense", "units": 3}], "shortcut": {"type": "dense", "units": 3}, "activation": "tanh"},
    ),
    ("layer", "repeat"): ({"layers": [{"type": "dense", "units": 4, "activation": "tanh"}, "dropout"], "times": 2},),
    ("layer", "parallel"): (
        {"layers": [{"type": "dense", "units": 3, "activation": "tanh"}, {"type": "dense", "units": 2}]},
        {"layers": [{"type": "dense", "units": 3}, {"type": "dense", "units": 3}], "merge": "multiply"},
    ),
    ("activation", "leaky_relu"): ({}, {"slope": 0.3}),
    ("activation", "prelu"): ({}, {"slope": 0.1, "shared": True}),
    ("activation", "elu"): ({}, {"alpha": 0.5}),
    ("activation", "celu"): ({}, {"alpha": 0.5}),
    ("cost", "focal"): ({}, {"gamma": 0.5, "alpha": None}),
    ("cost", "token_cross_entropy"): ({}, {"mean": "example", "ignored": 0}),
    ("cost", "ctc"): ({}, {"blank": 3, "padding": -100}),
    ("cost", "each_member"): ({"cost": "mse"}, {"cost": "cross_entropy"}, {"cost": "binary_cross_entropy"}),
    ("cost", "quantile"): ({}, {"quantiles": [0.5]}),
    ("metric", "roc_auc"): ({}, {"average": "weighted"}, {"multilabel": True}),
    ("metric", "average_precision"): ({}, {"average": "weighted"}, {"multilabel": True}),
    ("metric", "expected_calibration_error"): ({}, {"bins": 1}),
    ("metric", "pinball"): ({}, {"quantiles": [0.1, 0.9]}),
    ("optimizer", "sgd"): ({}, {"momentum": 0.9, "weight_decay": 0.1}, {"momentum": 0.9, "nesterov": True}),
    ("optimizer", "adam"): ({}, {"weight_decay": 0.1}, {"amsgrad": True, "clip_value": 0.5}),
    ("optimizer", "schedule_free"): ({}, {"base": "sgd", "learning_rate": 0.1, "weight_decay": 0.1}),
    ("optimizer", "muon"): ({}, {"adam": ["0.*"], "nesterov": False, "clip_norm": 1.0}),
    ("optimizer", "lion"): ({}, {"weight_decay": 0.1}),
    ("optimizer", "adamw"): ({}, {"weight_decay": 0.1}),
    ("schedule", "step"): ({"every": 2},),
    ("schedule", "exponential"): ({"rate": 0.9},),
    ("schedule", "cosine"): ({}, {"warmup": 1.5, "floor": 0.1}),
    ("schedule", "inverse_sqrt"): ({}, {"hold": 0.5, "warmup": 2}),
    ("schedule", "polynomial"): ({}, {"power": 2, "warmup": 1}),
    ("schedule", "warmup_stable_decay"): ({}, {"warmup": 1.5, "decay": 1.0}),
    ("schedule", "cosine_restarts"): ({"period": 2}, {"period": 1, "growth": 1.5, "floor": 0.1}),
    ("schedule", "chain"): ({"schedules": ["constant", {"type": "exponential", "rate": 0.9}], "epochs": [2]},),
    ("initializer", "constant"): ({"value": 0.5},),
    ("transform", "piecewise_linear"): ({}, {"bins": 1}, {"edges": [-1.0, 0.0, 0.5, 3.0]}),
    ("transform", "fill"): ({}, {"by": "median", "indicator": True}, {"by": "most_frequent"}, {"value": 0.5}),
    ("transform", "quantile"): ({}, {"to": "uniform"}, {"quantiles": 4}),
    ("transform", "log"): ({}, {"shift": 2.5}, {"signed": True}),
    ("transform", "power"): ({}, {"family": "box_cox"}),
    ("transform", "clip"): ({}, {"low": -1.0, "high": 2.0}, {"share": 0.2}),
    ("transform", "target_encoding"): ({}, {"smooth": 2.0, "folds": 3}),
    ("transform", "ordinal"): ({"order": ["low", "middle", "high"]},),
    ("transform", "hash"): ({"slots": 5},),
    ("transform", "tokens"): ({"slots": 5}, {"slots": 5, "length": 3}),
    ("transform", "date"): ({}, {"parts": ["year", "day", "hour"], "cyclic": False}, {"formats": ["%d.%m.%Y %H:%M"]}),
    ("transform", "one_hot"): ({}, {"unknown": "error"}, {"min_count": 2}),
    ("transform", "index"): ({}, {"unknown": "error"}, {"min_count": 2}),
}
"""Options for checks: of components with required options, or with behaviour that the defaults do not cover."""

INPUT_SHAPES: dict[tuple[str, str], tuple[Any, ...]] = {
    ("layer", "simple_rnn"): (((3, 2),), ((4, 3), (3,)), ((1, 2), (2,))),
    ("layer", "lstm"): (((3, 2),), ((4, 3), (6,)), ((1, 2), (4,))),
    ("layer", "gru"): (((3, 2),), ((4, 3), (3,)), ((1, 2), (2,))),
    ("layer", "multi_head_attention"): (((4, 8),), ((3, 8), (5, 6)), ((1, 8),), ((4, 8), (4, 8))),
    ("layer", "transformer_decoder"): ((3, 4), ((3, 4), (5, 6))),
}
"""Shapes to check components with that take only certain ones; those of several inputs as a tuple."""

CHAIN = {"layers": [{"type": "dense", "units": 4, "activation": "tanh"}, "dropout", {"type": "dense", "units": 3}]}


# module: names; the docstrings of the operations say what they do
OPERATIONS = {
    "nnfw.ops.definitions": "product add_bias sum_examples take copy scale multiply mask blend follow add add_scaled",
    "nnfw_standard.operations": """
        scatter_add clear_index sigmoid sigmoid_delta tanh tanh_delta dropout_mask relu relu_delta softmax softmax_delta
        shift subtract_log log_softmax_delta sparsemax sparsemax_delta residual label_residual class_residual weigh
        mae_terms mae_slope huber_terms huber_slope poisson_terms poisson_slope binary_terms binary_slope logistic_terms
        bounded_log label_terms class_terms label_slope class_slope mean weighted_mean squared_distance logistic_loss
        class_loss right_classes right_rows add_signs clip clip_values sgd momentum adam amsgrad nadam radam lion
        rmsprop multiply_channels
    """,
    "nnfw_standard.attention_operations": """
        attention_weights attention_values attention_values_delta attention_weights_delta rotate
    """,
    "nnfw_standard.cost_operations": """
        log_cosh_terms log_cosh_slope hinge_terms hinge_slope squared_hinge_terms squared_hinge_slope focal_terms
        focal_terms_from_z focal_slope focal_delta divergence_terms quantile_terms quantile_slope gaussian_terms
        gaussian_slope cosine_terms cosine_slope tokens
    """,
    "nnfw_standard.ctc_operations": "marked ctc_terms ctc_delta ctc_slope",
    "nnfw_standard.normalization_operations": """
        normalize normalize_delta affine scale_channels affine_gradients batch_normalize batch_normalize_delta
        running_rates
    """,
    "nnfw_standard.sequence_operations": """
        swap repeat_row rnn_steps rnn_steps_back lstm_steps lstm_steps_back gru_steps gru_steps_back
    """,
    "nnfw_standard.image_operations": """
        conv2d conv2d_input_gradient conv2d_weight_gradient add_to_channels sum_positions max_pool2d
        max_pool2d_gradient avg_pool2d avg_pool2d_gradient pad2d crop2d upsample2d upsample2d_gradient
    """,
    "nnfw_standard.table_operations": """
        glu glu_delta swiglu swiglu_delta maxout maxout_delta to_members sum_members waves waves_delta
    """,
    "nnfw_standard.augmentation_operations": "flip2d random_places window2d window2d_gradient add_normal",
    "nnfw_standard.time_operations": """
        time_mean time_mean_delta time_max time_max_delta time_last time_last_delta transpose unfold fold
    """,
}


_EXTRA = "pip install 'nnfw[tables]' brings"

TABLE_READERS = {
    "parquet": (f"Parquet; {_EXTRA} pyarrow", (".parquet", ".pq"), ()),
    "arrow": (f"Arrow and Feather; {_EXTRA} pyarrow", (".arrow", ".feather", ".ipc", ".arrows"), ()),
    "json_lines": ("JSON lines, an object in each", (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz"), ()),
    "excel": (f"sheets of Excel; {_EXTRA} openpyxl", (".xlsx", ".xlsm"), ()),
    "sql": (
        f"tables and queries of databases by URLs of SQLAlchemy; {_EXTRA} sqlalchemy, but no driver of a database",
        (".sqlite", ".sqlite3", ".db"),
        ("sqlite", "postgresql", "mysql", "mariadb", "oracle", "mssql", "duckdb"),
    ),
    "hdf5": (f"data sets of HDF5; {_EXTRA} h5py", (".h5", ".hdf5"), ()),
}
"""Summary, endings and schemes of each reader, by name."""


@hookimpl
def nnfw_table_readers() -> Iterator[TableReaderSpec]:
    """Yield the readers of tables that are not text."""
    for name, (summary, endings, schemes) in TABLE_READERS.items():
        yield TableReaderSpec(name, f"nnfw_standard.table_readers:read_{name}", summary, endings, schemes)


@hookimpl
def nnfw_operations() -> Iterator[OperationSpec]:
    """Yield the operations of the framework and of the standard components."""
    for module, names in OPERATIONS.items():
        for name in names.split():
            yield OperationSpec(name, f"{module}:{name}", f"see {module}.{name}")


@hookimpl
def nnfw_components() -> Iterator[ComponentSpec]:
    """Yield every standard component."""
    yield ComponentSpec(
        "layer", "chain", "nnfw.network.chain:Chain", "block: layers one after the other", examples=(CHAIN,)
    )
    for kind, components in COMPONENTS.items():
        for name, (target, summary) in components.items():
            default, examples = (kind, name) in DEFAULT, EXAMPLES.get((kind, name), ())
            shapes = INPUT_SHAPES.get((kind, name), ())
            ends = OPEN_ENDED.get((kind, name))
            yield ComponentSpec(kind, name, f"nnfw_standard.{target}", summary, default, examples, shapes, ends)
