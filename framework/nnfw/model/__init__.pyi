from .format import load as load
from .labels import numbers_of as numbers_of
from .labels import takes_only_classes as takes_only_classes
from .sequential import Sequential as Sequential
from .sequential import WeightedCost as WeightedCost
from .stepwise import Stepwise as Stepwise
