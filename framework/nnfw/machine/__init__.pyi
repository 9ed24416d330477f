from .environment import describe_environment as describe_environment
from .environment import describe_exactness as describe_exactness
from .environment import installed_distributions as installed_distributions
from .environment import required_packages as required_packages
from .threads import Limit as Limit
from .threads import limit_of as limit_of
from .threads import one_thread_in_scipy as one_thread_in_scipy
from .threads import sum_of_squares as sum_of_squares
