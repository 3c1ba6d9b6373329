from keras_fcn.solver.solver import Solver as Solver
from keras_fcn.solver.testing import test_net as test_net
from keras_fcn.solver.timing import time_net as time_net
